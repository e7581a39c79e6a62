"""One step of one run: what every stage is given, and how it runs once whatever dies.

A stage is `stage(step, **inputs) -> StageResult`; its body goes through `run_once`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any
from uuid import uuid4

import psutil
import pyarrow.compute as pc

from pressrun.basis import basis_of
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.costs import refuse_beyond
from pressrun.environments import demand_place, runtime_of, said_where
from pressrun.lake.delta import Retention
from pressrun.lake.errors import OvertakenError, SameWorkError
from pressrun.lake.fingerprint import fingerprint, stage_code
from pressrun.lake.lake import Lake
from pressrun.lake.manifests import REUSED, SEEN, WITHHELD, Fence, Standing
from pressrun.lake.tables import rows_of
from pressrun.lake.types import DatasetRef, Spent, StageResult, StepKey
from pressrun.progress import Progress, silent
from pressrun.tracing import span
from pressrun.verdict import Verdict

Inputs = Mapping[str, DatasetRef | str | None]
# So many other runs finishing one after the other while a stage works is no coincidence.
_OVERTAKEN = 10
# What watches and reads costs next to nothing, and must go on whatever was spent.
_FREE = ("ingest", "gate", "rollout", "drift")
_PROVENANCES = ("published_at_provenance", "source_provenance", "section_provenance")


@dataclass(frozen=True, kw_only=True)
class Step:
    """The pipeline, the environment and the key of one step; `fresh` turns reuse off.

    `asked` names the request by which somebody wants the step done anew although it has finished, such as the third
    clear of a task: every retry after it has the same name. "": nobody has asked. By default whoever makes a fresh
    step asks. `placed`: what the stage's own environment is (see `runtime_of`), in the process that is in it.
    """

    key: StepKey
    pipeline: Pipeline
    environment: Environment
    lake: Lake
    fresh: bool = False
    progress: Progress = field(default=silent)
    asked: str | None = None
    placed: str | None = None

    def __post_init__(self) -> None:
        if self.asked is None:
            object.__setattr__(self, "asked", uuid4().hex if self.fresh else "")

    def runtime(self, stage: str) -> str:
        """What the stage's own environment is: where this process is in it, what it was made from, else what the file
        says now. Raises ConfigurationFailed when its lock cannot be used.
        """
        return runtime_of(self.environment, stage) if self.placed is None else self.placed


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a step begins: with what it `finished` as, with an `earlier` step's result to hand on, or with its work.

    `mark` is the fingerprint of its work, `alike` the steps that have done the same, `code` its code's digest,
    `runtime` what its own environment is (see `runtime_of`).
    """

    mark: str
    code: str
    runtime: str = ""
    alike: frozenset[str] = frozenset()
    finished: StageResult | None = None
    earlier: StageResult | None = None


def open_lake(environment: Environment) -> Lake:
    """The environment's lake; what is staged lies in the environment's home."""
    place = environment.lake
    retention = Retention(**place.retention.model_dump())
    return Lake(place.root, place.storage_options, staging=environment.home / "staging", retention=retention)


def run_once(
    step: Step,
    *,
    stage: str,
    inputs: Inputs,
    section: Any,
    work: Callable[[], StageResult],
    usable: Callable[[StageResult], bool] = lambda result: True,
    repeatable: Callable[[StageResult], bool] = lambda result: True,
    refreshed: Callable[[StageResult], StageResult] = lambda result: result,
    upon: Sequence[DatasetRef | str] = (),
) -> StageResult:
    """Does a step's work once, whatever dies when. Its manifest is committed last: then its rows are seen.

    A finished step hands back what it did, so a retry changes nothing. It is done anew when somebody has asked for it
    since (`Step.asked`: the task was cleared, `--fresh`) and it may come out otherwise: its inputs, config section or
    code have changed, a verdict stopped it, or it is fresh. Then its generation rises, its manifest is withdrawn, and
    its rows are replaced; a try of the generation before can write nothing more. A verdict stays until the step is
    judged again. `repeatable` may object.

    A step with the inputs, section and code of a finished one takes that one's result over, as `refreshed` brings it
    up to date, unless it is fresh, a verdict stopped the other, its data is gone, or it is not `usable`.

    Of two runs at once that do the same work, the second to finish takes the first's result over, and its own rows are
    never seen. `upon` is what the rows are made from besides `inputs`. A dataset in it is all that there was of a table
    and must be so still when the step finishes: OvertakenError says that another run was faster, see `settled`.
    """
    with span(f"pressrun.{stage}", pipeline=step.pipeline.model, step_key=str(step.key)) as told:
        opening = open_step(
            step, stage=stage, inputs=inputs, section=section, usable=usable, repeatable=repeatable, upon=upon
        )
        result = _run(step, opening, stage=stage, work=work, refreshed=refreshed, upon=upon)
        told.set_attribute("pressrun.reused_from", result.reused_from or "")
        if result.verdict is not None:
            told.set_attribute("pressrun.decision", result.verdict.decision.value)
        return result


def _run(
    step: Step,
    opening: Opening,
    *,
    stage: str,
    work: Callable[[], StageResult],
    refreshed: Callable[[StageResult], StageResult],
    upon: Sequence[DatasetRef | str],
) -> StageResult:
    if opening.finished is not None:
        return opening.finished
    if opening.earlier is not None:
        return _hand_on(refreshed(opening.earlier), step, opening)
    _within_budget(step)
    if step.placed is None:
        demand_place(step.environment, stage)
    result = _marked(said_where(_measured(work), step.environment, stage, opening.runtime), step=step)
    _keep_verdict(result, step=step)
    fence = Fence(
        whole=tuple(base for base in upon if isinstance(base, DatasetRef)), alike=None if step.fresh else opening.alike
    )
    try:
        return _finish(result, step, opening, state=_state(result), fence=fence)
    except SameWorkError as same:
        return _hand_on(refreshed(same.result), step, opening)


def _within_budget(step: Step) -> None:
    """Raises MonthSpentError before money is spent on a pipeline that has used up its month's."""
    budget = step.pipeline.budget_usd_month
    if budget is not None and step.key.task_id not in _FREE:
        refuse_beyond(step.lake, step.environment, step.pipeline.model, budget_usd=budget)


def _measured(work: Callable[[], StageResult]) -> StageResult:
    started, before = time.perf_counter(), _cpu_seconds()
    result = work()
    spent = Spent(
        seconds=round(time.perf_counter() - started, 3), cpu_seconds=round(max(0.0, _cpu_seconds() - before), 3)
    )
    return result.model_copy(update={"spent": spent})


def _cpu_seconds() -> float:
    """This process's and its children's, those that run (a Spark driver's JVM) and those that have ended."""
    me = psutil.Process()
    times = [me.cpu_times()]
    for child in me.children(recursive=True):
        with suppress(psutil.Error):
            times.append(child.cpu_times())
    ended = times[0].children_user + times[0].children_system
    return float(sum(one.user + one.system for one in times) + ended)


def open_step(
    step: Step,
    *,
    stage: str,
    inputs: Inputs,
    section: Any,
    usable: Callable[[StageResult], bool] = lambda result: True,
    repeatable: Callable[[StageResult], bool] = lambda result: True,
    upon: Sequence[DatasetRef | str] = (),
) -> Opening:
    """How `run_once` would begin, for a stage that does a part of its work before it. Safe to repeat."""
    code, lake, model = stage_code(stage), step.lake, step.pipeline.model
    runtime = step.runtime(stage)
    mark = fingerprint(stage=stage, pipeline=model, inputs=inputs, section=section, code=code, runtime=runtime)
    standing = lake.standing(step.key)
    generation = standing.generation
    if standing.result is not None:
        if not (_asked_anew(step, standing, mark) and repeatable(standing.result)):
            return Opening(mark=mark, code=code, runtime=runtime, finished=standing.result)
        generation += 1
        lake.withdraw(step.key, pipeline=model, generation=generation)
    lake.bind(step.key, _made_from(mark, upon), generation=generation)
    earlier = None if step.fresh else lake.reusable(mark)
    if earlier is not None and not usable(earlier):
        earlier = None
    return Opening(mark=mark, code=code, runtime=runtime, alike=lake.alike(mark), earlier=earlier)


def settled(attempt: Callable[[], StageResult]) -> StageResult:
    """Tries a stage again, from its inputs on, while other runs finish what it stands on."""
    for _ in range(_OVERTAKEN - 1):
        try:
            return attempt()
        except OvertakenError:
            continue
    return attempt()


def _asked_anew(step: Step, standing: Standing, mark: str) -> bool:
    if step.asked in ("", standing.asked) or standing.result is None:
        return False
    return step.fresh or standing.result.stopped or standing.fingerprint != mark


def _made_from(mark: str, upon: Sequence[DatasetRef | str]) -> str:
    parts = [base if isinstance(base, str) else f"{base.digest} of {base.step_keys}" for base in upon]
    return hashlib.sha256("\n".join([mark, *parts]).encode()).hexdigest() if parts else mark


def _state(result: StageResult) -> str:
    """The articles of a refused batch are not seen, so that the next run reads and judges them again."""
    refused = result.verdict is not None and result.verdict.kind == "batch" and result.stopped
    return WITHHELD if refused else SEEN


def _hand_on(result: StageResult, step: Step, opening: Opening) -> StageResult:
    return _finish(result.handed_on_by(step.key), step, opening, state=REUSED)


def _finish(
    result: StageResult, step: Step, opening: Opening, *, state: str, fence: Fence | None = None
) -> StageResult:
    return step.lake.finish(
        result,
        key=step.key,
        pipeline=step.pipeline.model,
        fingerprint=opening.mark,
        basis=basis_of(step.pipeline, opening.code, opening.runtime).model_dump_json(),
        state=state,
        asked=step.asked or "",
        fence=fence,
    )


def _marked(result: StageResult, *, step: Step) -> StageResult:
    """Whoever judges, and of what: a verdict in a loop on synthetic articles says so."""
    if result.verdict is None or result.verdict.synthetic or not has_synthetic_articles(step):
        return result
    return result.model_copy(update={"verdict": result.verdict.model_copy(update={"synthetic": True})})


def has_synthetic_articles(step: Step) -> bool:
    """Whether the simulator made any article of the pipeline."""
    articles = step.lake.snapshot("articles", pipeline=step.pipeline.model, including=step.key)
    made_up = reduce(or_, (pc.field(name) == "synthetic" for name in _PROVENANCES))
    return bool(step.lake.read(articles, ["article_id"], where=made_up).num_rows)


def _keep_verdict(result: StageResult, *, step: Step) -> None:
    if result.verdict is None:
        return
    rows = rows_of("verdicts", [verdict_row(result.verdict)])
    step.lake.commit("verdicts", rows, key=step.key, pipeline=step.pipeline.model)


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """The verdict as a row of table `verdicts`; its whole stands as JSON in column `verdict`."""
    return {
        "verdict_id": verdict.verdict_id,
        "kind": verdict.kind,
        "decision": verdict.decision.value,
        "at": verdict.at,
        "verdict": verdict.model_dump_json(),
        "model_version": verdict.model_version,
        "model_digest": verdict.model_digest,
    }
