"""`Lake`: the tables of one root. See `commit` for what makes a retry safe."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pressrun.lake import delta, reading
from pressrun.lake.delta import File, Location, Retention
from pressrun.lake.digest import EMPTY, combined, content_digest
from pressrun.lake.schema import conform, declared
from pressrun.lake.tables import HOUSE, SCHEMAS, rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey
from pressrun.lake.writing import Intent, Landed, commit_once

_STREAM = "stream:"
NOT_YET = -1


class Lake:
    """Delta tables under `root`: a folder, `s3://` or `gs://`.

    `staging` is the local folder of `Lake.staging`; by default inside a local root, else in the user's cache.
    """

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        staging: Path | None = None,
        schemas: Mapping[str, pa.Schema] = SCHEMAS,
        retention: Retention | None = None,
    ) -> None:
        self.root = root.rstrip("/") if "://" in root else str(Path(root).expanduser().resolve())
        self.storage_options = dict(storage_options or {})
        self._staging = staging or _default_staging(self.root)
        self._schemas = schemas
        self._retention = retention or Retention()
        self._fingerprints: dict[str, str] = {}

    def commit(self, table: str, rows: pa.Table, *, key: StepKey, pipeline: str, generation: int = 0) -> DatasetRef:
        """Appends `rows` as this step's rows of `table`, once: a retry gets the first commit's dataset back.

        `pipeline`, `step_key` and `written_at` are added here. A higher `generation` replaces the step's rows.
        Raises SchemaError naming table and column, and ConflictError when other writers keep winning.
        """
        landed = self._write(self._intent(table, key=key, generation=generation), rows, pipeline=pipeline)
        return _dataset(table, landed.version, landed.files, pipeline=pipeline, step_keys=(str(key),))

    def commit_files(
        self, table: str, files: Sequence[str], *, key: StepKey, pipeline: str, generation: int = 0
    ) -> DatasetRef:
        """The same for Parquet files that something else (Spark) wrote below the table's own folder.

        They hold the house columns too (`stamps` gives their values). Each is renamed, so that its name carries its
        digest.
        """
        location, schema = self._location(table), declared(table, self._schemas)
        stamps = self.stamps(key=key, pipeline=pipeline)
        intent = self._intent(table, key=key, generation=generation)
        landed = commit_once(
            intent,
            location=location,
            schema=schema,
            retention=self._retention,
            write=lambda: [delta.adopt(location, path, table=table, schema=schema, stamps=stamps) for path in files],
        )
        return _dataset(table, landed.version, landed.files, pipeline=pipeline, step_keys=(str(key),))

    def append(self, table: str, rows: pa.Table, *, pipeline: str, source: str, sequence: int) -> DatasetRef:
        """Appends one segment of a stream; (source, sequence) at or below what is committed is a no-op.

        One writer a source. Returns the source's rows so far; they are visible at once.
        """
        name = _STREAM + source
        intent = Intent(table=table, step_key=name, app=name, sequence=sequence, replace=False)
        landed = self._write(intent, rows, pipeline=pipeline)
        return _dataset(table, landed.version, landed.files, pipeline=pipeline, step_keys=(name,))

    def read(
        self, dataset: DatasetRef, columns: Sequence[str] | None = None, *, where: pc.Expression | None = None
    ) -> pa.Table:
        """The dataset's rows at its version: by default the columns that were committed, without the house's own.

        Raises DatasetGoneError naming the retention when the version or a file of it is gone.
        """
        schema = pa.schema([*declared(dataset.table, self._schemas), *HOUSE])
        names = list(columns) if columns is not None else [name for name in schema.names if name not in HOUSE.names]
        return reading.read(self._location(dataset.table), dataset, schema=schema, columns=names, where=where)

    def files(self, dataset: DatasetRef) -> list[str]:
        """The Parquet files that hold the dataset's rows, for Spark. Raises DatasetGoneError."""
        location = self._location(dataset.table)
        return [f"{location.uri}/{file.path}" for file in reading.files(location, dataset)]

    def snapshot(self, table: str, *, pipeline: str, including: StepKey | None = None) -> DatasetRef:
        """Every row of the pipeline's finished steps (and streams), and of the unfinished step `including`.

        A table that does not exist yet is a dataset of no rows.
        """
        declared(table, self._schemas)
        # Manifests first: what they name is in every later version of the table.
        seen = {f.step_key for f in self._manifests()} | {str(including)}
        present = self._location(table).open()
        if present is None:
            return _dataset(table, NOT_YET, (), pipeline=pipeline, step_keys=())
        mine = [f for f in delta.files_of(present) if f.pipeline == pipeline]
        visible = [f for f in mine if f.step_key in seen or f.step_key.startswith(_STREAM)]
        keys = tuple(sorted({f.step_key for f in visible}))
        return _dataset(table, present.version(), visible, pipeline=pipeline, step_keys=keys)

    def finish(
        self, result: StageResult, *, key: StepKey, pipeline: str, fingerprint: str, basis: str | None = None
    ) -> StageResult:
        """Commits the manifest that makes the step's rows visible. Idempotent: the first result stands.

        `basis` is what the step was made with, as JSON, for people to read.
        """
        row = {
            "stage": result.stage,
            "fingerprint": fingerprint,
            "result": result.model_dump_json(),
            "reused_from": result.reused_from,
            "basis": basis,
        }
        intent = Intent(table="steps", step_key=str(key), app=str(key), sequence=0)
        landed = self._write(intent, rows_of("steps", [row]), pipeline=pipeline)
        return result if landed.new else self._result(landed.files[0])

    def finished(self, key: StepKey) -> StageResult | None:
        """What the step handed on, if it has finished."""
        found = [file for file in self._manifests() if file.step_key == str(key)]
        return self._result(found[0]) if found else None

    def reusable(self, fingerprint: str) -> StageResult | None:
        """The newest finished step with this fingerprint whose data can still be read."""
        found = [file for file in self._manifests() if file.fingerprint == fingerprint]
        for file in sorted(found, key=lambda file: file.written, reverse=True):
            result = self._result(file)
            if all(reading.intact(self._location(d.table), d) for d in result.datasets.values()):
                return result
        return None

    def staging(self, key: StepKey, name: str) -> Path:
        """A local folder that survives retries of this step, for what was paid for before it could be committed."""
        if not re.fullmatch(r"[\w.-]+", name) or name in {".", ".."}:
            raise ValueError(f"{name!r} cannot name a staging folder; use letters, digits, '-', '_' and '.'")
        folder = self._staging / _slug(str(key)) / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def bind(self, key: StepKey, fingerprint: str) -> None:
        """From here on, rows that an earlier, unfinished try of this step made with other inputs or code are replaced.

        Without it a step whose code was mended would go on with the rows of the broken code.
        """
        self._fingerprints[str(key)] = fingerprint

    def stamps(self, *, key: StepKey, pipeline: str) -> dict[str, str | datetime]:
        """The values of the house columns for this step's rows."""
        return {"pipeline": pipeline, "step_key": str(key), "written_at": datetime.now(UTC)}

    def _intent(self, table: str, *, key: StepKey, generation: int) -> Intent:
        if generation < 0:
            raise ValueError(f"generation must be 0 or more, given {generation}")
        name = str(key)
        fingerprint = self._fingerprints.get(name, "")
        return Intent(table=table, step_key=name, app=name, sequence=generation, fingerprint=fingerprint)

    def _write(self, intent: Intent, rows: pa.Table, *, pipeline: str) -> Landed:
        location, schema = self._location(intent.table), declared(intent.table, self._schemas)
        fitting = conform(intent.table, rows, schema)
        return commit_once(
            intent,
            location=location,
            schema=schema,
            retention=self._retention,
            write=_writer(location, fitting, pipeline=pipeline, step_key=intent.step_key),
        )

    def _manifests(self) -> list[File]:
        steps = self._location("steps").open()
        return delta.files_of(steps) if steps else []

    def _result(self, manifest: File) -> StageResult:
        rows = delta.read_file(self._location("steps"), manifest, columns=["result"])
        return StageResult.model_validate_json(rows["result"][0].as_py())

    def _location(self, table: str) -> Location:
        return Location(uri=f"{self.root}/{table}", storage_options=self.storage_options)


def _writer(location: Location, rows: pa.Table, *, pipeline: str, step_key: str) -> Callable[[], list[File]]:
    def write() -> list[File]:
        if not rows.num_rows:
            return []
        values = (pipeline, step_key, datetime.now(UTC))
        house = [pa.repeat(pa.scalar(v, f.type), rows.num_rows) for v, f in zip(values, HOUSE, strict=True)]
        stamped = pa.table([*house, *rows.columns], schema=pa.schema([*HOUSE, *rows.schema]))
        return [delta.write_file(location, stamped, content_digest(rows))]

    return write


def _dataset(
    table: str, version: int, files: Iterable[File], *, pipeline: str, step_keys: tuple[str, ...]
) -> DatasetRef:
    parts = list(files)
    return DatasetRef(
        table=table,
        version=version,
        pipeline=pipeline,
        step_keys=step_keys,
        rows=sum(file.rows for file in parts),
        digest=combined(file.digest for file in parts) if parts else EMPTY,
    )


def _default_staging(root: str) -> Path:
    if "://" in root:
        return Path("~/.cache/pressrun/staging").expanduser() / _slug(root)
    return Path(root) / ".staging"


def _slug(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[-60:]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
