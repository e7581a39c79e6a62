"""Which articles get a label: stratified, repeatable, one of each near-duplicate group."""

from __future__ import annotations

from pressrun.lake.types import StageResult
from pressrun.step import Step

__all__ = ["sample"]


def sample(step: Step, ingested: StageResult) -> StageResult:
    """See `pressrun.sampling.stage.sample`."""
    # Spark's workers import this package for its Arrow functions alone.
    from pressrun.sampling.stage import sample as stage

    return stage(step, ingested)
