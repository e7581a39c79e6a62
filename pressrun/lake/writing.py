"""One commit that happens once: check and commit on the same snapshot, check again when another writer was faster."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from pressrun.lake import delta
from pressrun.lake.delta import File, Location, Retention
from pressrun.lake.errors import ConflictError, SupersededError
from pressrun.lake.refusals import explained
from pressrun.tracing import span

# Each lost race means that another writer got through, so a writer that loses this often is not merely unlucky.
_ATTEMPTS = 30
# Sequences that one generation may use up: one for each time that its rows are replaced before it has finished.
_GENERATION = 1 << 20

Check = Callable[[DeltaTable], None]


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What is to be committed once: (app, sequence) is its identity.

    With `replace` the rows of `step_key` that are there give way. `fingerprint` names what the rows were made from:
    rows of an unfinished step that were made from something else are no commit of this step, and are replaced. Two
    commits of one `queue` never pass each other: the later one has seen the earlier.
    """

    table: str
    step_key: str
    app: str
    sequence: int
    replace: bool = True
    fingerprint: str = ""
    queue: str = ""


@dataclass(frozen=True, kw_only=True)
class Landed:
    """Where it is: the version, the step's files there, and whether this call put them there."""

    version: int
    files: tuple[File, ...]
    new: bool


def first_sequence(generation: int) -> int:
    """The lowest sequence of a generation's commits; what withdraws the generation before it has one less."""
    return generation * _GENERATION


def generation_of(sequence: int | None) -> int:
    """The generation that a step's newest transaction belongs to."""
    return 0 if sequence is None else (sequence + 1) // _GENERATION


def commit_once(
    intent: Intent,
    *,
    location: Location,
    schema: pa.Schema,
    retention: Retention,
    write: Callable[[], Sequence[File]],
    check: Check = lambda table: None,
) -> Landed:
    """Commits what `write` makes unless it is committed already.

    `check` sees the very snapshot that is committed on and may raise. Raises ConflictError after too many lost races,
    SupersededError when the step is of a later generation by now.
    """
    with explained(location.uri), span("pressrun.lake.commit", table=intent.table, step_key=intent.step_key) as told:
        landed = _committed(intent, location=location, schema=schema, retention=retention, write=write, check=check)
        told.set_attributes({"pressrun.version": landed.version, "pressrun.new": landed.new})
        return landed


def _committed(
    intent: Intent, *, location: Location, schema: pa.Schema, retention: Retention,
    write: Callable[[], Sequence[File]], check: Check,
) -> Landed:  # fmt: skip
    table = location.open_or_create(schema, retention)
    written: Sequence[File] | None = None
    for attempt in range(_ATTEMPTS):
        try:
            if delta.add_columns(table, schema):
                table = _reopened(location)
            sequence, landed = _standing(intent, table=table, location=location)
            if landed:
                return landed
            check(table)
            written = write() if written is None else written
            _commit(intent, table=table, files=written, sequence=sequence)
            return _find(intent, table, location=location, sequence=sequence, files=written)
        except CommitFailedError:
            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 10)))
            table = _brought_up_to_date(table, location)
    raise ConflictError(
        f"{intent.table}: other writers won {_ATTEMPTS} races for the next version; retry, or let fewer tasks commit "
        "to this table at once"
    )


def _standing(intent: Intent, *, table: DeltaTable, location: Location) -> tuple[int, Landed | None]:
    """The sequence to commit under, or what is committed already."""
    committed = table.transaction_version(intent.app)
    mine = tuple(f for f in delta.files_of(table) if f.step_key == intent.step_key)
    if committed is None and mine and intent.replace:
        committed = 0  # The transaction outlived its retention; the rows are proof enough.
    if committed is None or committed < intent.sequence:
        return intent.sequence, None
    _still_current(intent, committed)
    version, fingerprint = delta.version_of(table, app=intent.app, sequence=committed)
    if intent.fingerprint and fingerprint and fingerprint != intent.fingerprint:
        return committed + 1, None
    return committed, Landed(version=version, files=mine, new=False)


def _still_current(intent: Intent, committed: int) -> None:
    generation, newer = generation_of(intent.sequence), generation_of(committed)
    if intent.replace and newer > generation:
        raise SupersededError(
            f"{intent.table}: {intent.step_key} was asked for anew (generation {newer}) while a try of generation "
            f"{generation} still ran; what that try made is void"
        )


def _commit(intent: Intent, *, table: DeltaTable, files: Sequence[File], sequence: int) -> None:
    old = [f for f in delta.files_of(table) if f.step_key == intent.step_key] if intent.replace else []
    note = {
        "pressrun.app": intent.app,
        "pressrun.sequence": str(sequence),
        "pressrun.step_key": intent.step_key,
        "pressrun.fingerprint": intent.fingerprint,
    }
    delta.commit(table, add=files, remove=old, app=intent.app, sequence=sequence, note=note, queue=intent.queue)


def _find(intent: Intent, table: DeltaTable, *, location: Location, sequence: int, files: Sequence[File]) -> Landed:
    before = table.version()
    table = _brought_up_to_date(table, location)
    version = table.version()
    if version != before + 1:
        version, _ = delta.version_of(table, app=intent.app, sequence=sequence, after=before)
    mine = files if intent.replace else [f for f in delta.files_of(table) if f.step_key == intent.step_key]
    return Landed(version=version, files=tuple(mine), new=True)


def _brought_up_to_date(table: DeltaTable, location: Location) -> DeltaTable:
    """With the commits since: in a bucket a fraction of the requests that opening it anew takes."""
    try:
        table.update_incremental()
    except DeltaError:
        return _reopened(location)
    return table


def _reopened(location: Location) -> DeltaTable:
    table = location.open()
    if table is None:
        raise FileNotFoundError(f"{location.uri} was removed while rows were being committed to it")
    return table
