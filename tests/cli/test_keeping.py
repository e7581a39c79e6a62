"""`pressrun maintain`, `erase` and `retract` as people type them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.config.environment import Environment
from pressrun.ingest.readers import pseudonyms
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.step import open_lake


def finished(lake: Lake, table: str, rows: Iterable[dict[str, object]]) -> None:
    """Rows of a step that has finished."""
    key = StepKey(dag_id="topics_retrain", run_id="night-1", task_id=table)
    made = lake.commit(table, rows_of(table, rows), key=key, pipeline="topics")
    result = StageResult(stage=table, step_key=str(key), datasets={table: made})
    lake.finish(result, key=key, pipeline="topics", fingerprint=table)


@pytest.fixture
def lake(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Two readers were shown articles of two sources, and what was predicted for them is in six small files."""
    lake, pseudonym = open_lake(environment), pseudonyms(environment.home)
    finished(lake, "articles", [{"article_id": name, "source": f"wire {name}"} for name in ("x", "y")])
    shown = [{"impression_id": f"{r}1", "article_id": "x", "reader_id": pseudonym(r)} for r in ("ann", "bob")]
    finished(lake, "interactions", shown)
    for number in range(1, 7):
        rows = [{"request_id": f"q{number}", "model": "topics", "impression_id": "ann1", "at": datetime.now(UTC)}]
        lake.append("predictions", rows_of("predictions", rows), pipeline="topics", source="s", sequence=number)
    return lake


def test_maintenance_says_what_became_of_what(cli: CliRunner, lake: Lake) -> None:
    looked = cli.invoke(app, ["maintain", "--dry-run"])
    assert (looked.exit_code, "6 small files would be made 1" in looked.stdout) == (0, True), looked.output
    done = cli.invoke(app, ["maintain"])
    assert "predictions: 6 → 1 files, 6 small files made 1" in done.stdout
    assert "MB freed" in done.stdout


def test_an_erasure_prints_its_receipt_without_a_name(cli: CliRunner, lake: Lake, environment: Environment) -> None:
    typed = ["erase", "--reader", "ann", "--by", "dpo", "--reason", "asked"]
    looked = cli.invoke(app, [*typed, "--dry-run"])
    assert "1 rows of interactions, 6 rows of predictions" in looked.stdout, looked.output
    done = cli.invoke(app, typed)
    assert done.exit_code == 0, done.output
    assert "interactions" in done.stdout
    assert "no registered model was trained on any of it" in done.stdout
    (file,) = (environment.home / "erasures").glob("*.json")
    receipt = json.loads(Path(file).read_text())
    assert (receipt["found"], receipt["complete"], receipt["actor"]) == (True, True, "dpo")
    assert '"ann"' not in file.read_text()
    again = cli.invoke(app, typed)
    assert again.stdout == done.stdout
    nobody = cli.invoke(app, ["erase", "--reader", "nobody", "--by", "dpo", "--reason", "asked"])
    assert "nothing led to this reader" in nobody.stdout


def test_a_source_is_withdrawn_and_let_in_again(cli: CliRunner, lake: Lake) -> None:
    typed = ["retract", "--source", "wire x", "--by", "ada", "--reason", "made up"]
    done = cli.invoke(app, typed)
    assert "topics: source wire x is withdrawn" in done.stdout, done.output
    assert "no registered model stands on it" in done.stdout
    undone = cli.invoke(app, [*typed, "--undo"])
    assert "topics: source wire x is let in again" in undone.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "wire z"], "no article has the source wire z; there are: wire"),
        (["--labeler", "person:ann"], "no label is of the labeler person:ann; there are: none"),
        ([], "either --source NAME or --labeler NAME"),
        (["--source", "wire x", "--since", "yesterday"], "write a time such as"),
        (["--source", "wire x", "--since", "2999-01-01T08:00"], "2999-01-01 has not come yet"),
    ],
)
def test_what_cannot_be_withdrawn_is_said(cli: CliRunner, lake: Lake, options: list[str], said: str) -> None:
    done = cli.invoke(app, ["retract", *options, "--by", "ada", "--reason", "made up"])
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_a_time_without_a_zone_is_this_machines_and_is_said_in_utc(
    cli: CliRunner, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Etc/GMT-3")
    time.tzset()
    typed = ["retract", "--source", "wire x", "--by", "ada", "--reason", "made up", "--since", "2026-01-06T08:00"]
    done = cli.invoke(app, typed)
    monkeypatch.undo()
    time.tzset()
    assert "topics: source wire x since 2026-01-06 05:00 UTC is withdrawn" in done.stdout, done.output


@pytest.mark.parametrize("reader", ["", "  "])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_nobody_is_no_reader_to_erase(cli: CliRunner, lake: Lake, reader: str, more: list[str]) -> None:
    done = cli.invoke(app, ["erase", "--reader", reader, "--by", "dpo", "--reason", "asked", *more])
    assert (done.exit_code, "the reader's id is blank" in done.output) == (2, True), done.output


def test_a_decision_without_a_name_is_none(cli: CliRunner, lake: Lake) -> None:
    done = cli.invoke(app, ["erase", "--reader", "ann", "--by", " ", "--reason", "asked"])
    assert (done.exit_code, "--by is blank" in done.output) == (2, True)
