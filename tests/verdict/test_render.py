"""A verdict reads well in each form, and hostile names do no harm in any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from pressrun.verdict import Assertion, Comparison, Decision, Override, Verdict
from pressrun.verdict.html import plot
from pressrun.verdict.render import summary, to_html, to_markdown, to_terminal

FALL = Comparison(
    metric="macro_f1",
    candidate=0.781,
    champion=0.843,
    difference=-0.062,
    low=-0.081,
    high=-0.044,
    threshold=-0.02,
    samples=640,
    decision=Decision.FAIL,
    reason="macro-F1 fell by 0.062",
)
HOSTILE = FALL.model_copy(update={"slice": "<script>|\x1b[2J", "reason": "a | b\n<img src=x>"})


def verdict(*checks: Comparison | Assertion) -> Verdict:
    return Verdict(kind="gate", pipeline="topics", checks=checks, model_version="3", champion_version="2")


def shown(given: Verdict) -> str:
    out = StringIO()
    Console(file=out, width=200).print(to_terminal(given))
    return out.getvalue()


def test_the_summary_is_one_line_that_says_why() -> None:
    assert summary(verdict(FALL)) == "gate  FAIL  macro-F1 fell by 0.062"
    assert summary(verdict()) == "gate  INSUFFICIENT  nothing was checked"
    assert "\n" not in summary(verdict(HOSTILE))


def test_the_summary_names_the_comparison_with_the_champion_before_floors_slices_and_assertions() -> None:
    floor = FALL.model_copy(update={"difference": None, "reason": "below the floor"})
    topic = FALL.model_copy(update={"slice": "Sports", "reason": "Sports fell"})
    loads = Assertion(metric="bundle", value=False, decision=Decision.FAIL, reason="the bundle does not load")
    said = summary(verdict(loads, topic, floor, FALL))
    assert said == "gate  FAIL  macro-F1 fell by 0.062; below the floor; and 2 more"


def test_every_form_names_decision_interval_and_reason() -> None:
    for text in (shown(verdict(FALL)), to_html(verdict(FALL)), to_markdown(verdict(FALL)).replace("\\", "")):
        assert all(part in text for part in ("FAIL", "−0.062 [−0.081, −0.044]", "macro-F1 fell by 0.062", "640"))


def test_html_fetches_nothing_and_escapes_what_articles_say() -> None:
    page = to_html(verdict(HOSTILE))
    assert "<script" not in page
    assert "<img" not in page
    assert "http" not in page
    assert all(mark in page for mark in ("pr-interval", "pr-threshold", "pr-champion", "prefers-color-scheme: dark"))


def test_terminal_and_markdown_keep_hostile_text_in_its_cell() -> None:
    assert "\x1b[2J" not in shown(verdict(HOSTILE))
    row = to_markdown(verdict(HOSTILE)).splitlines()[-1]
    assert row.replace("\\|", "").count("|") == 7


def test_the_plot_has_the_champion_at_zero_on_a_differences_scale() -> None:
    marks = plot(FALL)
    assert marks is not None
    assert (marks.low, marks.champion) == (8.0, 152.0)
    assert plot(FALL.model_copy(update=dict.fromkeys(("difference", "low", "high", "threshold", "champion")))) is None


def test_an_override_holds_for_its_verdict_until_it_expires() -> None:
    now = datetime.now(UTC)
    override = Override(verdict_id="v", actor="ana", reason="known", at=now, expiry=now + timedelta(hours=1))
    assert override.holds(verdict_id="v", now=now)
    assert not override.holds(verdict_id="w", now=now)
    assert not override.holds(verdict_id="v", now=now + timedelta(hours=1))
    with pytest.raises(ValueError, match="is not after"):
        Override(verdict_id="v", actor="ana", reason="known", at=now, expiry=now)
