"""The gate's report: one HTML file with its pictures inside, no script and nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from pressrun.gates.evidence import Evidence, Said
from pressrun.stats import calibration_error, confusion
from pressrun.verdict import Assertion, Comparison, Verdict

_MOST_MISTAKES = 12
_WIDTH = 420


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of the forest plot, in pixels from the left of its own scale; None is not drawn."""

    name: str
    decision: str
    reason: str
    low: float | None
    high: float | None
    mark: float | None
    threshold: float | None
    zero: float | None
    scale: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a confusion matrix: its rows, and how deep its colour is (0 to 1, by share of the true topic)."""

    rows: int
    depth: float
    hit: bool


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """An article the champion has right and the candidate wrong (with no champion: any the candidate has wrong)."""

    title: str
    target: str
    said: str
    confidence: float | None


def to_html(verdict: Verdict, evidence: Evidence | None = None, *, links: Mapping[str, str] | None = None) -> str:
    """The report. Everything from articles and models is escaped; links other than http(s) are dropped."""
    safe = {name: url for name, url in (links or {}).items() if url.startswith(("http://", "https://"))}
    return _template().render(
        verdict=verdict,
        links=safe,
        bars=[bar for check in verdict.checks if (bar := bar_of(check))],
        width=_WIDTH,
        checks=verdict.checks,
        pictures=_pictures(evidence) if evidence is not None and len(evidence) else None,
    )


def bar_of(check: Assertion | Comparison) -> Bar | None:
    """A comparison's interval, the difference's where there is a champion; None where there is none to draw."""
    if isinstance(check, Assertion):
        return None
    value = check.candidate if check.difference is None else check.difference
    held = [check.low, check.high, value, check.threshold]
    known = [x for x in held if x is not None and math.isfinite(x)]
    if value is None or not known:
        return None
    edges = [*known, 0.0] if check.difference is not None else known
    least, most = min(edges), max(edges)
    pad = (most - least) * 0.08 or 0.05

    def at(x: float | None) -> float | None:
        return None if x is None or not math.isfinite(x) else (x - least + pad) / (most - least + 2 * pad) * _WIDTH

    return Bar(
        name=f"{check.metric} {check.slice or ''}".strip(),
        decision=check.decision.value,
        reason=check.reason,
        low=at(check.low),
        high=at(check.high),
        mark=at(value),
        threshold=at(check.threshold),
        zero=at(0.0) if check.difference is not None else None,
        scale=(f"{least - pad:.3g}", f"{most + pad:.3g}"),
    )


def worst_new_mistakes(evidence: Evidence) -> list[Mistake]:
    """The new mistakes that the candidate is surest of, at most a dozen."""
    said, champion = evidence.candidate, evidence.champion
    wrong = said.predicted != evidence.target
    new = wrong if champion is None else wrong & (champion.predicted == evidence.target)
    sure = said.confidence if said.confidence is not None else np.zeros(len(evidence))
    order = sorted(np.flatnonzero(new), key=lambda row: -float(sure[row]))[:_MOST_MISTAKES]
    return [
        Mistake(
            title=evidence.titles[row][:120],
            target=evidence.labels[evidence.target[row]],
            said=evidence.labels[said.predicted[row]],
            confidence=None if said.confidence is None else float(sure[row]),
        )
        for row in order
    ]


def matrix_of(evidence: Evidence, said: Said) -> list[list[Cell]]:
    """The confusion matrix, true topic by row."""
    counts = confusion(evidence.target, said.predicted, classes=len(evidence.labels))
    totals = np.maximum(1, counts.sum(axis=1, keepdims=True))
    return [
        [Cell(rows=int(n), depth=float(n / totals[i, 0]), hit=i == j) for j, n in enumerate(row)]
        for i, row in enumerate(counts)
    ]


def _pictures(evidence: Evidence) -> dict[str, Any]:
    models = _models(evidence)
    return {
        "labels": evidence.labels,
        "rows": len(evidence),
        "matrices": [(name, matrix_of(evidence, said)) for name, said in models],
        "reliability": [(name, _reliability(evidence, said)) for name, said in models if said.confidence is not None],
        "topics": _topics(evidence, models),
        "mistakes": worst_new_mistakes(evidence),
        "models": [name for name, _ in models],
    }


def _models(evidence: Evidence) -> list[tuple[str, Said]]:
    others = [("champion", evidence.champion)] if evidence.champion else []
    return [("candidate", evidence.candidate), *others]


def _reliability(evidence: Evidence, said: Said) -> list[tuple[float, float, int]]:
    confidence = said.confidence
    assert confidence is not None
    found = calibration_error(confidence, said.predicted == evidence.target, resamples=100)
    return [(bin.confidence, bin.accuracy, bin.samples) for bin in found.bins]


def _topics(evidence: Evidence, models: Iterable[tuple[str, Said]]) -> list[tuple[str, int, list[float]]]:
    tables = [confusion(evidence.target, said.predicted, classes=len(evidence.labels)) for _, said in models]
    return [
        (label, int(tables[0][k].sum()), [_f1(table, k) for table in tables]) for k, label in enumerate(evidence.labels)
    ]


def _f1(table: np.ndarray, k: int) -> float:
    total = int(table[k].sum() + table[:, k].sum())
    return 2 * int(table[k, k]) / total if total else 0.0


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return made.get_template("report.html.j2")
