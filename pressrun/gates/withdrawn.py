"""Whether the candidate was trained on what is withdrawn by now: the word came after its training had ended."""

from __future__ import annotations

from collections.abc import Iterator

from pressrun.lake.errors import LakeError
from pressrun.lake.lake import Lake
from pressrun.lake.retraction import Withdrawn, withdrawn_examples
from pressrun.lake.types import StageResult
from pressrun.verdict import Assertion, Check, Decision


def withdrawn_checks(lake: Lake, gone: Withdrawn, *, labeled: StageResult, trained: StageResult) -> Iterator[Check]:
    """One check where there is anything to say, such as that the examples cannot be read; a person may override it."""
    examples = trained.datasets.get("examples")
    if not gone or examples is None:
        return
    names = ", ".join(map(str, gone.retractions))
    try:
        rows = withdrawn_examples(lake, gone, examples, labeled.datasets["all_labels"])
    except LakeError as error:
        yield _said(None, f"Whether the candidate was trained on {names}, withdrawn since, is not known: {error}")
        return
    if rows:
        remedy = "Clear task train: it is trained again without them."
        yield _said(rows, f"The candidate was trained on {rows:,} rows that are withdrawn by now ({names}). {remedy}")


def _said(rows: int | None, reason: str) -> Assertion:
    decision = Decision.INSUFFICIENT if rows is None else Decision.FAIL
    return Assertion(metric="withdrawn", value=rows, samples=rows or 0, decision=decision, reason=reason)
