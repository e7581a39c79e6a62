"""MLflow's aliases after what is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from operators.base import StageOperator

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult
    from pressrun.step import Step


class ReconcileOperator(StageOperator):
    """Points MLflow's aliases at what the router serves. Skipped while MLflow does not answer; traffic needs it not."""

    def work(self, step: Step) -> StageResult:
        from pressrun.lake.types import StageResult
        from pressrun.registry import RegistryError
        from pressrun.rollout import reconcile_aliases

        try:
            moved = reconcile_aliases(step.environment, step.pipeline.model)
        except RegistryError as error:
            raise AirflowSkipException(f"MLflow's aliases stay as they are until the next run: {error}") from error
        facts = {"moved": ", ".join(moved)} if moved else {}
        return StageResult(stage="reconcile", step_key=str(step.key), facts=facts)
