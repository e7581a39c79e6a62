"""Operators run against a laptop below a temporary home; what they tell is kept in a list."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def laptop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's own config, everything written below `home`."""
    monkeypatch.setenv("PRESSRUN_CONFIG", str(REPOSITORY / "config"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5999")
    return home


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have gone to people: the decision of every verdict told."""
    heard: list[str] = []
    for module in ("operators.base", "operators.drift"):
        monkeypatch.setattr(
            f"{module}.tell_verdict", lambda verdict, step, **more: heard.append(verdict.decision.value)
        )
    monkeypatch.setattr("operators.drift.deliver", lambda environment: None)
    return heard
