"""What a model that stands in for another costs in accuracy and wins in speed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pressrun.stats import compare_classifiers
from pressrun.training.corpus import Answers
from pressrun.training.reading import Fitted
from pressrun.training.teacher import Codes, Reals

_TIMED, _WARM = 60, 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`values` are metrics by their names in MLflow, `notes` sentences for people."""

    values: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def against(
    name: str, fitted: Fitted, answers: Answers, texts: Sequence[str], truth: Codes, decisions: Reals
) -> Measured:
    """The fitted family `name` against what it stands in for, on held-out `texts` (n,) with their `truth` (n,).

    `decisions` (n, k) are its own there. The interval is a paired bootstrap's, at 95%. What it has measured of itself
    comes first.
    """
    own = {f"family_{name}_{metric}": value for metric, value in fitted.measured.items()}
    if fitted.reference is None:
        return Measured(values=own, notes=fitted.notes)
    theirs, classes = fitted.reference.answers(texts).argmax(axis=1), decisions.shape[1]
    found = compare_classifiers(truth, decisions.argmax(axis=1), theirs, classes=classes).macro_f1
    assert found.difference is not None
    low, high = found.difference_low, found.difference_high
    mine_ms, theirs_ms = milliseconds(answers, texts), milliseconds(fitted.reference.answers, texts)
    values = {
        **own,
        f"family_{name}_macro_f1_difference": found.difference,
        f"family_{name}_milliseconds": mine_ms,
        f"family_{name}_speedup": theirs_ms / mine_ms,
        **({f"family_{name}_macro_f1_difference_low": low} if low is not None else {}),
    }
    interval = f" [{low:+.3f}, {high:+.3f}]" if low is not None and high is not None else ""
    note = (
        f"{name} against {fitted.reference.name}, on {len(truth):,} held-out articles: macro-F1 {found.difference:+.3f}"
        f"{interval}; one article in {mine_ms:.2f} ms against {theirs_ms:.2f} ms, {theirs_ms / mine_ms:.1f} times as "
        "fast"
    )
    return Measured(values=values, notes=(*fitted.notes, note))


def milliseconds(answers: Answers, texts: Sequence[str]) -> float:
    """Median time of answering one article, warm."""
    for text in texts[:_WARM]:
        answers([text])
    taken = []
    for text in texts[:_TIMED]:
        began = time.perf_counter()
        answers([text])
        taken.append((time.perf_counter() - began) * 1000)
    return float(np.median(taken))
