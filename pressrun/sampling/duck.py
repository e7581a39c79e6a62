"""DuckDB, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from pressrun.lake.lake import Lake
from pressrun.lake.tables import SCHEMAS
from pressrun.lake.types import DatasetRef
from pressrun.sampling.functions import ArrowFunction
from pressrun.sampling.groups import near_duplicates
from pressrun.step import Step

_BATCH = 1024


class DuckEngine:
    """The engine of one process; what it holds is Arrow."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
        self._connection, self._lake = connection, lake

    def load(self, view: str, dataset: DatasetRef, columns: Sequence[str]) -> None:
        self.put(view, self._lake.read(dataset, columns=columns))

    def put(self, view: str, rows: pa.Table) -> None:
        self._connection.register(view, rows)

    def define(self, view: str, sql: str) -> None:
        self.put(view, self.fetch(sql))

    def apply(self, view: str, function: ArrowFunction, sql: str) -> None:
        batches = function.apply(self.fetch(sql).to_batches(max_chunksize=_BATCH))
        self.put(view, pa.Table.from_batches(batches, schema=function.schema))

    def fetch(self, sql: str) -> pa.Table:
        return self._connection.sql(sql).to_arrow_table()

    def near_duplicates(self, view: str, threshold: float) -> pa.Table:
        return near_duplicates(self.fetch(f"SELECT article_id, title, body FROM {view}"), threshold)

    def commit(self, table: str, sql: str, *, step: Step) -> DatasetRef:
        rows = self.fetch(sql).select(SCHEMAS[table].names)
        return self._lake.commit(table, rows, key=step.key, pipeline=step.pipeline.model)


@contextmanager
def duck_engine(step: Step) -> Iterator[DuckEngine]:
    """A database in memory that reads no file and no network by itself."""
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        yield DuckEngine(connection, step.lake)
