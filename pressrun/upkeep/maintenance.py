"""The maintenance of a lake: every table of it, so that it stays small and every model's lineage stays readable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pressrun.config.environment import Environment
from pressrun.lake.retention import GRACE, Keeping, Pins, TableKept, keep_table
from pressrun.lake.tables import SCHEMAS
from pressrun.progress import Progress, silent
from pressrun.step import open_lake
from pressrun.upkeep.needs import needs, pins_of
from pressrun.upkeep.sweep import sweep


@dataclass(frozen=True, kw_only=True)
class Maintained:
    """What became of each table that there is; `swept` rows had come in again of readers who were erased."""

    tables: Sequence[TableKept] = field(default_factory=list)
    dry_run: bool = False
    swept: int = 0

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(kept.freed for kept in self.tables)

    @property
    def kept_for(self) -> dict[str, int]:
        """How many versions are kept for whom alone."""
        return _counted(kept.pinned for kept in self.tables)

    @property
    def lost(self) -> dict[str, int]:
        """Of how many versions that somebody needs the log says nothing any more."""
        return _counted(kept.lost for kept in self.tables)


def maintain(
    environment: Environment,
    *,
    dry_run: bool = False,
    grace: timedelta = GRACE,
    progress: Progress = silent,
    now: datetime | None = None,
) -> Maintained:
    """Compacts, checkpoints and cleans every table of the environment's lake. Safe to repeat, and two at once.

    Raises RegistryError where MLflow does not say which models are registered: then nothing is touched.
    """
    at, lake = now or datetime.now(UTC), open_lake(environment)
    progress("asking who needs what")
    pins = pins_of(needs(environment, at))
    progress("looking for what has come of erased readers")
    swept = sweep(environment, lake, change=not dry_run)
    keeping = Keeping(retention=lake.retention, grace=grace, dry_run=dry_run)
    done = []
    for place, (table, schema) in enumerate(sorted(SCHEMAS.items())):
        progress(table, place, len(SCHEMAS))
        location = lake.location(table)
        if location.open() is not None:
            mine = pins.get(table, {})
            done.append(keep_table(location, table, schema=schema, pins=mine, keeping=keeping, now=at))
    progress("done", len(SCHEMAS), len(SCHEMAS))
    return Maintained(tables=done, dry_run=dry_run, swept=swept)


def in_words(done: Maintained) -> list[str]:
    """A line a table with anything to tell, then who needs what was kept, then the sum."""
    would = "would be " if done.dry_run else ""
    lines = [line for kept in done.tables if (line := _line(kept, would))]
    lines += [f"kept for {who}: {count} versions" for who, count in done.kept_for.items()]
    lines += [f"LOST to {who}: {count} versions are not in the log any more" for who, count in done.lost.items()]
    if done.swept:
        lines.append(f"{done.swept} rows had come in of erased readers and {'would be' if would else 'are'} taken out")
    return [*lines, f"{len(done.tables)} tables, {done.freed / 1e6:,.1f} MB {would}freed"]


def _line(kept: TableKept, would: str) -> str:
    parts = []
    if kept.compacted.before:
        parts.append(f"{kept.compacted.before} small files {would}made {kept.compacted.after}")
    if kept.deleted:
        parts.append(f"{kept.deleted} old files {would}deleted")
    if kept.log_before != kept.log_after:
        parts.append(f"log {kept.log_before} → {kept.log_after} entries")
    if kept.compacted.left:
        parts.append(f"{kept.compacted.left} files left alone: a writer was faster")
    head = f"{kept.table}: {kept.files_before} → {kept.files_after} files"
    return f"{head}, {'; '.join(parts)}" if parts else ""


def _counted(pins: Iterable[Pins]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for versions in pins:
        for who in versions.values():
            for name in who:
                counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
