"""`override`, `pause`, `resume`, `promote` and `abort`: a person decides, by name and with a reason that is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from pressrun.cli.clusters import refuse_bare
from pressrun.cli.options import EnvironmentName
from pressrun.cli.terminal import err, out

if TYPE_CHECKING:
    from pressrun.config.environment import Environment
    from pressrun.config.pipeline import Pipeline
    from pressrun.rollout.types import Wish
    from pressrun.verdict import Override, Verdict

By = Annotated[str, typer.Option("--by", help="who decides")]
Reason = Annotated[str, typer.Option("--reason", help="why; it is shown wherever the decision is")]


def override(
    verdict: Annotated[str, typer.Argument(metavar="VERDICT_ID", help="of a gate's verdict; its start will do")],
    by: By,
    reason: Reason,
    until: Annotated[str, typer.Option("--until", help="a duration such as 2h, or a time such as 2026-01-06T08:00")],
    environment: EnvironmentName = None,
) -> None:
    """Lets a gate's failed or insufficient verdict stand aside, so that its model may be rolled out until then.

    The verdict stays as it is. The canary still judges, and says who overrode the gate and why.
    """
    from pressrun.config.load import load_environment
    from pressrun.lake.overrides import keep_override
    from pressrun.step import open_lake
    from pressrun.verdict import Override

    refuse_blank(by, reason)
    place, now = load_environment(environment), datetime.now(UTC)
    pipeline, found = _verdict_of(place, verdict)
    _refuse_what_needs_none(found)
    made = Override(verdict_id=found.verdict_id, actor=by, reason=reason, at=now, expiry=moment(until, now=now))
    keep_override(open_lake(place), made, pipeline=pipeline.model)
    _tell(place, pipeline, found, made)


Model = Annotated[str, typer.Argument(help="whose rollout: a pipeline's name, or its model's")]


def abort(model: Model, by: By, reason: Reason, environment: EnvironmentName = None) -> None:
    """Stops the rollout under way: the candidate is taken out of traffic, the champion serves on."""
    _intervene(model, "abort", "goes back", by, reason, environment)


def pause(model: Model, by: By, reason: Reason, environment: EnvironmentName = None) -> None:
    """Holds the rollout under way at its present share; a candidate that does harm still goes back."""
    _intervene(model, "pause", "is paused", by, reason, environment)


def resume(model: Model, by: By, reason: Reason, environment: EnvironmentName = None) -> None:
    """Lets a paused rollout go on."""
    _intervene(model, "resume", "goes on", by, reason, environment)


def promote(
    model: Model,
    by: By,
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="also when checks fail; the verdict says so")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Makes the candidate champion without the steps and the bake that are left."""
    _intervene(model, "force" if force else "promote", "is promoted", by, reason, environment)


def _intervene(model: str, wish: Wish, becomes: str, by: str, reason: str, environment: str | None) -> None:
    from pressrun.config.load import load_environment
    from pressrun.rollout import Vigil, intervene
    from pressrun.rollout.everywhere import passing

    refuse_blank(by, reason)
    place, name = load_environment(environment), _model(model)
    try:
        plan = intervene(place, name, wish, actor=by, reason=reason)
    except passing(place):
        raise
    except Exception as error:
        refuse_bare(place, said=str(error))
        raise
    if plan is None:
        refuse_bare(place)
        raise ValueError(f"{name} has no rollout under way: there is nothing to {wish}")
    said = f"rollout {plan.generation} of {name} v{plan.candidate.version} {becomes}: {by}, {reason}"
    out.print(said, markup=False, highlight=False, soft_wrap=True)
    if missing := Vigil(place, name).missing():
        err.print(f"{missing}. It is done when one runs", style="yellow", markup=False, soft_wrap=True)


def refuse_blank(by: str, reason: str) -> None:
    """A decision without a name or a reason could not be told of later."""
    for option, words, wanted in (("--by", by, "who decides"), ("--reason", reason, "why")):
        if not words.strip():
            raise ValueError(f"{option} is blank: say {wanted}; it is shown wherever the decision is")


def moment(text: str, *, now: datetime) -> datetime:
    """The time that `2h` from now, or a time in ISO 8601 (this machine's zone where it names none), means.

    Raises ValueError for anything else, and for a time that is over.
    """
    at = _moment(text.strip(), now)
    if at <= now:
        raise ValueError(f"--until {text} is over already, it is {now:%Y-%m-%d %H:%M} UTC: give a later time")
    return at


def tell_overrides(environment: Environment, verdict: Verdict) -> None:
    """Who overrode the verdict, and whether that still holds."""
    from pressrun.lake.overrides import overrides_of
    from pressrun.step import open_lake

    for one in overrides_of(open_lake(environment), pipeline=verdict.pipeline):
        if one.verdict_id == verdict.verdict_id:
            over = "" if one.expiry > datetime.now(UTC) else " (over)"
            line = f"{one.actor} overrides it until {one.expiry:%Y-%m-%d %H:%M} UTC{over}: {one.reason}"
            out.print(f"  {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def _moment(text: str, now: datetime) -> datetime:
    from pressrun.config.values import parse_duration

    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    try:
        lasting = parse_duration(text)
    except ValueError:
        lasting = None
    if not isinstance(lasting, timedelta):
        raise ValueError(f"--until {text}: write a duration such as 2h or 1h30m, or a time such as 2026-01-06T08:00")
    return now + lasting


def _verdict_of(environment: Environment, wanted: str) -> tuple[Pipeline, Verdict]:
    """The verdict whose id starts so, of any pipeline."""
    from pressrun.config.load import load_pipeline, pipeline_files
    from pressrun.loop import read_verdicts

    pipelines = [load_pipeline(file) for file in pipeline_files()]
    found = [(one, verdict) for one in pipelines for verdict in read_verdicts(environment, one.model)]
    meant = [(one, verdict) for one, verdict in found if verdict.verdict_id.startswith(wanted)]
    if len(meant) != 1:
        said = f"{len(meant)} verdicts start" if meant else "no verdict starts"
        raise ValueError(f"{said} with {wanted}; `pressrun verdicts` lists them")
    return meant[0]


def _refuse_what_needs_none(verdict: Verdict) -> None:
    decision = verdict.decision.value
    if verdict.kind != "gate":
        raise ValueError(f"this is a verdict on {verdict.kind}; only a gate's verdict can be overridden")
    if decision == "pass":
        raise ValueError("the gate passed: there is nothing to override")
    if decision == "error":
        raise ValueError("the gate could not judge: an error says nothing of the model. Mend it, run the gate again")


def _tell(environment: Environment, pipeline: Pipeline, verdict: Verdict, made: Override) -> None:
    from pressrun.alerts import say

    version = f" v{verdict.model_version}" if verdict.model_version else ""
    until = f"{made.expiry:%Y-%m-%d %H:%M} UTC"
    what = f"the gate's {verdict.decision.value} of {pipeline.model}{version}"
    text = f"{made.actor} overrides {what} until {until}: {made.reason}"
    out.print(text, markup=False, highlight=False, soft_wrap=True)
    thread = f"{pipeline.model}{version}" if version else f"{pipeline.model} {_run(verdict)[1]}"
    say(environment, pipeline, key=f"override/{made.override_id}", thread=thread, text=text)
    out.print(_next(verdict, pipeline), style="dim", markup=False, highlight=False, soft_wrap=True)


def _next(verdict: Verdict, pipeline: Pipeline) -> str:
    dag, run = _run(verdict)
    if dag == "cli":
        return f"next: pressrun rollout {pipeline.model} --run '{run}'"
    return f"next: clear the task gate of run {run} of {dag} in Airflow; it finds the override and the rollout begins"


def _run(verdict: Verdict) -> tuple[str, str]:
    """The DAG and the run of the verdict's step."""
    dag, _, rest = verdict.step_key.partition("/")
    return dag, rest.rsplit("/", 2)[0]


def _model(name: str) -> str:
    """The model of the pipeline of that name; the name itself where no such pipeline is left."""
    from pressrun.config.load import load_pipeline
    from pressrun.config.problems import ConfigError

    try:
        return load_pipeline(name).model
    except ConfigError:
        return name
