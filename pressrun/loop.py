"""One stage of a loop by its name, for the command line and for whoever has no Airflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult, StepKey
from pressrun.progress import Progress, silent
from pressrun.step import Step, open_lake
from pressrun.verdict import Verdict

if TYPE_CHECKING:
    from pressrun.rollout import Vigil

# What each stage is given, in the order of its arguments.
UPSTREAM: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "sample": ("ingest",),
    "label": ("ingest", "sample"),
    "train": ("ingest", "sample", "label"),
    "gate": ("ingest", "sample", "label", "train"),
    "rollout": ("train", "gate"),
    "drift": (),
}
POLL_SECONDS = 0.5
# For a supervisor, where none holds the home: somebody is looking at the terminal.
PATIENCE = timedelta(minutes=2)


# Where one of these verdicts is no pass, the run has ended; what a gate's means is the rollout's to say.
STOPS = ("batch", "labels")


class UpstreamMissing(RuntimeError):
    """A stage was asked for before the ones that it stands on; the message names the first to run."""


class UpstreamStopped(RuntimeError):
    """A verdict has stopped this run before the stage; the message says which and what to do."""


def run_stage(
    name: str,
    *,
    pipeline: Pipeline,
    environment: Environment,
    dag_id: str,
    run_id: str,
    fresh: bool = False,
    progress: Progress = silent,
) -> StageResult:
    """Runs one stage of one run, as the task of that name in the DAG does.

    `name` is one of `UPSTREAM`. Results of the stages before it are found in the lake by the same `dag_id` and
    `run_id`. A stage that has finished before hands back what it did; `fresh` has it done again, as clearing its task
    does. Raises UpstreamMissing, UpstreamStopped, and what the stage does.
    """
    key = StepKey(dag_id=dag_id, run_id=run_id, task_id=name)
    lake = open_lake(environment)
    step = Step(key=key, pipeline=pipeline, environment=environment, lake=lake, fresh=fresh, progress=progress)
    return carry_out(step)


def carry_out(step: Step) -> StageResult:
    """Runs the stage that the step's task is named after on what the run's stages before it made.

    Raises UpstreamMissing, UpstreamStopped, ComputeError, and what the stage does.
    """
    return placed(step, upstream(step))


def placed(step: Step, given: Sequence[StageResult]) -> StageResult:
    """Runs the stage that the step's task is named after on `given`, where the environment's file says."""
    from pressrun.environments.run import Placed

    name = step.key.task_id
    return Placed(step=step, stage=name, upstream=given).run(lambda: stage(name)(step, *given))


def stage(name: str) -> Callable[..., StageResult]:
    """The function behind a stage's name: `(step, *upstream results) → StageResult`. Imports only that stage."""
    return _STAGES[name]


def upstream(step: Step) -> list[StageResult]:
    """What the stages before it made in this run. Raises UpstreamMissing and UpstreamStopped."""
    name = step.key.task_id
    found = []
    for before in UPSTREAM[name]:
        result = step.lake.finished(step.key.model_copy(update={"task_id": before}))
        if result is None:
            run = step.key.run_id
            raise UpstreamMissing(f"{name} needs {before}, which run {run} has not finished. Run {before} first")
        _goes_on(result, before)
        found.append(result)
    return found


def _goes_on(result: StageResult, before: str) -> None:
    verdict = result.verdict
    if verdict is None or verdict.kind not in STOPS or not result.stopped:
        return
    reasons = "; ".join(check.reason for check in verdict.decisive[:3])
    raise UpstreamStopped(
        f"this run has ended at {before}: {verdict.decision.value}, {reasons}. Mend that, then run {before} again, or "
        "begin a new run"
    )


def _ingest(step: Step) -> StageResult:
    from pressrun.ingest import ingest

    return ingest(step)


def _sample(step: Step, ingested: StageResult) -> StageResult:
    from pressrun.compute.connect import open_platform
    from pressrun.compute.run import StepJob, run_elsewhere
    from pressrun.sampling import sample

    def job() -> StepJob:
        return StepJob.of(step, stage="sample", upstream=[ingested], platform=open_platform(step.environment))

    return run_elsewhere(job, lambda: sample(step, ingested))


def _label(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    from pressrun.labeling import label

    return label(step, ingested, sampled)


def _train(step: Step, ingested: StageResult, sampled: StageResult, labeled: StageResult) -> StageResult:
    from pressrun.compute.connect import open_platform
    from pressrun.compute.run import StepJob, run_elsewhere
    from pressrun.training import train

    def job() -> StepJob:
        platform = open_platform(step.environment, stage="train")
        return StepJob.of(step, stage="train", upstream=[ingested, sampled, labeled], platform=platform)

    return run_elsewhere(job, lambda: train(step, ingested, sampled, labeled))


def _gate(
    step: Step, ingested: StageResult, sampled: StageResult, labeled: StageResult, trained: StageResult
) -> StageResult:
    from pressrun.gates import gate
    from pressrun.rollout import served

    champion = served(step.environment, step.pipeline.model)
    return gate(step, ingested, sampled, labeled, trained, champion)


def _rollout(step: Step, trained: StageResult, gated: StageResult) -> StageResult:
    from pressrun.rollout import Vigil, carry_on, concluded, finish, make_plan, outcome, served, submit

    model = step.pipeline.model
    if (ended := concluded(step)) is not None:
        return ended
    if gated.facts.get("nothing_new"):
        return StageResult(stage="rollout", step_key=str(step.key), facts={"nothing_new": True})
    submit(step.environment, make_plan(step, trained, gated, served(step.environment, model)))
    watch = _Watch(step=step, vigil=Vigil(step.environment, model, patience=PATIENCE))
    while outcome(step.environment, model, str(step.key)) is None:
        carry_on(step.environment, model, str(step.key))
        watch.tell()
        time.sleep(POLL_SECONDS)
    return finish(step, trained, gated)


def _drift(step: Step) -> StageResult:
    from pressrun.drift import watch

    return watch(step)


_STAGES: dict[str, Callable[..., StageResult]] = {
    "ingest": _ingest,
    "sample": _sample,
    "label": _label,
    "train": _train,
    "gate": _gate,
    "rollout": _rollout,
    "drift": _drift,
}


@dataclass(kw_only=True)
class _Watch:
    """Tells a rollout's phase when it changes, and what is missing when nothing can move."""

    step: Step
    vigil: Vigil
    said: str = ""

    def tell(self) -> None:
        """Raises NobodySupervises when there has been no supervisor for too long."""
        words = self.vigil.look() or self._phase()
        if words != self.said:
            self.step.progress(words)
            self.said = words

    def _phase(self) -> str:
        from pressrun.rollout import status
        from pressrun.rollout.everywhere import passing

        try:
            record = status(self.step.environment, self.step.pipeline.model)
        except passing(self.step.environment) as error:
            return f"{error}. Waiting for it"
        if record is None or record.state is None:
            return "waiting for the rollout to begin"
        return f"{record.state.phase.value} at {record.state.weights.get('candidate', 0)}%"


def read_verdicts(environment: Environment, model: str) -> list[Verdict]:
    """Every verdict of a model's finished steps, newest first."""
    lake = open_lake(environment)
    rows = lake.read(lake.snapshot("verdicts", pipeline=model), columns=["verdict"])
    found = [Verdict.model_validate_json(text) for text in rows.column("verdict").to_pylist()]
    return sorted(found, key=lambda verdict: verdict.at, reverse=True)
