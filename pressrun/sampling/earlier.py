"""What earlier runs have drawn and grouped, and whether it has been labeled since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pressrun.lake.lake import Lake
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.step import Step

STAGE = "sample"


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """The samples of other runs, the newest first, and the keys of those that have been labeled.

    A sample is labeled when a step that was given it has finished with labels that no verdict stopped.
    """

    lake: Lake
    drawn: tuple[StageResult, ...] = ()
    labeled: frozenset[str] = frozenset()

    @property
    def newest(self) -> StageResult | None:
        """The newest sample with a row."""
        return next(self._with_rows(), None)

    @property
    def waiting(self) -> StageResult | None:
        """The newest sample with a row that is not labeled."""
        return next((result for result in self._with_rows() if not set(_keys(result)) & self.labeled), None)

    def groups(self, grouped: str) -> DatasetRef | None:
        """The near-duplicate groups of the articles that `grouped` stands for, if a step has found them."""
        same = (result.datasets["groups"] for result in self.drawn if result.facts.get("grouped") == grouped)
        return next((groups for groups in same if self.lake.intact(groups)), None)

    def _with_rows(self) -> Iterator[StageResult]:
        some = (result for result in self.drawn if result.datasets["samples"].rows)
        return (result for result in some if self.lake.intact(result.datasets["samples"]))


def earlier_of(step: Step) -> Earlier:
    """What other steps of the pipeline have done."""
    results = [r for r in step.lake.results(step.pipeline.model) if r.step_key != str(step.key)]
    drawn = tuple(result for result in results if {"samples", "groups"} <= result.datasets.keys())
    return Earlier(lake=step.lake, drawn=drawn, labeled=_labeled(results))


def drawn_by(result: StageResult | None) -> str | None:
    """The step that drew the sample which the result hands on."""
    return _keys(result)[0] if result and _keys(result) else None


def _labeled(results: Sequence[StageResult]) -> frozenset[str]:
    done = [r for r in results if {"samples", "labels"} <= r.datasets.keys() and not r.stopped]
    return frozenset(key for result in done for key in _keys(result))


def _keys(result: StageResult) -> tuple[str, ...]:
    return result.datasets["samples"].step_keys
