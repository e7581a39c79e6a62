"""Alerts through slack-sdk against a server that speaks Slack's Web API, with its troubles."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from pressrun.alerts import deliver, say, tell, threads
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.verdict import Assertion, Decision, Verdict
from tests.fakes.slack import TOKEN, FakeSlack, fake_slack

THREAD = "topics/v4"
LINKS = {"Report": "http://localhost:8080/report"}


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with fake_slack() as fake:
        yield fake


@pytest.fixture
def connected(environment: Environment, slack: FakeSlack) -> Environment:
    return environment.model_copy(update={"slack_url": slack.url})


def verdict(kind: str = "gate", decision: Decision = Decision.PASS, reason: str = "macro-F1 0.84") -> Verdict:
    check = Assertion(metric="macro_f1", decision=decision, reason=reason)
    return Verdict.model_validate(
        {"kind": kind, "pipeline": "topics", "checks": (check,), "model_version": "4", "champion_version": "2"}
    )


def test_one_thread_a_model_version_whose_first_message_is_the_present_state(
    connected: Environment, pipeline: Pipeline, slack: FakeSlack
) -> None:
    tell(connected, pipeline, verdict(), thread=THREAD, links=LINKS, token=TOKEN)
    say(connected, pipeline, key="canary 5", thread=THREAD, text="canary at 5%", token=TOKEN)
    tell(connected, pipeline, verdict("canary", Decision.FAIL, "p99 3.1×"), thread=THREAD, token=TOKEN)
    (root,) = slack.roots
    assert root["edited"]
    assert root["text"].startswith("*topics v4* · rolled back · champion is v2")
    assert "<http://localhost:8080/report|Report>" in root["text"]
    assert [m["text"].split("\n")[0] for m in slack.replies(root)] == [
        "gate: *passed the gate*",
        "canary at 5%",
        "canary: *rolled back*",
    ]


def test_the_same_alert_twice_is_one_message(connected: Environment, pipeline: Pipeline, slack: FakeSlack) -> None:
    same = verdict()
    for _ in range(2):
        tell(connected, pipeline, same, thread=THREAD, token=TOKEN)
    assert len(slack.messages) == 2


def test_article_text_is_shown_and_not_obeyed(connected: Environment, pipeline: Pipeline, slack: FakeSlack) -> None:
    tell(connected, pipeline, verdict(reason="<!channel> A & B <http://bad|x>"), thread=THREAD, token=TOKEN)
    assert "<!channel>" not in slack.roots[0]["text"]
    assert "&lt;!channel&gt; A &amp; B" in slack.roots[0]["text"]


def test_a_rate_limit_is_waited_out(connected: Environment, pipeline: Pipeline, slack: FakeSlack) -> None:
    slack.troubles["chat.postMessage"] = ["429"]
    tell(connected, pipeline, verdict(), thread=THREAD, token=TOKEN)
    assert len(slack.messages) == 2


def test_a_post_whose_answer_was_lost_is_found_in_the_history_and_not_repeated(
    connected: Environment, pipeline: Pipeline, slack: FakeSlack
) -> None:
    slack.troubles["chat.postMessage"] = ["lost"]
    tell(connected, pipeline, verdict(), thread=THREAD, token=TOKEN)
    assert len(slack.messages) == 1
    slack.troubles["chat.postMessage"] = ["lost"]
    assert deliver(connected, token=TOKEN) == 1
    assert deliver(connected, token=TOKEN) == 0
    assert len(slack.roots) == 1
    assert len(slack.messages) == 2


def test_a_post_that_never_arrived_is_posted_again(
    connected: Environment, pipeline: Pipeline, slack: FakeSlack
) -> None:
    slack.troubles["chat.postMessage"] = ["500"]
    tell(connected, pipeline, verdict(), thread=THREAD, token=TOKEN)
    assert slack.messages == []
    assert deliver(connected, token=TOKEN) == 0
    assert len(slack.messages) == 2


def test_an_unreachable_slack_fails_nothing_and_loses_nothing(
    environment: Environment, pipeline: Pipeline, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    away = environment.model_copy(update={"slack_url": "http://127.0.0.1:9/api/"})
    with caplog.at_level(logging.WARNING, logger="pressrun"):
        tell(away, pipeline, verdict(), thread=THREAD, token=TOKEN)
    assert "kept in the outbox for #news-ml" in caplog.text
    assert TOKEN not in caplog.text
    back = environment.model_copy(update={"slack_url": slack.url})
    assert deliver(back, token=TOKEN) == 0
    assert len(slack.messages) == 2


def test_a_wrong_token_keeps_the_message_and_says_so(
    connected: Environment, pipeline: Pipeline, slack: FakeSlack, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="pressrun"):
        tell(connected, pipeline, verdict(), thread=THREAD, token="xoxb-wrong")
    assert "invalid_auth" in caplog.text
    assert "xoxb" not in caplog.text
    assert deliver(connected, token=TOKEN) == 0


def test_without_a_token_the_terminal_shows_it_once_and_the_outbox_keeps_it(
    environment: Environment, pipeline: Pipeline, capfd: pytest.CaptureFixture[str]
) -> None:
    tell(environment, pipeline, verdict(reason="\x1b[31mred <b>"), thread=THREAD)
    deliver(environment)
    shown = capfd.readouterr().err
    assert shown.count("topics v4 · passed the gate") == 1
    assert "<b>" in shown
    assert "\x1b[31mred" not in shown
    ((thread, replies),) = threads(environment, "topics")
    assert (thread.state, [reply.state for reply in replies]) == ("shown", ["shown"])


def test_without_a_token_where_slack_is_required_the_terminal_shows_it_once_and_it_waits_for_slack(
    connected: Environment, pipeline: Pipeline, slack: FakeSlack, capfd: pytest.CaptureFixture[str]
) -> None:
    expecting = connected.model_copy(update={"slack": "required"})
    tell(expecting, pipeline, verdict(), thread=THREAD)
    assert deliver(expecting) == 1
    assert capfd.readouterr().err.count("topics v4 · passed the gate") == 1
    ((thread, replies),) = threads(expecting, "topics")
    assert (thread.state, [reply.state for reply in replies]) == ("waiting", ["waiting"])
    assert "SLACK_BOT_TOKEN" in str(thread.last_error)
    assert deliver(expecting, token=TOKEN) == 0
    assert len(slack.messages) == 2
    ((thread, replies),) = threads(expecting, "topics")
    assert [thread.last_error, *(reply.last_error for reply in replies)] == [None, None]


def test_a_pipeline_that_names_no_channel_is_told_on_the_terminal_wherever_it_runs(
    environment: Environment, pipeline: Pipeline
) -> None:
    expecting = environment.model_copy(update={"slack": "required"})
    quiet = pipeline.model_copy(update={"alerts": pipeline.alerts.model_copy(update={"slack": None})})
    tell(expecting, quiet, verdict(), thread=THREAD)
    assert deliver(expecting) == 0
