"""`Lake`: the tables of one root. See `commit` for what makes a retry safe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pressrun.lake import delta, erased, reading
from pressrun.lake.delta import File, Location, Retention
from pressrun.lake.digest import EMPTY, combined
from pressrun.lake.erased import commit_found, commit_rows
from pressrun.lake.errors import DatasetGoneError, OvertakenError, SameWorkError
from pressrun.lake.manifests import SEEN, Fence, Standing, manifests, result_of, shows, standing, takeable
from pressrun.lake.schema import conform, declared
from pressrun.lake.staging import default_staging, make_staging_folder, staging_folder
from pressrun.lake.tables import HOUSE, SCHEMAS, rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey
from pressrun.lake.writing import Check, Intent, Landed, first_sequence

STREAM = "stream:"
NOT_YET = -1


class Lake:
    """Delta tables under `root`: a folder, `s3://` or `gs://`. What is staged lies in a local folder, by default inside
    a local root, else in the user's cache."""

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
        self._staging = staging or default_staging(self.root)
        self._schemas = schemas
        self.retention = retention or Retention()
        self._bound: dict[str, tuple[str, int]] = {}

    def commit(self, table: str, rows: pa.Table, *, key: StepKey, pipeline: str) -> DatasetRef:
        """Appends `rows` as this step's rows of `table`, once: a retry gets the first commit's dataset back.

        `pipeline`, `step_key` and `written_at` are added here. See `bind` for when the step's rows are replaced.
        Raises SchemaError naming table and column, and ConflictError when other writers keep winning.
        """
        landed = self._write(self._intent(table, key=key), rows, pipeline=pipeline)
        return _dataset(table, landed.version, landed.files, pipeline=pipeline, step_keys=(str(key),))

    def commit_files(self, table: str, files: Sequence[str], *, key: StepKey, pipeline: str) -> DatasetRef:
        """The same for Parquet files that something else (Spark) wrote below the table's own folder.

        They hold the house columns too (`stamps` gives their values). Each is renamed, so that its name carries its
        digest, and is written anew without the rows of erased readers where it holds any. Raises OvertakenError when
        an erasure took such a file.
        """
        location, schema = self.location(table), declared(table, self._schemas)
        stamps = self.stamps(key=key, pipeline=pipeline)
        landed = commit_found(
            self._intent(table, key=key),
            files,
            location=location,
            erased=self.location(erased.TABLE),
            schema=schema,
            retention=self.retention,
            stamps=stamps,
        )
        return _dataset(table, landed.version, landed.files, pipeline=pipeline, step_keys=(str(key),))

    def append(self, table: str, rows: pa.Table, *, pipeline: str, source: str, sequence: int) -> DatasetRef:
        """Appends one segment of a stream; (source, sequence) at or below what is committed is a no-op.

        One writer a source. Returns the source's rows so far; they are visible at once.
        """
        name = STREAM + source
        intent = Intent(table=table, step_key=name, app=name, sequence=sequence, replace=False)
        landed = self._write(intent, rows, pipeline=pipeline)
        return _dataset(table, landed.version, landed.files, pipeline=pipeline, step_keys=(name,))

    def read(
        self,
        dataset: DatasetRef,
        columns: Sequence[str] | None = None,
        *,
        where: pc.Expression | None = None,
        since: datetime | None = None,
    ) -> pa.Table:
        """The dataset's rows at its version: by default the columns that were committed, without the house's own.

        Files from before `since` are left out. Raises DatasetGoneError naming the retention when rows are gone, and
        ErasedError saying how many rows went with erased readers.
        """
        place, schema = self.location(dataset.table), pa.schema([*declared(dataset.table, self._schemas), *HOUSE])
        names = list(columns) if columns is not None else [name for name in schema.names if name not in HOUSE.names]
        try:
            return reading.read(place, dataset, schema=schema, columns=names, where=where, since=since)
        except DatasetGoneError as gone:
            raise erased.told(gone, dataset, place, self.location("erasures")) from gone

    def files(self, dataset: DatasetRef) -> list[str]:
        """The Parquet files that hold the dataset's rows, for Spark. Raises DatasetGoneError."""
        location = self.location(dataset.table)
        return [f"{location.uri}/{file.path}" for file in reading.files_there(location, dataset)]

    def snapshot(
        self, table: str, *, pipeline: str, including: StepKey | None = None, without: StepKey | None = None
    ) -> DatasetRef:
        """Every row that is seen: of the pipeline's finished steps, of streams, of the unfinished step `including`.

        `without` leaves a step's own rows out, so that a step that is done again stands on what it stood on before.
        Data of a step whose batch was refused is not seen. A table that does not exist yet is a dataset of no rows.
        """
        declared(table, self._schemas)
        # Manifests first: what they name is in every later version of the table.
        finished = self._manifests()
        return self._seen(table, finished, pipeline=pipeline, also=str(including), but=str(without))

    def finish(
        self,
        result: StageResult,
        *,
        key: StepKey,
        pipeline: str,
        fingerprint: str,
        basis: str | None = None,
        state: str = SEEN,
        asked: str = "",
        fence: Fence | None = None,
    ) -> StageResult:
        """Commits the manifest that makes the step's rows visible. Idempotent: a generation's first result stands.

        `basis` is what the step was made with, as JSON, for people to read; `state` says what is seen of its rows
        (see `manifests.shows`). Raises OvertakenError and SameWorkError when `fence` does not hold, SupersededError
        when the step is of a later generation by now.
        """
        row = {
            "stage": result.stage,
            "fingerprint": fingerprint,
            "result": result.model_dump_json(),
            "reused_from": result.reused_from,
            "basis": basis,
            "state": state,
            "asked": asked,
        }
        check = self._checked(fence or Fence(), key=key, pipeline=pipeline, fingerprint=fingerprint)
        landed = self._write(self._manifest(key, pipeline), rows_of("steps", [row]), pipeline=pipeline, check=check)
        return result if landed.new else result_of(self.location("steps"), landed.files[0])

    def finished(self, key: StepKey) -> StageResult | None:
        """What the step handed on, if it has finished."""
        return self.standing(key).result

    def standing(self, key: StepKey) -> Standing:
        """Where the step stands."""
        return standing(self.location("steps"), str(key))

    def withdraw(self, key: StepKey, *, pipeline: str, generation: int) -> None:
        """Takes the manifest of the generation before back: until it is done again, the step is not finished."""
        name = str(key)
        intent = Intent(
            table="steps", step_key=name, app=name, sequence=first_sequence(generation) - 1, queue=queue_of(pipeline)
        )
        self._write(intent, rows_of("steps", []), pipeline=pipeline)

    def reusable(self, fingerprint: str) -> StageResult | None:
        """The newest finished step with this fingerprint that no verdict stopped and whose data can still be read."""
        for _, result in takeable(self.location("steps"), self._manifests(), fingerprint):
            if all(self.intact(dataset) for dataset in result.datasets.values()):
                return result
        return None

    def intact(self, dataset: DatasetRef) -> bool:
        """Whether every row of the dataset can still be read."""
        return reading.intact(self.location(dataset.table), dataset)

    def alike(self, fingerprint: str) -> frozenset[str]:
        """The keys of the finished steps with this fingerprint."""
        return frozenset(file.step_key for file in self._manifests() if file.fingerprint == fingerprint)

    def results(self, pipeline: str) -> list[StageResult]:
        """What the pipeline's finished steps handed on, the newest first."""
        rows = self.read(self.snapshot("steps", pipeline=pipeline), ["result", "written_at"]).to_pylist()
        ordered = sorted(rows, key=lambda row: row["written_at"], reverse=True)
        return [StageResult.model_validate_json(row["result"]) for row in ordered]

    def staging(self, key: StepKey | str, name: str) -> Path:
        """A local folder that survives retries of this step, for what was paid for before it could be committed."""
        return make_staging_folder(self._staging, str(key), name)

    def is_staging(self, key: StepKey | str, name: str) -> bool:
        """Whether that folder has been asked for."""
        return staging_folder(self._staging, str(key), name).is_dir()

    def bind(self, key: StepKey, made_from: str, *, generation: int = 0) -> None:
        """From here on the step's commits are of this generation and made from this.

        Rows of an earlier generation are replaced, and so are those that a try of this one, which did not finish, made
        from something else: without it a step whose code was mended would go on with the rows of the broken code.
        """
        if generation < 0:
            raise ValueError(f"generation must be 0 or more, given {generation}")
        self._bound[str(key)] = (made_from, generation)

    def generation(self, key: StepKey) -> int:
        """The generation that the step's commits are bound to."""
        return self._bound.get(str(key), ("", 0))[1]

    def stamps(self, *, key: StepKey, pipeline: str) -> dict[str, str | datetime]:
        """The values of the house columns for this step's rows."""
        return {"pipeline": pipeline, "step_key": str(key), "written_at": datetime.now(UTC)}

    def _intent(self, table: str, *, key: StepKey) -> Intent:
        name = str(key)
        made_from, generation = self._bound.get(name, ("", 0))
        sequence = first_sequence(generation)
        return Intent(table=table, step_key=name, app=name, sequence=sequence, fingerprint=made_from)

    def _manifest(self, key: StepKey, pipeline: str) -> Intent:
        return replace(self._intent("steps", key=key), fingerprint="", queue=queue_of(pipeline))

    def _write(self, intent: Intent, rows: pa.Table, *, pipeline: str, check: Check = lambda table: None) -> Landed:
        location, schema = self.location(intent.table), declared(intent.table, self._schemas)
        return commit_rows(
            intent,
            conform(intent.table, rows, schema),
            location=location,
            erased=self.location(erased.TABLE),
            schema=schema,
            retention=self.retention,
            pipeline=pipeline,
            check=check,
        )

    def _checked(self, fence: Fence, *, key: StepKey, pipeline: str, fingerprint: str) -> Check:
        def check(steps: DeltaTable) -> None:
            finished = manifests(steps)
            if fence.alike is not None:
                others = [file for file in finished if file.step_key not in {*fence.alike, str(key)}]
                for _, result in takeable(self.location("steps"), others, fingerprint)[:1]:
                    raise SameWorkError(result)
            for dataset in fence.whole:
                now = self._seen(dataset.table, finished, pipeline=pipeline, but=str(key))
                if (now.step_keys, now.digest) != (dataset.step_keys, dataset.digest):
                    raise OvertakenError(f"{key} stood on all of {dataset}, and there is {now} by now")

        return check

    def _seen(
        self, table: str, finished: Iterable[File], *, pipeline: str, also: str = "", but: str = ""
    ) -> DatasetRef:
        seen = ({file.step_key for file in finished if shows(file, table)} | {also}) - {but}
        present = self.location(table).open()
        if present is None:
            return _dataset(table, NOT_YET, (), pipeline=pipeline, step_keys=())
        mine = [f for f in delta.files_of(present) if f.pipeline == pipeline]
        visible = [f for f in mine if f.step_key in seen or f.step_key.startswith(STREAM)]
        keys = tuple(sorted({f.step_key for f in visible}))
        return _dataset(table, present.version(), visible, pipeline=pipeline, step_keys=keys)

    def _manifests(self) -> list[File]:
        return manifests(self.location("steps").open())

    def location(self, table: str) -> Location:
        """Where the table is, for what keeps it."""
        return Location(uri=f"{self.root}/{table}", storage_options=self.storage_options)


def queue_of(pipeline: str) -> str:
    """The queue of a pipeline's manifests: each is committed in sight of those before it."""
    return f"manifests of {pipeline}"


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
