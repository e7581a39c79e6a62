"""What a mirror is asked for, and what one run of it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pressrun.lake.delta import File
from pressrun.lake.types import DatasetRef


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is mirrored: by default every finished step and stream; of one pipeline, of some tables, of some steps.

    Manifests always come along, and so does the block list of erased readers.
    """

    pipeline: str | None = None
    tables: tuple[str, ...] = ()
    step_keys: tuple[str, ...] | None = None

    @classmethod
    def of(cls, dataset: DatasetRef) -> Selection:
        """The steps that a dataset is made of."""
        return cls(pipeline=dataset.pipeline, tables=(dataset.table,), step_keys=dataset.step_keys)

    def has(self, file: File) -> bool:
        wanted = self.step_keys is None or file.step_key in self.step_keys
        return wanted and self.pipeline in (None, file.pipeline)


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """What one run did, by table: steps brought up to date, files and bytes sent.

    `held` are steps that changed, or were being erased from, while they were copied: the next run brings them.
    `partial` are steps of which tables that were not asked for are missing or out of date at the far side.
    """

    steps: Mapping[str, int] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    held: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
