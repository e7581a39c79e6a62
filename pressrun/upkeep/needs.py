"""Who needs which version of which table: registered models, champions, unfinished runs and samples that wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pressrun.config.environment import Environment
from pressrun.lake.lake import Lake
from pressrun.lake.manifests import manifests
from pressrun.lake.retention import Pins
from pressrun.lake.types import DatasetRef
from pressrun.overview.lineage import model_of
from pressrun.overview.steps import Done, finished_steps
from pressrun.registry.lineage import Registered, registered_versions
from pressrun.rollout import served
from pressrun.step import open_lake

# A run that nobody has gone on with for so long has ended, whatever its steps say.
UNFINISHED = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Need:
    """A dataset and who needs it."""

    dataset: DatasetRef
    who: str


def needs(environment: Environment, now: datetime | None = None) -> list[Need]:
    """Every dataset that must stay readable. Raises RegistryError where MLflow does not say what is registered."""
    lake, at = open_lake(environment), now or datetime.now(UTC)
    versions = registered_versions(environment)
    steps = {pipeline: finished_steps(lake, pipeline) for pipeline in pipelines_of(lake)}
    found = [need for version in versions for need in _of_model(version, steps.get(version.name, []))]
    for pipeline, done in steps.items():
        found += _of_champion(environment, pipeline, done)
        found += _unfinished(done, at)
        found += _waiting(done)
    return [need for need in found if need.dataset.rows and need.dataset.version >= 0]


def pins_of(found: Iterable[Need]) -> dict[str, Pins]:
    """The needs as versions of tables, each with who needs it."""
    pins: dict[str, dict[int, frozenset[str]]] = {}
    for need in found:
        of_table = pins.setdefault(need.dataset.table, {})
        of_table[need.dataset.version] = of_table.get(need.dataset.version, frozenset()) | {need.who}
    return {table: dict(versions) for table, versions in pins.items()}


def pipelines_of(lake: Lake) -> list[str]:
    """The pipelines of which any step has finished."""
    return sorted({file.pipeline for file in manifests(lake.location("steps").open())})


def run_of(step_key: str) -> str:
    """`dag_id/run_id` of a step's key."""
    return step_key.rsplit("/", 2)[0]


def lineage_of(version: Registered, steps: Iterable[Done]) -> Mapping[str, DatasetRef]:
    """What the version stands on: its run's word first, then that of the steps which ran before its training."""
    run = run_of(version.step_key) if version.step_key else ""
    by_run = {name: ref for done in steps if done.run == run for name, ref in done.result.datasets.items()}
    return {**by_run, **version.datasets}


def _of_model(version: Registered, steps: list[Done]) -> Iterator[Need]:
    run = run_of(version.step_key) if version.step_key else ""
    told = [
        *version.datasets.values(),
        *(r for done in steps if done.run == run for r in done.result.datasets.values()),
    ]
    yield from (Need(dataset=ref, who=str(version)) for ref in told)


def _of_champion(environment: Environment, pipeline: str, steps: list[Done]) -> Iterator[Need]:
    """Also of one that somebody has taken out of the registry while it serves."""
    champion = served(environment, pipeline)
    if champion is None:
        return
    runs = {done.run for done in steps if model_of(done.result).get("digest") == champion.digest}
    for done in steps:
        if done.run in runs:
            who = f"{pipeline} v{champion.version}, which serves"
            yield from (Need(dataset=ref, who=who) for ref in done.result.datasets.values())


def _unfinished(steps: list[Done], now: datetime) -> Iterator[Need]:
    """Of runs that may go on: a task under way reads what the steps before it handed on."""
    runs: dict[str, list[Done]] = {}
    for done in steps:
        runs.setdefault(done.run, []).append(done)
    for run, mine in runs.items():
        if not _ended(mine) and max(done.at for done in mine) > now - UNFINISHED:
            yield from (Need(dataset=ref, who=f"run {run}") for d in mine for ref in d.result.datasets.values())


def _ended(run: list[Done]) -> bool:
    """A verdict that stopped a run does not end it: people override it, or mend what it found and clear the task."""
    return any(
        done.stage == "rollout" or (done.result.facts.get("nothing_new") and done.stage == "gate") for done in run
    )


def _waiting(steps: list[Done]) -> Iterator[Need]:
    """Samples that were drawn and never labeled: a later run labels them."""
    labeled = {
        key
        for done in steps
        if {"samples", "labels"} <= done.result.datasets.keys() and not done.result.stopped
        for key in done.result.datasets["samples"].step_keys
    }
    for done in steps:
        drawn = done.result.datasets.get("samples") if done.stage == "sample" else None
        if drawn is not None and drawn.rows and not set(drawn.step_keys) & labeled:
            yield from (Need(dataset=ref, who=f"sample of {done.run}") for ref in done.result.datasets.values())
