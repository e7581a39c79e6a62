"""What a failing task tells people holds no secret."""

from __future__ import annotations

import pytest
from fakes import context

from operators.notifier import PressrunNotifier
from pressrun.alerts import threads
from pressrun.config.load import load_environment

CANARY = "canary-in-a-key-7"


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
