"""What people and services are shown holds no secret."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pressrun.config.load import load_environment
from pressrun.config.redact import redacted, secret_values, without_userinfo


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://ann:s3cret@mlflow.example:5000/base", "http://mlflow.example:5000/base"),
        ("https://t0ken@host/#/runs/1", "https://host/#/runs/1"),
        ("postgresql+psycopg2://u:p%40ss@db/pressrun", "postgresql+psycopg2://db/pressrun"),
        ("http://u:p@ss@host", "http://host"),
        ("http://host/@ann?to=a@b", "http://host/@ann?to=a@b"),
        ("sqlite:////home/ann@work/mlflow.db", "sqlite:////home/ann@work/mlflow.db"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_whom_it_signs_in(url: str, shown: str) -> None:
    assert without_userinfo(url) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "no answer from http://ann:s3cret@host:5000/api (timeout)",
            "no answer from http://***@host:5000/api (timeout)",
        ),
        ("Slack refused xoxb-12-34-abCD", "Slack refused ***"),
        ("app token xapp-1-A0-x9, hook https://hooks.slack.com/services/T0/B0/xyz", "app token ***, hook ***"),
        ("Incorrect API key: sk-proj-abcdefghijklmnop1234.", "Incorrect API key: ***."),
        ("AKIAIOSFODNN7EXAMPLE is not allowed", "*** is not allowed"),
        (
            "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY, region=eu",
            "aws_secret_access_key=***, region=eu",
        ),
        ('{"password": "hunter2", "user": "ann"}', '{"password": "***", "user": "ann"}'),
        ("sent Authorization: Bearer eyJhbGciOiJI.x-y", "sent Authorization: ***"),
        ("GET /?token=abc&page=2", "GET /?token=***&page=2"),
    ],
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "macro_f1 0.843 [0.825, 0.861], floor 0.75; 60 of 120 audited",
        "ann@example.org wrote to desk@example.org",
        "input_tokens=1200, max_output_tokens=200",
        "the risk-adjusted-return-of-the-task-force is up; sk-learn agrees",
        "monkey=12, basic authentication failed",
        "",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("name", ["SLACK_BOT_TOKEN", "my_password", "CLIENT_SECRET", "OPENAI_API_KEY"])
def test_the_value_of_a_secret_variable_is_masked_also_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "rose bud/7+")
    assert redacted("refused: rose bud/7+ and rose%20bud%2F7%2B") == "refused: *** and ***"


def test_the_password_inside_an_address_of_the_environment_is_masked_also_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRESSRUN_DATABASE", "postgresql://ann:p%40ssw0rd@db/pressrun")
    assert redacted("authentication failed for p@ssw0rd (p%40ssw0rd)") == "authentication failed for *** (***)"


def test_other_variables_and_short_values_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSRUN_HOME", "/srv/pressrun")
    monkeypatch.setenv("SORT_KEY", "name")
    assert not {"/srv/pressrun", "name"} & set(secret_values())
    assert redacted("the name of /srv/pressrun") == "the name of /srv/pressrun"


def test_the_longest_secret_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "abcdef")
    monkeypatch.setenv("B_TOKEN", "abcdefghi")
    assert redacted("abcdefghi abcdef") == "*** ***"


def test_the_secrets_of_an_environment_file_are_known_once_it_is_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pressrun.config.redact._remembered", set())
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nhome: /x\ndatabase: 'postgresql://ann:of%2Fthe%2Fdesk@db/x'\nlanding: x\n"
        "lake: {root: /x, storage_options: {aws_secret_access_key: of-the-lake, aws_region: eu-north-1}}\n"
        "mlflow: {tracking_uri: 'http://ann:of-mlflow@host'}\n"
    )
    assert redacted("of/the/desk of-the-lake of-mlflow") == "of/the/desk of-the-lake of-mlflow"
    load_environment(file)
    assert redacted("of/the/desk of-the-lake of-mlflow eu-north-1") == "*** *** *** eu-north-1"


@pytest.mark.parametrize("run", ["é", "1", "_", "a.", "password", "authorization ", "x://", "xoxb-"])
def test_what_strangers_wrote_takes_no_longer_than_it_is_long(run: str) -> None:
    """A candidate's log lines are redacted by the process that rolls it back."""
    began = time.monotonic()
    redacted(run * 20_000)
    assert time.monotonic() - began < 2


def test_a_name_of_any_length_hides_what_follows_it() -> None:
    for name in ("password", "db_password", "x" * 200 + "-password", "é.api_key", "9token"):
        assert redacted(f"{name}=hunter2secret") == f"{name}=***"
