"""What a failing task tells people holds no secret."""

from __future__ import annotations

import pytest
from airflow.sdk.log import redact
from fakes import context, result

from operators.base import StageOperator
from operators.notifier import PressrunNotifier
from pressrun.alerts import threads
from pressrun.config.load import load_environment
from pressrun.lake import StageResult
from pressrun.step import Step

CANARY = "canary-in-a-key-7"


class Stage(StageOperator):
    """A stage that does nothing."""

    def work(self, step: Step) -> StageResult:
        return result("gate")


def told() -> str:
    environment = load_environment()
    return "\n".join(m.text for thread, replies in threads(environment, "topics") for m in (thread, *replies))


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (
            f"POST http://desk:{CANARY}@llm.example/v1 timed out",
            "POST http://***@llm.example/v1 timed out",
        ),
        (f"Incorrect API key provided: {CANARY}", "Incorrect API key provided: ***"),
        ("invalid_auth: xoxb-1-canary", "invalid_auth: ***"),
    ],
)
def test_an_errors_own_words_reach_slack_without_its_secrets(
    error: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    notifier = PressrunNotifier(pipeline="topics", text="label failed")
    notifier.notify(context("label", exception=RuntimeError(error)))  # type: ignore[arg-type]
    assert f"label failed: RuntimeError: {kept}" in told()
    assert "canary" not in told()


def test_a_long_error_is_told_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    notifier = PressrunNotifier(pipeline="topics", text="train failed")
    notifier.notify(context("train", exception=RuntimeError("no space left\n" + "x" * 5_000)))  # type: ignore[arg-type]
    assert "train failed: RuntimeError: no space left" in told()
    assert len(told()) < 3_000


def test_airflow_masks_this_processes_secrets_in_a_tasks_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSWIRE_PASSWORD", "canary-of-the-newswire")
    Stage(task_id="gate", pipeline="topics").execute(context("gate"))
    assert redact("Traceback: login as desk/canary-of-the-newswire") == "Traceback: login as desk/***"
