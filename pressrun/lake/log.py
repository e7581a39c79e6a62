"""The log of a table as files: which versions can be named, what each of them needs, and what may go.

Delta names a version by the newest checkpoint at or before it and the commits since; whatever lies between two kept
versions may be missing (Delta protocol, "Delta Log Entries" and "Checkpoints"). Delta's own clean-up only knows an age
and takes everything before it, so it is turned off in `delta.Retention`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow.fs as pafs
import pyarrow.parquet as pq

from pressrun.lake.delta import Location

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\..*parquet")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of the log: its path below the table, its version, when it was written, its size in bytes."""

    path: str
    version: int
    at: datetime
    size: int


@dataclass(frozen=True, kw_only=True)
class Log:
    """The commits and checkpoints that are there, by version; a checkpoint may have several parts."""

    commits: Mapping[int, Entry]
    checkpoints: Mapping[int, tuple[Entry, ...]]

    @property
    def newest(self) -> int:
        return max(self.commits, default=-1)

    @property
    def last_checkpoint(self) -> int:
        """-1 where there is none."""
        return max(self.checkpoints, default=-1)

    def since(self, at: datetime) -> frozenset[int]:
        """The versions that were committed since, and the newest of all."""
        late = [version for version, entry in self.commits.items() if entry.at >= at]
        return frozenset(range(min([*late, self.newest]), self.newest + 1)) & self.commits.keys()

    def needs(self, wanted: Collection[int]) -> frozenset[str]:
        """The paths without which one of the wanted versions could not be named."""
        return frozenset(path for version in wanted for path in self._needs(version))

    def removable(self, wanted: Collection[int]) -> list[Entry]:
        """What none of the wanted versions needs, the oldest first."""
        kept = self.needs({*wanted, self.newest})
        every = [*self.commits.values(), *(part for parts in self.checkpoints.values() for part in parts)]
        return sorted((entry for entry in every if entry.path not in kept), key=lambda entry: entry.version)

    def _needs(self, version: int) -> Iterator[str]:
        known = sorted(self.checkpoints)
        place = bisect_right(known, version)
        base = known[place - 1] if place else 0
        yield from (part.path for part in self.checkpoints.get(base, ()))
        yield from (self.commits[v].path for v in range(base, version + 1) if v in self.commits)


def read_log(location: Location) -> Log:
    """Lists the log; opens nothing."""
    commits: dict[int, Entry] = {}
    checkpoints: dict[int, tuple[Entry, ...]] = {}
    for info in location.filesystem.get_file_info(pafs.FileSelector(LOG, allow_not_found=True)):
        if found := _COMMIT.fullmatch(info.base_name):
            entry = _entry(info, int(found[1]))
            commits[entry.version] = entry
        elif found := _CHECKPOINT.fullmatch(info.base_name):
            entry = _entry(info, int(found[1]))
            checkpoints[entry.version] = (*checkpoints.get(entry.version, ()), entry)
    return Log(commits=commits, checkpoints=checkpoints)


def tombstones(location: Location, log: Log) -> dict[str, int]:
    """The files that were taken out of the table and when (ms since the epoch), as far as the newest version tells."""
    filesystem = location.filesystem
    found: dict[str, int] = {}
    for part in log.checkpoints.get(log.last_checkpoint, ()):
        removed = pq.read_table(part.path, filesystem=filesystem, columns=["remove"])["remove"]
        found |= {row["path"]: row["deletionTimestamp"] or 0 for row in removed.to_pylist() if row and row["path"]}
    for version in sorted(v for v in log.commits if v > log.last_checkpoint):
        rows = (action["remove"] for action in actions(location, log.commits[version]) if "remove" in action)
        found |= {row["path"]: row.get("deletionTimestamp") or 0 for row in rows}
    return found


def actions(location: Location, commit: Entry) -> list[dict[str, Any]]:
    """The actions of one commit."""
    with location.filesystem.open_input_stream(commit.path) as stream:
        return [json.loads(line) for line in stream.read().splitlines() if line.strip()]


def _entry(info: pafs.FileInfo, version: int) -> Entry:
    return Entry(path=f"{LOG}/{info.base_name}", version=version, at=info.mtime, size=info.size or 0)
