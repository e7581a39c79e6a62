"""Alerting that is itself broken shows: undelivered messages are found, and the heartbeat stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pressrun.alerts import deliver, say
from pressrun.alerts.watch import URL, beat, in_words, stuck, unheard
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from tests.fakes.slack import TOKEN, fake_slack

LATER = datetime.now(UTC) + timedelta(hours=3)


@pytest.fixture
def broken(environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Slack is where nobody listens, and a message is on its way."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")
    away = environment.model_copy(update={"slack_url": "http://127.0.0.1:9/api/"})
    alerting = pipeline.model_copy(update={"alerts": pipeline.alerts.model_copy(update={"slack": "#news-ml"})})
    say(away, alerting, key="k", thread="topics v1", text="the canary went back")
    return away


def test_a_message_that_lies_for_hours_is_found_with_what_slack_answered(broken: Environment) -> None:
    (found,) = stuck(broken, now=LATER)
    assert (found.thread, found.pipeline) == ("topics v1", "topics")
    assert found.last_error
    words = in_words([found])
    assert "topics v1" in words
    assert found.last_error in words


def test_a_message_just_sent_off_is_not_late(broken: Environment) -> None:
    assert stuck(broken) == []


def test_another_models_messages_are_another_pages(broken: Environment) -> None:
    assert stuck(broken, model="mind", now=LATER) == []
    assert len(stuck(broken, model="topics", now=LATER)) == 1


def test_what_was_only_shown_where_slack_is_required_is_found_later(
    environment: Environment, pipeline: Pipeline
) -> None:
    expecting = environment.model_copy(update={"slack": "required"})
    say(expecting, pipeline, key="k", thread="topics v1", text="rolled back!", loud=True)
    deliver(expecting)
    assert "SLACK_BOT_TOKEN" in in_words(stuck(expecting, now=LATER))


def test_a_token_that_is_missing_or_refused_shows_before_any_message_lies(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_slack() as slack:
        expecting = environment.model_copy(update={"slack": "required", "slack_url": slack.url})
        assert "SLACK_BOT_TOKEN" in unheard(expecting, ["#news-ml"])
        assert unheard(environment, ["#news-ml"]) == unheard(expecting, []) == ""
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-revoked")
        assert "invalid_auth" in unheard(expecting, ["#news-ml"])
        monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
        assert unheard(expecting, ["#news-ml"]) == ""


def test_a_slack_that_does_not_answer_just_now_is_no_reason_to_stop_the_heartbeat(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", TOKEN)
    away = environment.model_copy(update={"slack": "required", "slack_url": "http://127.0.0.1:9/api/"})
    assert unheard(away, ["#news-ml"]) == ""


def test_what_arrived_or_was_shown_is_not_stuck(environment: Environment, pipeline: Pipeline) -> None:
    say(environment, pipeline, key="k", thread="topics v1", text="promoted")
    assert deliver(environment) == 0
    assert stuck(environment, now=LATER) == []
    assert in_words([]) == ""


@pytest.fixture
def watcher() -> Iterator[tuple[str, list[str]]]:
    """A service outside that hears heartbeats."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ping", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_heartbeat_is_a_file_and_a_call(
    environment: Environment, watcher: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, heard = watcher
    monkeypatch.setenv(URL, url)
    at = beat(environment)
    assert datetime.fromisoformat((environment.home / "heartbeat").read_text().strip()) == at
    assert heard == ["/ping"]


def test_a_watcher_that_does_not_answer_fails_nothing_and_its_address_is_not_logged(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(URL, "http://127.0.0.1:9/secret-token")
    beat(environment)
    assert "did not reach" in caplog.text
    assert "secret-token" not in caplog.text
