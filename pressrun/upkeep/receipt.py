"""The receipt of an erasure: what went from where, signed by its own digest, and never who it was."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class TableErased(BaseModel):
    """What went from one table of one lake: rows of its newest version, and how many files in all, old ones too."""

    model_config = ConfigDict(frozen=True)

    lake: str
    table: str
    rows: int
    files: int
    old_files: int


class FileScrubbed(BaseModel):
    """What went from one file outside the lake; `problem` says why something of it may be left."""

    model_config = ConfigDict(frozen=True)

    kind: str
    file: str
    rows: int
    problem: str = ""


class Receipt(BaseModel):
    """`subject` is a hash of the reader's pseudonym, which is a hash by a key that this site alone has.

    `models`: of how many of the rows each registered version's training datasets stood on. `complete`: nothing is left
    that was found; what is left is named in `files`.
    """

    model_config = ConfigDict(frozen=True)

    erasure_id: str
    subject: str
    actor: str
    reason: str
    begun_at: datetime
    finished_at: datetime
    found: bool
    complete: bool
    tables: tuple[TableErased, ...] = ()
    files: tuple[FileScrubbed, ...] = ()
    models: dict[str, int] = Field(default_factory=dict)
    digest: str = ""

    @property
    def rows(self) -> int:
        """Of the tables and files together."""
        return sum(one.rows for one in self.tables) + sum(one.rows for one in self.files)

    def signed(self) -> Receipt:
        """The same with the digest of all else in it."""
        return self.model_copy(update={"digest": self._digest()})

    def is_genuine(self) -> bool:
        """Whether nobody has changed it since it was signed, as far as its digest in table `erasures` is the same."""
        return self.digest == self._digest()

    def _digest(self) -> str:
        plain = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def keep_receipt(folder: Path, receipt: Receipt) -> Path:
    """Writes it, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{receipt.erasure_id}.json"
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(receipt.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(new, file)
    return file
