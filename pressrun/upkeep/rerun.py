"""A part of a past night once more, in a lake of its own: what would today's code and settings have made of it?

The scratch lake holds what was known when that part began, and nothing that came later; the lake, MLflow, the labeling
desk and what serves are only read. People's answers of that night are taken over; an LLM is asked, and paid, again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from pressrun.config.environment import Environment, LakeRoot, Mlflow
from pressrun.config.pipeline import Pipeline
from pressrun.config.spark import Local
from pressrun.jobs import Questions, open_database
from pressrun.lake.lake import Lake
from pressrun.lake.mirror import Selection, mirror
from pressrun.lake.types import StageResult, StepKey
from pressrun.loop import UPSTREAM, placed
from pressrun.overview.steps import Done, finished_steps
from pressrun.progress import Progress, silent
from pressrun.registry import ModelRef, fetch
from pressrun.registry.lineage import copy_lineage
from pressrun.step import Step, open_lake
from pressrun.upkeep.mirroring import scratch_homes, scratch_lakes

STAGES = ("sample", "label", "train", "gate")


class NotRepeatable(ValueError):
    """That part of that night cannot be run again; the message says what can."""


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """What each repeated stage came to then and now; `known` is the moment up to which things were known.

    `lake` is the root of the scratch lake; all else that the rerun wrote is in `home`.
    """

    home: Path
    lake: str
    run: str
    known: datetime
    then: Mapping[str, StageResult]
    now: Mapping[str, StageResult]


def rerun(
    environment: Environment,
    pipeline: Pipeline,
    run: str,
    *,
    begin: str,
    only: bool = False,
    progress: Progress = silent,
) -> Rerun:
    """Repeats `run` (its id, or dag_id/run_id) from the stage `begin` to the gate, or that stage `only`.

    It ends where a verdict stops it. Raises NotRepeatable.
    """
    repeated = (begin,) if only else STAGES[STAGES.index(begin) :] if begin in STAGES else ()
    if "train" in repeated and environment.stages.train.in_pod:
        raise NotRepeatable(
            f"stages.train.environment.image of environment {environment.name} has training run in a pod, which does "
            "not reach the MLflow of a rerun, a file of this machine. Name a lock there for the rerun, in another "
            "environment's file, or rerun --from gate"
        )
    near = open_lake(environment)
    night = _night(finished_steps(near, pipeline.model), run, begin)
    scratch = _scratch(environment, night.name)
    far = open_lake(scratch)
    progress(f"bringing what was known at {night.known:%Y-%m-%d %H:%M} to {scratch.home}")
    mirror(near, far, selection=Selection(pipeline=pipeline.model, step_keys=night.keys), progress=progress)
    _take_over_answers(environment, scratch, night)
    champion = _champion(environment, scratch, pipeline, night)
    results = {name: done.result for name, done in night.steps.items()}
    if begin == "gate":
        results["train"] = _known(results["train"], environment, scratch)
    now = dict(_repeated(scratch, pipeline, night, far, results, champion, repeated, progress=progress))
    then = {name: done.result for name, done in night.steps.items() if name in now}
    return Rerun(home=scratch.home, lake=far.root, run=night.name, known=night.known, then=then, now=now)


@dataclass(frozen=True, kw_only=True)
class _Night:
    """One past run: its steps, when the repeated part began, and the steps that had finished by then."""

    name: str
    steps: Mapping[str, Done]
    known: datetime
    keys: tuple[str, ...]

    def key(self, name: str) -> StepKey:
        dag_id, _, run_id = self.name.partition("/")
        return StepKey(dag_id=dag_id, run_id=run_id, task_id=name)


def _night(steps: Sequence[Done], run: str, begin: str) -> _Night:
    if begin not in STAGES:
        raise NotRepeatable(f"{begin!r} is no stage that can be repeated; there are: {', '.join(STAGES)}")
    names = list(dict.fromkeys(done.run for done in steps))
    found = [name for name in names if run in (name, name.partition("/")[2])]
    if len(found) != 1:
        there = ", ".join(found or names[-5:]) or "none"
        raise NotRepeatable(f"{'several runs are' if found else 'no run is'} called {run}; there are: {there}")
    mine = {done.task: done for done in steps if done.run == found[0]}
    missing = [name for name in UPSTREAM[begin] if name not in mine]
    if missing:
        raise NotRepeatable(f"run {found[0]} has not finished {missing[0]}, which {begin} stands on")
    known = max(mine[name].at for name in UPSTREAM[begin])
    # What the run did from there on is what is asked for anew.
    later = {mine[name].step_key for name in STAGES[STAGES.index(begin) :] if name in mine}
    keys = tuple(done.step_key for done in steps if done.at <= known and done.step_key not in later)
    return _Night(name=found[0], steps=mine, known=known, keys=keys)


def _scratch(environment: Environment, run: str) -> Environment:
    """The same machine with everything that is written in a folder of this rerun's own.

    But for the lake where Spark jobs run on other machines: they reach what lies below the lake's root.
    """
    slug = re.sub(r"[^A-Za-z0-9]+", "-", run).strip("-")[-60:]
    name = f"{slug}-{uuid4().hex[:6]}"
    home = scratch_homes(environment) / name
    home.mkdir(parents=True)
    lake = LakeRoot(root=str(home / "lake"))
    if not isinstance(environment.spark.platform, Local):
        root, options = f"{scratch_lakes(environment)}/{name}", environment.lake.storage_options
        lake = LakeRoot(root=root, storage_options=options)
    return environment.model_copy(
        update={
            "home": home,
            "lake": lake,
            "database": f"sqlite:///{home / 'pressrun.db'}",
            "mlflow": Mlflow(tracking_uri=f"sqlite:///{home / 'mlflow.db'}"),
            "kubernetes": None,
        }
    )


def _take_over_answers(environment: Environment, scratch: Environment, night: _Night) -> None:
    answers, theirs = (Questions(open_database(place.database)) for place in (environment, scratch))
    theirs.take_over(answers.whole(step_key=str(night.key("label"))))


def _champion(environment: Environment, scratch: Environment, pipeline: Pipeline, night: _Night) -> ModelRef | None:
    """The model that the night's gate compared with, known to the scratch MLflow as to the real one."""
    done = night.steps.get("gate")
    verdict = done.result.verdict if done else None
    if verdict is None or verdict.champion_version is None:
        return None
    served = fetch(environment, pipeline.model, verdict.champion_version)
    return copy_lineage(served, environment, scratch)


def _known(trained: StageResult, environment: Environment, scratch: Environment) -> StageResult:
    """That night's training with a model that the scratch MLflow knows: the gate keeps its report with it."""
    if "model" not in trained.facts:
        return trained
    model = copy_lineage(ModelRef.model_validate(trained.facts["model"]), environment, scratch)
    return trained.model_copy(update={"facts": trained.facts | {"model": model.model_dump(mode="json")}})


def _repeated(
    scratch: Environment,
    pipeline: Pipeline,
    night: _Night,
    lake: Lake,
    results: dict[str, StageResult],
    champion: ModelRef | None,
    repeated: Sequence[str],
    *,
    progress: Progress,
) -> Iterator[tuple[str, StageResult]]:
    for name in repeated:
        step = Step(
            key=night.key(name), pipeline=pipeline, environment=scratch, lake=lake, fresh=True, progress=progress
        )
        upstream = [results[before] for before in UPSTREAM[name]]
        results[name] = _gated(step, upstream, champion) if name == "gate" else placed(step, upstream)
        yield name, results[name]
        if name != "gate" and results[name].stopped:
            return


def _gated(step: Step, upstream: Sequence[StageResult], champion: ModelRef | None) -> StageResult:
    from pressrun.gates import gate

    ingested, sampled, labeled, trained = upstream
    return gate(step, ingested, sampled, labeled, trained, champion)
