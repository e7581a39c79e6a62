"""Where a rollout's page is kept once it has ended: below the environment's home, and with the model's MLflow run."""

from __future__ import annotations

import logging

from pressrun.lake.types import StageResult
from pressrun.links import report_file
from pressrun.registry.artifacts import kept_with_run
from pressrun.rollout.page import render_kept
from pressrun.rollout.types import Outcome, RolloutRecord
from pressrun.step import Step
from pressrun.verdict import Verdict

NOT_DRAWN = "The rollout's page could not be kept; the log of this task says why."
NOT_TAKEN = "MLflow did not take the rollout's page; it is kept locally."
_log = logging.getLogger(__name__)


def publish(step: Step, record: RolloutRecord, ended: Outcome, trained: StageResult) -> Verdict:
    """Writes the page of the ended rollout; its verdict comes back with the file, or with why there is none."""
    environment, verdict = step.environment, ended.verdict
    name = f"rollout-v{verdict.model_version}-{ended.phase.value}"
    file = report_file(environment, step.pipeline.model, name, step_key=f"{step.key} {ended.generation}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render_kept(record, ended), encoding="utf-8")
    except Exception:
        # Traffic has moved by now: what is wrong with a picture of it must not keep the step from ending.
        _log.exception("The page of rollout %s was not kept", ended.generation)
        return verdict.model_copy(update={"notes": (*verdict.notes, NOT_DRAWN)})
    named = verdict.model_copy(update={"report": str(file)})
    run_id = (trained.facts.get("model") or {}).get("run_id")
    if kept_with_run(environment, file, run_id=run_id, folder="rollout"):
        return named
    return named.model_copy(update={"notes": (*named.notes, NOT_TAKEN)})
