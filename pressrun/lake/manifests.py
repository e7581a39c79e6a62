"""The table `steps`: which steps have finished, whose rows are seen, and what one step may hand on for another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deltalake import DeltaTable

from pressrun.lake import delta
from pressrun.lake.delta import File, Location
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.lake.writing import generation_of

SEEN = "seen"
WITHHELD = "withheld"
REUSED = "reused"
PARTIAL = "partial "
"""Before one of these, in a mirror: not every table of the step is there, so it has not finished there."""

# What is told of a step even when its data is withheld.
_TOLD = ("steps", "verdicts", "spend")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a step stands: its generation, and what it handed on if it has finished in it.

    `fingerprint` is what it was made from, `asked` by which request to do it anew it was made.
    """

    generation: int = 0
    result: StageResult | None = None
    fingerprint: str = ""
    asked: str = ""


@dataclass(frozen=True, kw_only=True)
class Fence:
    """What must hold on the very snapshot that makes a step finished.

    `whole`: datasets that were all there was to be seen of their table, this step's own rows left out, and must be so
    still. `alike`: the steps that were known to have done the same work; None: whoever else did it does not matter.
    """

    whole: tuple[DatasetRef, ...] = ()
    alike: frozenset[str] | None = None


def manifests(steps: DeltaTable | None) -> list[File]:
    """A file a finished step."""
    return delta.files_of(steps) if steps else []


def shows(manifest: File, table: str) -> bool:
    """Whether a finished step's rows of `table` are seen.

    A step whose batch was refused shows what is told of it, not its data. One that handed on another's result shows
    nothing: whatever it made on the way is the other's already. One that is here in part shows the tables that are.
    """
    if manifest.state.startswith(PARTIAL) and table == "steps":
        return False
    state = manifest.state.removeprefix(PARTIAL)
    if state == REUSED:
        return table == "steps"
    return state != WITHHELD or table in _TOLD


def standing(location: Location, step_key: str) -> Standing:
    """Where the step stands; at the beginning when nobody has heard of it."""
    steps = location.open()
    generation = generation_of(steps.transaction_version(step_key)) if steps else 0
    found = [file for file in manifests(steps) if file.step_key == step_key and not file.state.startswith(PARTIAL)]
    if not found:
        return Standing(generation=generation)
    result, asked = _content(location, found[0])
    return Standing(generation=generation, result=result, fingerprint=found[0].fingerprint, asked=asked)


def result_of(location: Location, manifest: File) -> StageResult:
    """What the step handed on."""
    return _content(location, manifest)[0]


def takeable(location: Location, found: Iterable[File], fingerprint: str) -> list[tuple[File, StageResult]]:
    """Steps with the fingerprint that another may take over, the newest first: no verdict stopped them, it is theirs.

    What a verdict stopped is judged again by whoever asks again.
    """
    alike = [file for file in found if file.fingerprint == fingerprint and file.state in ("", SEEN)]
    ordered = sorted(alike, key=lambda file: file.written, reverse=True)
    results = ((file, result_of(location, file)) for file in ordered)
    return [(file, result) for file, result in results if not result.stopped]


def _content(location: Location, manifest: File) -> tuple[StageResult, str]:
    row = delta.read_file(location, manifest).to_pylist()[0]
    # A manifest of an older version has no column `asked`.
    return StageResult.model_validate_json(row["result"]), row.get("asked") or ""
