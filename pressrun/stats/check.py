"""Checks of what callers pass in, with errors that name the parameter, the limit and what was given."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import ge as _ge
from operator import gt as _gt
from operator import le as _le
from operator import lt as _lt


def check_scalar(
    value: float,
    name: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> float:
    """Returns `value` if it is a finite number within the bounds.

    Raises TypeError for what is no number and ValueError for one out of bounds.

    >>> check_scalar(0.05, "alpha", gt=0, lt=1)
    0.05
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    bounds: tuple[tuple[float | None, Callable[[float, float], bool], str], ...] = (
        (ge, _ge, ">="),
        (gt, _gt, ">"),
        (le, _le, "<="),
        (lt, _lt, "<"),
    )
    for bound, holds, sign in bounds:
        if bound is not None and not holds(value, bound):
            raise ValueError(f"{name} must be {sign} {bound}, got {value}")
    return value


def check_alpha(alpha: float) -> float:
    """Returns `alpha`, one minus an interval's coverage, if it is within (0, 1)."""
    return check_scalar(alpha, "alpha", gt=0, lt=1)


def check_counts(successes: int, trials: int, *, suffix: str = "") -> None:
    """Raises ValueError unless 0 <= successes <= trials and trials > 0."""
    check_scalar(trials, f"n{suffix}", ge=1)
    check_scalar(successes, f"x{suffix}", ge=0, le=trials)
