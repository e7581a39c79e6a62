"""The words and numbers of a check, the same in every form a verdict takes."""

from __future__ import annotations

import re

from pressrun.verdict.model import Assertion, Check, Comparison, Verdict


def name_of(check: Check) -> str:
    """`macro_f1`, or `f1 of Sports` for a slice; optional checks say so."""
    name = f"{check.metric} of {check.slice}" if check.slice else check.metric
    return name if check.required else f"{name} (optional)"


def measured(check: Check) -> str:
    """`0.843 [0.825, 0.861]`; with a difference `−0.062 [−0.081, −0.044] against 0.81`."""
    if isinstance(check, Assertion):
        return "" if check.value is None else str(check.value)
    value = check.candidate if check.difference is None else check.difference
    interval = f" [{number(check.low)}, {number(check.high)}]" if _has_interval(check) else ""
    against = f" against {number(check.champion)}" if check.champion is not None else ""
    return f"{number(value, signed=check.difference is not None)}{interval}{against}"


def limit(check: Check) -> str:
    """The threshold, or nothing."""
    return number(check.threshold) if isinstance(check, Comparison) and check.threshold is not None else ""


def number(value: float | None, *, signed: bool = False) -> str:
    """Three significant digits after the point where they matter, with a true minus sign; `n/a` for none."""
    if value is None:
        return "n/a"
    text = f"{value:+.3f}" if signed else (f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}")
    return text.replace("-", "−")


def one_line(text: str) -> str:
    """Control characters, which could move a terminal's cursor or forge a line, become spaces."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", text).strip()


def weightiest_first(verdict: Verdict) -> list[Comparison | Assertion]:
    """The checks that made the decision: comparisons with the champion, then floors and limits, slices, assertions."""
    decisive = [check for check in verdict.decisive if check.required] or list(verdict.decisive)
    return sorted(decisive, key=_rank)


def _rank(check: Check) -> tuple[bool, bool, bool]:
    alone = not isinstance(check, Comparison) or check.difference is None
    return (not isinstance(check, Comparison), check.slice is not None, alone)


def _has_interval(check: Comparison) -> bool:
    return check.low is not None and check.high is not None
