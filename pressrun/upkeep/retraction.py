"""A bad source or labeler is withdrawn: a record of it, a word on the models that stand on it, and people are told."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from pressrun.alerts import say
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake.lake import Lake
from pressrun.lake.retraction import Kind, Retraction, keep_retraction, of, retractions
from pressrun.overview.standing_on import StandsOn, gated_on, stands_on
from pressrun.overview.steps import finished_steps
from pressrun.registry.lineage import registered_versions
from pressrun.rollout import served
from pressrun.step import open_lake


class NothingToRetract(ValueError):
    """Nothing of that name is there, or nothing of it is withdrawn that could be let in again."""


@dataclass(frozen=True, kw_only=True)
class Affected:
    """A registered version that stands on withdrawn rows."""

    version: str
    rows: StandsOn
    champion: bool

    def __str__(self) -> str:
        return f"v{self.version}{', which serves,' if self.champion else ''} was {self.rows} of it"


@dataclass(frozen=True, kw_only=True)
class Retracted:
    """What holds for a pipeline now, and the models that stand on it."""

    pipeline: Pipeline
    retraction: Retraction
    affected: tuple[Affected, ...]


def retract(
    environment: Environment,
    pipelines: Sequence[Pipeline],
    *,
    kind: Kind,
    name: str,
    actor: str,
    reason: str,
    since: datetime | None = None,
    undo: bool = False,
) -> list[Retracted]:
    """Withdraws the source or labeler from every pipeline that has it, or lets it in again. Safe to repeat.

    Raises NothingToRetract, with names that are alike, and RegistryError where MLflow does not say which models there
    are; then nothing is withdrawn.
    """
    lake, now = open_lake(environment), datetime.now(UTC)
    mine = [one for one in pipelines if name in _names(lake, one.model, kind, withdrawn=undo)]
    if not mine:
        raise NothingToRetract(_unknown(lake, pipelines, kind, name, undo))
    said = Retraction(
        retraction_id=uuid4().hex, kind=kind, name=name, actor=actor, reason=reason, at=now, since=since, undone=undo
    )
    return [_retract(environment, lake, pipeline, said) for pipeline in mine]


def affected_by(environment: Environment, lake: Lake, model: str, one: Retraction) -> tuple[Affected, ...]:
    """The registered versions of the model that stand on what the retraction withdraws."""
    gone, steps, champion = of(lake, model, [one]), finished_steps(lake, model), served(environment, model)
    found = []
    for version in registered_versions(environment, model):
        rows = stands_on(
            lake,
            gone,
            examples=version.datasets.get("examples"),
            labels=version.datasets.get("labels"),
            judged=gated_on(steps, version.digest),
        )
        serves = champion is not None and champion.digest == version.digest
        found.append(Affected(version=version.version, rows=rows, champion=serves))
    return tuple(one for one in found if one.rows)


def _retract(environment: Environment, lake: Lake, pipeline: Pipeline, said: Retraction) -> Retracted:
    model = pipeline.model
    bare = replace(said, since=_last(lake, model, said).since) if said.undone else said
    affected = affected_by(environment, lake, model, bare)
    words = "; ".join(map(str, affected)) or "no registered model stands on it"
    held = keep_retraction(lake, model, bare, words)
    if held.retraction_id == said.retraction_id:
        # A model may have been registered while it was said; from here on every training leaves it out.
        affected = affected_by(environment, lake, model, bare)
        words = "; ".join(map(str, affected)) or words
        _tell(environment, pipeline, held, affected, words)
    return Retracted(pipeline=pipeline, retraction=held, affected=affected)


def _last(lake: Lake, model: str, said: Retraction) -> Retraction:
    return next(r for r in reversed(retractions(lake, model)) if (r.kind, r.name) == (said.kind, said.name))


def _tell(
    environment: Environment, pipeline: Pipeline, said: Retraction, affected: tuple[Affected, ...], words: str
) -> None:
    what = "lets in again" if said.undone else "withdraws"
    champion = next((one for one in affected if one.champion), None)
    thread = f"{pipeline.model} v{champion.version}" if champion else f"{pipeline.model} data"
    todo = " Its next retrain leaves them out." if champion and not said.undone else ""
    text = f"{said.actor} {what} {said}: {said.reason}. {words}.{todo}"
    say(environment, pipeline, key=f"retraction/{said.retraction_id}", thread=thread, text=text, loud=bool(champion))


def _names(lake: Lake, model: str, kind: Kind, *, withdrawn: bool) -> set[str]:
    """The names that there are, or those that are withdrawn."""
    if withdrawn:
        newest = {one.name: one for one in retractions(lake, model) if one.kind == kind}
        return {name for name, one in newest.items() if not one.undone}
    table, column = ("articles", "source") if kind == "source" else ("labels", "labeler")
    rows = lake.read(lake.snapshot(table, pipeline=model), [column])
    return {name for name in rows[column].unique().to_pylist() if name}


def _unknown(lake: Lake, pipelines: Sequence[Pipeline], kind: Kind, name: str, undo: bool) -> str:
    known = sorted({one for p in pipelines for one in _names(lake, p.model, kind, withdrawn=undo)})
    alike = difflib.get_close_matches(name, known, n=3) or known[:10]
    if undo:
        return f"no {kind} {name} is withdrawn; withdrawn are: {', '.join(alike) or 'none'}"
    return f"no {'article has the source' if kind == 'source' else 'label is of the labeler'} {name}; there are: " + (
        ", ".join(alike) or "none"
    )
