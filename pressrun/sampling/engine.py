"""What runs the sample's SQL and Arrow functions: one protocol, an adapter an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa

from pressrun.compute.elsewhere import demand_platform
from pressrun.lake.types import DatasetRef
from pressrun.sampling.functions import ArrowFunction
from pressrun.step import Step


class Engine(Protocol):
    """Views by name over datasets, Arrow tables, queries and Arrow functions. A view is computed at most once."""

    def load(self, view: str, dataset: DatasetRef, columns: Sequence[str]) -> None:
        """The dataset's rows."""

    def put(self, view: str, rows: pa.Table) -> None:
        """A small table."""

    def define(self, view: str, sql: str) -> None:
        """The rows of a query."""

    def apply(self, view: str, function: ArrowFunction, sql: str) -> None:
        """The function's rows over those of a query."""

    def fetch(self, sql: str) -> pa.Table:
        """A query's rows, here."""
        ...

    def near_duplicates(self, view: str, threshold: float) -> pa.Table:
        """The group of each article of a view (article_id, title, body), which differ in article_id, as GROUPS."""
        ...

    def commit(self, table: str, sql: str, *, step: Step) -> DatasetRef:
        """A query's rows as the step's rows of the lake's table."""
        ...


@contextmanager
def open_engine(step: Step) -> Iterator[Engine]:
    """The engine that sample.engine names, else the environment's. Each is imported only when it is used.

    Raises NeedsPlatform where Spark jobs of the environment run elsewhere.
    """
    if engine_name(step) == "spark":
        demand_platform(step.environment)
        from pressrun.sampling.spark import spark_engine

        with spark_engine(step) as engine:
            yield engine
    else:
        from pressrun.sampling.duck import duck_engine

        with duck_engine(step) as engine:
            yield engine


def engine_name(step: Step) -> str:
    return step.pipeline.sample.engine or step.environment.spark.engine
