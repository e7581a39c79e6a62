"""The version's thread follows its rollout while the task waits, whoever dies meanwhile: each event once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_rollout_waits import KEY, first_event, rollout

from operators.tell import tell_rollout
from operators.triggers import RolloutTrigger
from pressrun.config.environment import Environment
from pressrun.config.load import load_environment, load_pipeline
from pressrun.registry import ModelRef
from pressrun.rollout import intervene, submit
from pressrun.rollout.changes import told
from pressrun.rollout.record import RecordStore
from tests.fakes.slack import TOKEN, FakeSlack, fake_slack
from tests.rollout.home import model_of, plan_of


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSlack]:
    with fake_slack() as fake:
        monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
        yield fake


@pytest.fixture
def connected(slack: FakeSlack) -> Environment:
    return load_environment().model_copy(update={"slack_url": slack.url})


def submitted(environment: Environment, folder: Path) -> ModelRef:
    old, new = model_of(folder, "3"), model_of(folder, "4")
    submit(environment, plan_of(str(KEY), new, old))
    return new


def test_each_event_is_one_reply_though_a_triggerer_died_and_the_task_tells_the_rest(
    connected: Environment, slack: FakeSlack, tmp_path: Path
) -> None:
    submitted(connected, tmp_path)
    pipeline = load_pipeline("topics")
    tell_rollout(connected, "topics", str(KEY), set())
    intervene(connected, "topics", "pause", actor="ann", reason="<!channel> look")
    for _ in range(2):
        tell_rollout(connected, pipeline, str(KEY), set())
    (root,) = slack.roots
    assert [message["text"] for message in slack.replies(root)] == [
        f"canary: submitted, version 4 by {KEY}",
        "canary: pause by ann: &lt;!channel&gt; look",
    ]


def test_a_force_stands_in_the_threads_first_message(connected: Environment, slack: FakeSlack, tmp_path: Path) -> None:
    submitted(connected, tmp_path)
    tell_rollout(connected, "topics", str(KEY), set())
    intervene(connected, "topics", "force", actor="bob", reason="election night")
    tell_rollout(connected, "topics", str(KEY), set())
    (root,) = slack.roots
    assert root["text"].startswith("*topics v4* · FORCED to all traffic")
    assert "force by bob: election night" in root["text"]


def test_what_was_told_is_not_looked_up_again(
    connected: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(connected, tmp_path)
    known: set[str] = set()
    tell_rollout(connected, "topics", str(KEY), known)
    said: list[str] = []
    monkeypatch.setattr("operators.tell.say", lambda *_, text, **__: said.append(text))
    RecordStore(connected).update("topics", lambda r: told(r, "crashed", "process 7", datetime.now(UTC)))
    tell_rollout(connected, "topics", str(KEY), known)
    assert said == ["canary: a server crashed, process 7"]


def test_an_outbox_that_fails_stops_no_waiting_and_it_is_told_later(
    connected: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("database is away")

    submitted(connected, tmp_path)
    known: set[str] = set()
    with monkeypatch.context() as patch:
        patch.setattr("operators.tell.say", broken)
        tell_rollout(connected, "topics", str(KEY), known)
    assert known == set()
    assert "told later: database is away" in caplog.text


def test_the_trigger_tells_while_it_waits_and_hands_the_pipeline_on_when_it_is_serialized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[object, str]] = []
    monkeypatch.setattr(
        "operators.triggers.tell_rollout", lambda e, pipeline, key, known: heard.append((pipeline, key))
    )
    path, given = rollout(tmp_path)._trigger(_Step()).serialize()  # type: ignore[arg-type]
    assert path == "operators.triggers.RolloutTrigger"
    trigger = RolloutTrigger(**{**given, "poll_seconds": 0})
    monkeypatch.setattr(trigger, "_ended", lambda environment: "promoted")
    assert first_event(trigger) == {"phase": "promoted"}
    assert heard == [("topics", str(KEY))]


class _Step:
    key = KEY
    pipeline = load_pipeline(str(Path(__file__).parents[2] / "config" / "pipelines" / "topics.yaml"))
