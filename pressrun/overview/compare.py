"""What differs between two models: what each was made with, on what, and what the judges said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pressrun.config.environment import Environment
from pressrun.lake.types import StageResult
from pressrun.overview.changes import Change, changes
from pressrun.overview.lineage import model_of
from pressrun.overview.steps import Done, finished_steps, of_run
from pressrun.registry import settings_of
from pressrun.step import open_lake
from pressrun.verdict import Check, Comparison, Verdict

_SHORT = 12
_JUDGED = {"labels": "label", "gate": "gate", "canary": "rollout"}


class NotComparable(ValueError):
    """A version that no run in this lake has trained; the message lists those that are there."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One model: its version, the steps of the run that made it, and the settings that it was trained by."""

    version: str
    trained: Done
    run: Mapping[str, Done]
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A key of the pipeline file whose value differs; None where a side does not have it."""

    key: str
    one: Any
    other: Any


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number of both sides: `what` of `where` (a stage or judge), in words that suit it."""

    where: str
    what: str
    one: str
    other: str


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two models side by side. `settings` is None where one run did not keep its own."""

    one: Side
    other: Side
    changes: tuple[Change, ...]
    settings: tuple[Setting, ...] | None
    measured: tuple[Measured, ...]


def compare(environment: Environment, model: str, one: str, other: str) -> Compared:
    """Compares two versions of `model` that runs in this lake have trained. Raises NotComparable, RegistryError."""
    sides = [side_of(environment, model, version) for version in (one, other)]
    return Compared(
        one=sides[0],
        other=sides[1],
        changes=changes(sides[0].run, sides[1].run),
        settings=_settings(*sides),
        measured=tuple(measured(*({name: done.result for name, done in side.run.items()} for side in sides))),
    )


def side_of(environment: Environment, model: str, version: str) -> Side:
    """One version and the run that made it. Raises NotComparable, RegistryError."""
    steps = finished_steps(open_lake(environment), model)
    trained = {str(model_of(step.result)["version"]): step for step in reversed(steps) if _made(step)}
    number = version.removeprefix("v")
    if number not in trained:
        known = ", ".join(sorted(trained, key=int)) or "none"
        raise NotComparable(f"no run here has trained {model} version {version}; there are: {known}")
    done = trained[number]
    settings = settings_of(environment, str(model_of(done.result)["run_id"]))
    return Side(version=number, trained=done, run=of_run(steps, done.run), settings=settings)


def _made(step: Done) -> bool:
    """Whether the step trained a model itself; one that handed on another's result did not."""
    return step.stage == "train" and not step.result.reused_from and bool(model_of(step.result))


def _settings(one: Side, other: Side) -> tuple[Setting, ...] | None:
    if one.settings is None or other.settings is None:
        return None
    before, after = dict(_flat(one.settings)), dict(_flat(other.settings))
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return tuple(Setting(key=key, one=before.get(key), other=after.get(key)) for key in keys)


def _flat(section: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted key, a list's by its index."""
    items = section.items() if isinstance(section, Mapping) else enumerate(section)
    for key, value in items:
        name = f"{path}[{key}]" if isinstance(section, list) else f"{path}.{key}".lstrip(".")
        if isinstance(value, Mapping | list) and value:
            yield from _flat(value, name)
        else:
            yield name, value


def measured(one: Mapping[str, StageResult], other: Mapping[str, StageResult]) -> Iterator[Measured]:
    """What the training and the judges of two runs (their results by stage) said, number beside number."""
    if {"train"} & {*one, *other}:
        trained = [run.get("train") for run in (one, other)]
        yield _row("train", "family", *(_facts(result).get("family", "–") for result in trained))
        yield _row("train", "examples", *(_examples(result) for result in trained))
        scores = [_facts(result).get("families") or {} for result in trained]
        for family in sorted({*scores[0], *scores[1]}):
            yield _row("train", f"{family}, held out", *(_number(score.get(family)) for score in scores))
    for kind, stage in _JUDGED.items():
        yield from _judged(kind, *(run[stage].verdict if stage in run else None for run in (one, other)))


def _facts(result: StageResult | None) -> Mapping[str, Any]:
    return result.facts if result else {}


def _judged(kind: str, one: Verdict | None, other: Verdict | None) -> Iterator[Measured]:
    if one is None and other is None:
        return
    yield _row(kind, "decision", *(verdict.decision.value if verdict else "–" for verdict in (one, other)))
    checks = [{_name(check): check for check in verdict.checks} if verdict else {} for verdict in (one, other)]
    for name in {**checks[0], **checks[1]}:
        if any(_tells(found.get(name)) for found in checks):
            yield _row(kind, name, *(_value(found.get(name)) for found in checks))


def _tells(check: Check | None) -> bool:
    """A slice that was too small to be measured tells nothing."""
    return check is not None and (_found(check) is not None or check.required)


def _name(check: Check) -> str:
    return f"{check.metric} of {check.slice}" if check.slice else check.metric


def _value(check: Check | None) -> str:
    if check is None:
        return "–"
    value = _found(check)
    return f"{_number(value) if value is not None else ''} {check.decision.value}".strip()


def _found(check: Check) -> object:
    return check.candidate if isinstance(check, Comparison) else check.value


def _examples(result: StageResult | None) -> str:
    found = result.datasets.get("examples") if result else None
    return f"{found.rows:,}" if found else "–"


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)[:_SHORT]
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _row(where: str, what: str, one: object, other: object) -> Measured:
    return Measured(where=where, what=what, one=str(one), other=str(other))
