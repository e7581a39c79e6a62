"""One reader's data leaves the lake, its old versions, what landed and what is on its way; a receipt says what went."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pressrun.config.environment import Environment
from pressrun.ingest.readers import pseudonyms
from pressrun.lake import reading
from pressrun.lake.erased import Blocked, hashed, reader_tables
from pressrun.lake.erasure import EVERY, Went, block, blocked_for, erase_rows, fence, holding, led_to
from pressrun.lake.errors import LakeError
from pressrun.lake.lake import Lake
from pressrun.lake.tables import SCHEMAS, rows_of
from pressrun.lake.types import DatasetRef
from pressrun.progress import Progress, silent
from pressrun.registry.lineage import registered_versions
from pressrun.step import open_lake
from pressrun.upkeep.mirroring import copies
from pressrun.upkeep.places import Scrubbed, look_through, places
from pressrun.upkeep.receipt import FileScrubbed, Receipt, TableErased, keep_receipt
from pressrun.upkeep.scrub import Scrub

_RECEIPTS = "erasures"


@dataclass(kw_only=True)
class Erasure:
    """One erasure under way. What it took is written down before it is taken, so that a retry can tell of all of it."""

    environment: Environment
    subject: str
    erasure_id: str
    actor: str
    reason: str
    begun_at: datetime
    spools: Sequence[Path]
    progress: Progress
    lakes: Sequence[Lake]
    went: dict[tuple[str, str, str], Went] = field(default_factory=dict)
    scrubbed: dict[str, Scrubbed] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        """The one that keeps the block list and the receipts."""
        return self.lakes[0]

    @property
    def journal(self) -> Path:
        return self.lake.staging(f"erasure/{self.erasure_id}", "erasure") / "went.json-lines"


def erase(
    environment: Environment,
    reader: str,
    *,
    actor: str,
    reason: str,
    spools: Sequence[Path] = (),
    lakes: Sequence[Lake] = (),
    progress: Progress = silent,
) -> tuple[Receipt, Path]:
    """Erases the reader with this id and returns the receipt with the file it is in.

    The mirrors that the environment names are reached by themselves; `spools` are folders of prediction logs and
    `lakes` copies of the lake beside those. Safe to repeat: with nothing left of the reader, the receipt of before
    comes back. A reader whom nobody knows is blocked too, and gets a receipt that says so. Raises ValueError for a
    blank id, ConflictError when other writers keep winning, RegistryError where MLflow does not say which models are
    registered: what has gone by then stays gone, and the next try ends it.
    """
    refuse_nobody(reader)
    pseudonym = pseudonyms(environment.home)
    subject, lake = hashed("reader", pseudonym(reader)), open_lake(environment)
    earlier = receipts(lake, subject)
    work = Erasure(
        environment=environment,
        subject=subject,
        erasure_id=f"{subject[:16]}-{len(earlier) + 1}",
        actor=actor,
        reason=reason,
        begun_at=datetime.now(UTC),
        spools=spools,
        progress=progress,
        lakes=(lake, *_others(environment, lakes)),
    )
    _read_journal(work)
    _erase(work, Scrub(wanted=_only(subject), pseudonym=pseudonym))
    if earlier and earlier[-1].complete and not work.went and not work.scrubbed:
        return earlier[-1], keep_receipt(environment.home / _RECEIPTS, earlier[-1])
    receipt = _kept(work, _receipt(work))
    return receipt, keep_receipt(environment.home / _RECEIPTS, receipt)


def refuse_nobody(reader: str) -> None:
    """Raises ValueError for a blank id: a receipt for it would be of no one."""
    if not reader.strip():
        raise ValueError("the reader's id is blank; give it as interactions come with it")


def would_erase(
    environment: Environment, reader: str, spools: Sequence[Path] = (), also: Sequence[Lake] = ()
) -> dict[str, int]:
    """How many rows lead to the reader, by table, by table of a copy, and by kind of file. Changes nothing."""
    refuse_nobody(reader)
    pseudonym = pseudonyms(environment.home)
    lake, scrub = open_lake(environment), Scrub(wanted=_only(hashed("reader", pseudonym(reader))), pseudonym=pseudonym)
    everywhere, lakes = places(environment, spools, now=time.time()), [lake, *_others(environment, also)]
    list(look_through(everywhere, scrub, change=False))
    wanted = _wanted(lakes, scrub)
    found: dict[str, int] = {}
    for place, table in [(copy, table) for copy in lakes for table in _tables(copy)]:
        name = table if place is lake else f"{table} of {place.root}"
        found[name] = sum(holding(place.location(table), wanted, SCHEMAS[table]).values())
    for scrubbed in look_through(everywhere, Scrub(wanted=wanted, pseudonym=pseudonym), change=False):
        found[scrubbed.kind] = found.get(scrubbed.kind, 0) + scrubbed.rows
    return {name: count for name, count in found.items() if count}


def receipts(lake: Lake, subject: str) -> list[Receipt]:
    """The reader's receipts, the oldest first."""
    rows = lake.read(lake.snapshot("erasures", pipeline=EVERY), ["subject", "receipt"]).to_pylist()
    found = [Receipt.model_validate_json(row["receipt"]) for row in rows if row["subject"] == subject]
    return sorted(found, key=lambda receipt: receipt.finished_at)


def _others(environment: Environment, also: Iterable[Lake]) -> list[Lake]:
    """The copies of the lake, each once."""
    near = open_lake(environment).root
    return [lake for root, lake in {lake.root: lake for lake in (*also, *copies(environment))}.items() if root != near]


def _erase(work: Erasure, scrub: Scrub) -> None:
    work.progress("looking for the reader")
    everywhere = places(work.environment, work.spools, now=time.time())
    list(look_through(everywhere, scrub, change=False))
    wanted = _wanted(work.lakes, scrub)
    for lake in work.lakes:
        # What leads to the reader is hashed here already; it is the same list in every copy of the lake.
        values = {kind: found for kind, found in scrub.found.items() if found}
        block(lake, work.subject, values, erasure_id=work.erasure_id)
        _from_lake(work, lake, wanted)
    work.progress("files that landed, and prediction logs")
    again = places(work.environment, work.spools, now=time.time())
    for one in look_through(again, Scrub(wanted=wanted, pseudonym=scrub.pseudonym), change=True):
        work.scrubbed[one.file] = one
        _append(work, ["file", one.kind, one.file, one.rows, one.problem])


def _wanted(lakes: Iterable[Lake], scrub: Scrub) -> Blocked:
    """The reader, and the impressions and slates that any lake or file tells of; `scrub` learns those of the lakes."""
    for lake in lakes:
        for table in _tables(lake):
            for kind, values in led_to(lake.location(table), scrub.wanted, SCHEMAS[table]).items():
                scrub.found.setdefault(kind, set()).update(values)
    told = {kind: frozenset(hashed(kind, one) for one in values) for kind, values in scrub.found.items()}
    # What an earlier try has blocked, it may have taken from where this one would have found it.
    (subject,) = scrub.wanted.hashes["reader"]
    for lake in lakes:
        for kind, known in blocked_for(lake, subject).items():
            told[kind] = told.get(kind, frozenset()) | known
    return Blocked(hashes={**told, **scrub.wanted.hashes})


def _from_lake(work: Erasure, lake: Lake, wanted: Blocked) -> None:
    tables = _tables(lake)
    for place, table in enumerate(tables):
        work.progress(f"{table} of {lake.root}", place, len(tables))

        def tell(went: Went, table: str = table) -> None:
            _write_down(work, lake, table, went)

        location = lake.location(table)
        fence(location, lake)
        erase_rows(location, wanted, SCHEMAS[table], tell=tell)


def _tables(lake: Lake) -> list[str]:
    return [table for table in reader_tables() if lake.location(table).open() is not None]


def _only(subject: str) -> Blocked:
    return Blocked(hashes={"reader": frozenset({subject})})


def _write_down(work: Erasure, lake: Lake, table: str, went: Went) -> None:
    key = (lake.root, table, went.path)
    if key in work.went:
        return
    work.went[key] = went
    _append(work, ["table", *key, went.rows, went.old])


def _append(work: Erasure, entry: list[object]) -> None:
    with work.journal.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _read_journal(work: Erasure) -> None:
    """What a try that was killed took. A line that it left half written is of a file that is still there."""
    lines = work.journal.read_text(encoding="utf-8").splitlines() if work.journal.exists() else []
    for line in lines:
        try:
            what, *entry = json.loads(line)
        except ValueError:
            continue
        if what == "table":
            root, table, path, rows, old = entry
            work.went[root, table, path] = Went(path=path, rows=rows, old=old)
        else:
            work.scrubbed[entry[1]] = Scrubbed(kind=entry[0], file=entry[1], rows=entry[2])


def _receipt(work: Erasure) -> Receipt:
    scrubbed = work.scrubbed.values()
    return Receipt(
        erasure_id=work.erasure_id,
        subject=work.subject,
        actor=work.actor,
        reason=work.reason,
        begun_at=work.begun_at,
        finished_at=datetime.now(UTC),
        found=bool(work.went or scrubbed),
        complete=not any(one.problem for one in scrubbed),
        tables=tuple(_of_table(work, root, table) for root, table in dict.fromkeys(key[:2] for key in work.went)),
        files=tuple(FileScrubbed(kind=s.kind, file=s.file, rows=s.rows, problem=s.problem) for s in scrubbed),
        models=_models(work),
    ).signed()


def _of_table(work: Erasure, root: str, table: str) -> TableErased:
    mine = [went for key, went in work.went.items() if key[:2] == (root, table)]
    live = [went for went in mine if not went.old]
    rows = sum(went.rows for went in live)
    return TableErased(lake=root, table=table, rows=rows, files=len(mine), old_files=len(mine) - len(live))


def _models(work: Erasure) -> dict[str, int]:
    """The registered versions that were trained on a dataset some of whose rows went, with how many."""
    went = {(table, path): one.rows for (root, table, path), one in work.went.items() if root == work.lake.root}
    if not went:
        return {}
    found: dict[str, int] = {}
    for version in registered_versions(work.environment):
        for dataset in version.datasets.values():
            if dataset.table in reader_tables():
                found[str(version)] = found.get(str(version), 0) + _rows_gone(work.lake, dataset, went)
    return {name: rows for name, rows in found.items() if rows}


def _rows_gone(lake: Lake, dataset: DatasetRef, went: dict[tuple[str, str], int]) -> int:
    try:
        files = reading.files(lake.location(dataset.table), dataset)
    except LakeError:
        return 0
    return sum(went.get((dataset.table, file.path), 0) for file in files)


def _kept(work: Erasure, receipt: Receipt) -> Receipt:
    """The receipt that the lake has: of two erasures at once, that of the first to finish."""
    row = {
        "erasure_id": receipt.erasure_id,
        "subject": receipt.subject,
        "actor": receipt.actor,
        "reason": receipt.reason,
        "at": receipt.finished_at,
        "receipt": receipt.model_dump_json(),
        "digest": receipt.digest,
        "rows": receipt.rows,
        "tables": sorted({table for _, table, _ in work.went}),
        "files": [
            (f"{table}/{path}", w.rows) for (root, table, path), w in work.went.items() if root == work.lake.root
        ],
    }
    source, rows = f"erasure/{receipt.erasure_id}", rows_of("erasures", [row])
    work.lake.append("erasures", rows, pipeline=EVERY, source=source, sequence=0)
    return next(one for one in receipts(work.lake, work.subject) if one.erasure_id == receipt.erasure_id)
