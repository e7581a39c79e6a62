"""Is there a fresh champion this morning?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from operators.base import StageOperator

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class FreshnessOperator(StageOperator):
    """Fails, and alerts, when no run since the last deadline ended with a champion or with nothing new to learn."""

    def work(self, step: Step) -> StageResult:
        from pressrun.freshness import check_freshness

        return check_freshness(step)
