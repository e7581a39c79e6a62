"""Copies finished steps from one lake to another, on another cloud or at home: what is there already is not sent again.

Steps keep their keys, and each file's content digest is computed anew from what the far side holds; a file gets a name
of its own there, since one that is written twice may fail whoever reads it. A step's manifest follows its rows, so a
reader there sees all of a step or nothing of it; where only some tables were asked for it shows those, and the step has
not finished there until the last of its tables has come. A stream's new segments are one commit a table. Whatever dies
when, the next run goes on from there, and two runs at once do no harm: a commit is held against the very state that it
was made for. A dataset reference of the near lake is read there as it is, by step keys and digest
(`pressrun.lake.reading.files`): the versions of the two lakes have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from pressrun.lake import delta, erased
from pressrun.lake.delta import File, Location
from pressrun.lake.digest import combined, content_digest
from pressrun.lake.errors import ConflictError, LakeError
from pressrun.lake.lake import STREAM, Lake, queue_of
from pressrun.lake.manifests import PARTIAL, SEEN
from pressrun.lake.refusals import explained
from pressrun.lake.schema import declared
from pressrun.lake.selection import Mirrored as Mirrored
from pressrun.lake.selection import Selection as Selection
from pressrun.lake.tables import HOUSE, SCHEMAS

if TYPE_CHECKING:
    from pressrun.progress import Progress

_MANIFESTS = "steps"
# The block list goes first: what is held against it must not be older than it.
_FIRST = (erased.TABLE,)
_STEPS_A_COMMIT, _AT_ONCE, _ATTEMPTS = 50, 4, 30


class DamagedError(LakeError):
    """A file does not hold the rows that its name says. A retry helps if it was damaged on its way."""


def mirror(near: Lake, far: Lake, *, selection: Selection | None = None, progress: Progress | None = None) -> Mirrored:
    """Brings `far` up to date with `near`.

    Raises DamagedError when a copied file does not have its digest, ConflictError when other writers keep winning,
    SchemaError for a table that nobody declared.
    """
    chosen, told = selection or Selection(), progress or _silent
    for name in chosen.tables:
        declared(name, SCHEMAS)
    finished = _manifests(near, chosen)
    _withdraw(finished, far)
    tables = [name for name in chosen.tables or sorted(SCHEMAS) if name not in (*_FIRST, _MANIFESTS)]
    runs = [_Table(near, far, table, told) for table in (*_FIRST, *tables)]
    for run in runs:
        every = Selection() if run.table in _FIRST else chosen
        run.bring({key: files for key, files in run.near_files(every).items() if _whole(key, finished, run.table)})
    held = frozenset(key for run in runs for key in run.held) | _changed(finished, _manifests(near, chosen))
    missing, outdated = _not_asked_for(near, far, chosen, finished)
    last = _Table(near, far, _MANIFESTS, told)
    shown = {key: file for key, file in finished.items() if key not in held | outdated}
    last.bring({key: [_in_part(file) if key in missing else file] for key, file in shown.items()})
    runs.append(last)
    return Mirrored(
        steps={run.table: run.brought for run in runs if run.brought},
        files=sum(len(run.sent) for run in runs),
        size=sum(size for run in runs for size in run.sent.values()),
        held=held,
        partial=(missing | outdated) - held,
    )


def _not_asked_for(
    near: Lake, far: Lake, chosen: Selection, finished: Collection[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The steps of which a table that was not asked for has not come to the far side, or is another there."""
    missing, outdated = set[str](), set[str]()
    for name in sorted(SCHEMAS.keys() - {*chosen.tables, *_FIRST, _MANIFESTS}) if chosen.tables else ():
        here, there = (_by_step(_files(lake.location(name))) for lake in (near, far))
        for key, files in here.items():
            if key in finished and _contents(files) != _contents(there.get(key, ())):
                (outdated if key in there else missing).add(key)
    return frozenset(missing - outdated), frozenset(outdated)


def _in_part(manifest: File) -> File:
    return replace(manifest, state=PARTIAL + (manifest.state or SEEN))


def _files(location: Location) -> list[File]:
    table = location.open()
    return delta.files_of(table) if table else []


def _whole(key: str, finished: Collection[str], table: str) -> bool:
    return key in finished or key.startswith(STREAM) or table in _FIRST


def _manifests(lake: Lake, selection: Selection) -> dict[str, File]:
    return {file.step_key: file for file in _files(lake.location(_MANIFESTS)) if selection.has(file)}


def _changed(before: Mapping[str, File], now: Mapping[str, File]) -> frozenset[str]:
    return frozenset(key for key, file in before.items() if key not in now or now[key].digest != file.digest)


def _withdraw(finished: Mapping[str, File], far: Lake) -> None:
    """A step that was done again since is unfinished at the far side until all of it is there."""
    location = far.location(_MANIFESTS)
    for _ in range(_ATTEMPTS):
        table = location.open()
        there = delta.files_of(table) if table else []
        old = [f for f in there if f.step_key in finished and finished[f.step_key].digest != f.digest]
        if table is None or not old:
            return None
        try:
            return delta.commit_all(table, add=[], remove=old, transactions=_queues(table, old), note=_note(old))
        except CommitFailedError:
            continue
    raise _outrun(far, _MANIFESTS)


class _Table:
    """One table on its way: `held` steps were left for the next run, `sent` are files with their sizes."""

    def __init__(self, near: Lake, far: Lake, table: str, told: Progress) -> None:
        self.table, self.held, self.brought, self.sent = table, set[str](), 0, dict[str, int]()
        self._sent: dict[str, str] = {}
        self._near, self._far, self._lake, self._told = near.location(table), far.location(table), far, told
        self._blocks = bool(erased.reader_columns(SCHEMAS[table]))

    def near_files(self, selection: Selection) -> dict[str, list[File]]:
        """The table's files at the near side by step."""
        return _by_step(file for file in _files(self._near) if selection.has(file))

    def bring(self, wanted: Mapping[str, Sequence[File]]) -> None:
        """Brings these steps up to date, some at a time."""
        table = self._far.open()
        behind = sorted(_behind(wanted, table))
        for start in range(0, len(behind), _STEPS_A_COMMIT):
            self._told(f"{self.table}: steps", start, len(behind))
            self._bring_some({key: wanted[key] for key in behind[start : start + _STEPS_A_COMMIT]})

    def _bring_some(self, wanted: Mapping[str, Sequence[File]]) -> None:
        for _ in range(_ATTEMPTS):
            table = self._opened()
            there = _by_step(delta.files_of(table))
            plan = {key: _difference(wanted[key], there.get(key, ())) for key in _behind(wanted, table) - self.held}
            self._send_all([file for add, _ in plan.values() for file in add])
            plan = {key: difference for key, difference in plan.items() if key not in self.held}
            if not plan:
                return None
            try:
                return self._commit(table, plan)
            except CommitFailedError:
                continue
        raise _outrun(self._lake, self.table)

    def _commit(self, table: DeltaTable, plan: Mapping[str, tuple[list[File], list[File]]]) -> None:
        add = [replace(file, path=self._sent[file.path]) for new, _ in plan.values() for file in new]
        remove = [file for _, old in plan.values() for file in old]
        queues = _queues(table, [*add, *remove]) if self.table == _MANIFESTS else {}
        transactions = self._sequences(plan) | queues
        delta.commit_all(table, add=add, remove=remove, transactions=transactions, note=_note(add))
        self.brought += len(plan)

    def _opened(self) -> DeltaTable:
        table = self._far.open_or_create(SCHEMAS[self.table], self._lake.retention)
        return self._reopened() if delta.add_columns(table, SCHEMAS[self.table]) else table

    def _reopened(self) -> DeltaTable:
        table = self._far.open()
        assert table is not None
        return table

    def _sequences(self, keys: Iterable[str]) -> dict[str, int]:
        """Each step's newest transaction: whoever goes on with the step at the far side knows its generation."""
        near = self._near.open()
        found = {key: near.transaction_version(key) for key in keys} if near else {}
        return {key: sequence for key, sequence in found.items() if sequence is not None}

    def _send_all(self, files: Sequence[File]) -> None:
        """Sends what this run has not sent yet. Steps that could not be had or must not come yet are held."""
        blocked = erased.block_list(self._lake.location(erased.TABLE)).blocked if self._blocks else erased.Blocked()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            came = list(pool.map(lambda file: self._send(file, blocked), files))
        self.held |= {file.step_key for file, here in zip(files, came, strict=True) if not here}

    def _send(self, file: File, blocked: erased.Blocked) -> bool:
        """Copies the file and looks at the copy. False when it is gone here, or rows of it must not come."""
        if file.path not in self._sent:
            try:
                content = _content(self._near, file)
            except FileNotFoundError:
                return False  # A clean-up took it: the step is made of other files by now.
            path = f"part-{file.digest}-{uuid4().hex[:12]}.parquet"
            _put(self._far, path, content)
            self._sent[file.path] = path
        rows = self._rows(self._sent[file.path])
        self._as_named(file, rows)
        return not (blocked and pc.any(blocked.rows(rows)).as_py())

    def _rows(self, path: str) -> pa.Table:
        own, far = SCHEMAS[self.table], self._far.filesystem
        schema = pa.schema([*HOUSE, *own])
        with explained(self._far.uri):
            whole = ds.dataset([path], schema=schema, format="parquet", filesystem=far).to_table()
        return whole.select(own.names)

    def _as_named(self, file: File, rows: pa.Table) -> None:
        found = content_digest(rows)
        if found != file.digest:
            raise DamagedError(
                f"{self._far.uri}/{self._sent[file.path]} has the digest {found[:12]} and should have "
                f"{file.digest[:12]}: it was damaged on its way or at the near side; run the mirror again, and if it "
                f"stays so, look at {file.path} of {self._near.uri}"
            )
        self.sent[file.path] = file.size


def _content(near: Location, file: File) -> bytes:
    with explained(near.uri), near.filesystem.open_input_stream(file.path) as stream:
        content: bytes = stream.read()
    return content


def _put(far: Location, path: str, content: bytes) -> None:
    with explained(far.uri), far.filesystem.open_output_stream(path) as stream:
        stream.write(content)


def _difference(near: Iterable[File], far: Iterable[File]) -> tuple[list[File], list[File]]:
    """What of a step's files must be added at the far side, and what of those there must go; files are their rows."""
    add, left = [], list(far)
    for file in near:
        same = next((other for other in left if (other.digest, other.state) == (file.digest, file.state)), None)
        left.remove(same) if same else add.append(file)
    return add, left


def _behind(wanted: Mapping[str, Sequence[File]], far: DeltaTable | None) -> set[str]:
    there = _by_step(delta.files_of(far)) if far else {}
    return {key for key, files in wanted.items() if _contents(files) != _contents(there.get(key, ()))}


def _contents(files: Iterable[File]) -> tuple[str, list[str]]:
    """Of the files' rows, and what a manifest shows."""
    held = list(files)
    return combined(file.digest for file in held), sorted(file.state for file in held)


def _by_step(files: Iterable[File]) -> dict[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in files:
        found.setdefault(file.step_key, []).append(file)
    return found


def _queues(table: DeltaTable, files: Iterable[File]) -> dict[str, int]:
    return {queue_of(file.pipeline): table.version() + 1 for file in files}


def _note(files: Collection[File]) -> dict[str, str]:
    return {"pressrun.mirrored": str(len(files))}


def _outrun(far: Lake, table: str) -> ConflictError:
    return ConflictError(f"{far.root}/{table}: other writers won {_ATTEMPTS} races for the next version; run it again")


def _silent(message: str, done: int = 0, total: int | None = None) -> None:
    return
