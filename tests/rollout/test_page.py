"""The page of a rollout: what it says at a glance, that it is true, and that nothing on it is obeyed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.changes import ended, moved, submitted
from pressrun.rollout.page import render_page
from pressrun.rollout.types import (
    CANDIDATE,
    CHAMPION,
    Arm,
    Phase,
    RolloutPlan,
    RolloutRecord,
)
from pressrun.verdict import Comparison, Decision

BEGIN = datetime(2026, 1, 5, 3, tzinfo=UTC)
HOSTILE = '</style><script>alert(1)</script><img src=x onerror="x">\x1b[31m\u202e&'
POLICY = Rollout(steps=[25, 100], shadow=0.5)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def model(version: str) -> ModelRef:
    return ModelRef(name="topics", version=version, digest=version * 64, run_id="r", bundle="b")


def plan(step_key: str = "d/1/rollout/-1", version: str = "4", **more: Any) -> RolloutPlan:
    arms = (Arm(name=CHAMPION, model=model("3")), Arm(name=CANDIDATE, model=model(version)))
    given: dict[str, Any] = {"model": "topics", "pipeline": "topics", "step_key": step_key, "arms": arms}
    return RolloutPlan(**{**given, "policy": POLICY, **more})


def begun(**more: Any) -> RolloutRecord:
    """A rollout whose candidate has a quarter of the traffic since second 10."""
    record = submitted(RolloutRecord(model="topics", champion=model("3")), plan(**more), BEGIN)
    return at_phase(record, 10, Phase.STEPPING, {CHAMPION: 75, CANDIDATE: 25})


def at_phase(
    record: RolloutRecord, seconds: float, phase: Phase, weights: dict[str, int], **more: Any
) -> RolloutRecord:
    assert record.state is not None
    state = record.state.model_copy(update={"phase": phase, "since": at(seconds), "weights": weights, **more})
    return moved(record, state, at(seconds))


def gone_back(record: RolloutRecord, reason: str = "errors 9 of 90 against 0 of 300") -> RolloutRecord:
    checks = (Comparison(metric="error_rate", decision=Decision.FAIL, reason=reason, samples=90),)
    back = at_phase(record, 40, Phase.ROLLING_BACK, {CHAMPION: 100}, checks=checks, decided_at=at(40), back_at=at(41))
    return ended(at_phase(back, 42, Phase.ROLLED_BACK, {CHAMPION: 100}), at(42))


class Seen(HTMLParser):
    """The tags of a page, its text, and the attributes that could act."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.acting: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.acting += [(name, value) for name, value in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def text_of(page: str) -> str:
    return Seen(page).text


def test_the_first_line_says_which_version_has_what_share(capsys: object) -> None:
    said = text_of(render_page(begun(), at(70)))
    assert "topics v4 has 25% of the traffic" in said
    assert "against champion v3 · step 1 of 2, since 1 min · for 1 min 10 s" in said
