"""`Lake`: the tables of one root. See `commit` for what makes a retry safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from pressrun.lake.types import DatasetRef, StageResult, StepKey


class Lake:
    """Delta tables under `root`: a folder, `s3://` or `gs://`."""

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.root = root.rstrip("/")
        self.storage_options = dict(storage_options or {})

    def commit(
        self, table: str, rows: pa.Table, *, key: StepKey, pipeline: str, generation: int = 0
    ) -> DatasetRef:
        """Appends `rows` as this step's rows of `table`, once: a retry gets the first commit's dataset back.

        `pipeline`, `step_key` and `written_at` are added here. A higher `generation` replaces the step's rows.
        """
        raise NotImplementedError

    def commit_files(
        self, table: str, files: Sequence[str], *, key: StepKey, pipeline: str, generation: int = 0
    ) -> DatasetRef:
        """The same for Parquet files that something else (Spark) wrote below the table's own folder."""
        raise NotImplementedError

    def append(self, table: str, rows: pa.Table, *, pipeline: str, source: str, sequence: int) -> DatasetRef:
        """Appends one segment of a stream; (source, sequence) at or below what is committed is a no-op."""
        raise NotImplementedError

    def read(self, dataset: DatasetRef, columns: Sequence[str] | None = None) -> pa.Table:
        """The dataset's rows at its version. Raises DatasetGoneError naming the retention when that is gone."""
        raise NotImplementedError

    def files(self, dataset: DatasetRef) -> list[str]:
        """The Parquet files that hold the dataset's rows (and perhaps others'), for Spark."""
        raise NotImplementedError

    def snapshot(self, table: str, *, pipeline: str, including: StepKey | None = None) -> DatasetRef:
        """Every row of the pipeline's finished steps (and streams), and of the unfinished step `including`."""
        raise NotImplementedError

    def finish(self, result: StageResult, *, key: StepKey, pipeline: str, fingerprint: str) -> StageResult:
        """Commits the manifest that makes the step's rows visible. Idempotent."""
        raise NotImplementedError

    def finished(self, key: StepKey) -> StageResult | None:
        """What the step handed on, if it has finished."""
        raise NotImplementedError

    def reusable(self, fingerprint: str) -> StageResult | None:
        """The newest finished step with this fingerprint whose data can still be read."""
        raise NotImplementedError

    def staging(self, key: StepKey, name: str) -> Path:
        """A local folder that survives retries of this step, for what was paid for before it could be committed."""
        raise NotImplementedError
