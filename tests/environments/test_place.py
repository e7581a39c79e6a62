"""What a step says of the environment that its stage ran in."""

from __future__ import annotations

from pathlib import Path

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.stages import Stages
from pressrun.environments import runtime_of
from pressrun.lake import Lake
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, run_once

KEY = StepKey(dag_id="topics_retrain", run_id="night", task_id="train")


def test_a_lock_that_is_replaced_while_the_stage_runs_is_not_what_it_ran_in(
    environment: Environment, pipeline: Pipeline, lake: Lake, tmp_path: Path
) -> None:
    lock = tmp_path / "train.lock"
    lock.write_text("numpy==2.2.0\n")
    stages = Stages.model_validate({"train": {"environment": {"lock": str(lock)}}})
    there = environment.model_copy(update={"stages": stages})
    made_from = runtime_of(there, "train")

    def work() -> StageResult:
        lock.write_text("numpy==2.2.1\n")
        return StageResult(stage="train", step_key=str(KEY))

    def run(run_id: str, placed: str | None) -> StageResult:
        key = KEY.model_copy(update={"run_id": run_id})
        step = Step(key=key, pipeline=pipeline, environment=there, lake=lake, placed=placed)
        return run_once(step, stage="train", inputs={}, section={}, work=work)

    result = run("night", made_from)
    assert f"lock {result.facts['environment']['digest']}" == made_from != runtime_of(there, "train")
    # Nor is it taken for the work of the new one.
    assert run("tomorrow", runtime_of(there, "train")).reused_from is None
    lock.write_text("numpy==2.2.0\n")
    assert run("later", None).reused_from == str(KEY)
