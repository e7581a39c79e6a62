"""Spark: plain Parquet in, plain Parquet out; the lake commits what it wrote.

Spark's own Delta writer has no safe commit for several writers on S3, and a job on plain Parquet runs on any Spark. One
that runs in this very process needs no connector for the lake's bucket either: files are brought to a scratch folder,
and what it wrote there is the lake's to write. A cluster reaches the bucket itself, by its platform's connector.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from pressrun.config.environment import Spark
from pressrun.java import NoJavaError, find_java
from pressrun.lake.lake import Lake
from pressrun.lake.stores import in_bucket
from pressrun.lake.tables import SCHEMAS
from pressrun.lake.types import DatasetRef
from pressrun.sampling import queries
from pressrun.sampling.functions import ArrowFunction, bucket_articles, verify_pairs
from pressrun.sampling.groups import group, near_duplicates
from pressrun.step import Step

_BATCH = 1024
_CONF = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Tens of thousands of articles: more partitions cost more than they save.
    "spark.sql.shuffle.partitions": "4",
    "spark.default.parallelism": "2",
    "spark.sql.session.timeZone": "UTC",
    # Its default, INT96, has no time zone.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(_BATCH),
}


FEW_CHARACTERS = 1 << 26
"""Up to so much text in all articles, functions are applied in this process: Spark's workers take longer to start."""


class SparkEngine:
    """The engine of a Spark session; `scratch` is where files of a lake in a bucket are brought, if they must be."""

    def __init__(self, session: Any, lake: Lake, scratch: Path) -> None:
        self._session, self._lake, self._scratch = session, lake, scratch
        self._few = False
        self._brings = in_bucket(lake.root) and str(session.sparkContext.master).startswith("local")

    def load(self, view: str, dataset: DatasetRef, columns: Sequence[str]) -> None:
        files = self._brought(dataset) if self._brings else [_hadoop(file) for file in self._lake.files(dataset)]
        if not files:
            return self.put(view, SCHEMAS[dataset.table].empty_table().select(list(columns)))
        rows = self._session.read.schema(_ddl(dataset.table, columns)).parquet(*files)
        return self._keep(view, rows)

    def put(self, view: str, rows: pa.Table) -> None:
        self._keep(view, self._session.createDataFrame(rows))

    def define(self, view: str, sql: str) -> None:
        self._keep(view, self._session.sql(sql))

    def apply(self, view: str, function: ArrowFunction, sql: str) -> None:
        if self._few:
            batches = self.fetch(sql).to_batches(max_chunksize=_BATCH)
            return self.put(view, pa.Table.from_batches(function.apply(batches), schema=function.schema))
        return self._keep(view, self._session.sql(sql).mapInArrow(function.apply, function.ddl))

    def fetch(self, sql: str) -> pa.Table:
        return self._session.sql(sql).toArrow()

    def near_duplicates(self, view: str, threshold: float) -> pa.Table:
        rows = f"SELECT article_id, title, body FROM {view}"
        self._few = self._characters(view) <= FEW_CHARACTERS
        if self._few:
            return near_duplicates(self.fetch(rows), threshold)
        self.apply("buckets", bucket_articles(threshold), rows)
        self.apply("pairs", verify_pairs(threshold), queries.candidates(view))
        return group(self.fetch(f"SELECT article_id FROM {view}")["article_id"], self.fetch("SELECT * FROM pairs"))

    def _characters(self, view: str) -> int:
        text = "COALESCE(title, '') || COALESCE(body, '')"
        sized = f"SELECT CAST(SUM(LENGTH({text})) AS BIGINT) AS characters FROM {view}"
        return self.fetch(sized)["characters"][0].as_py() or 0

    def commit(self, table: str, sql: str, *, step: Step) -> DatasetRef:
        rows = self._session.sql(sql).select(*SCHEMAS[table].names)
        return (self._handed_over if self._brings else self._written)(table, rows, step)

    def _written(self, table: str, rows: Any, step: Step) -> DatasetRef:
        model, location, folder = step.pipeline.model, self._lake.location(table), f"spark-{uuid4().hex}"
        for name, value in self._lake.stamps(key=step.key, pipeline=model).items():
            rows = rows.withColumn(name, sf.lit(value))
        rows.coalesce(1).write.parquet(_hadoop(f"{location.uri}/{folder}"))
        filesystem = location.filesystem
        found = (info.path for info in filesystem.get_file_info(pafs.FileSelector(folder)))
        written = [path for path in found if path.endswith(".parquet")]
        some = [path for path in written if pq.read_metadata(path, filesystem=filesystem).num_rows]
        files = [f"{location.uri}/{path}" for path in some]
        committed = self._lake.commit_files(table, files, key=step.key, pipeline=model)
        filesystem.delete_dir(folder)
        return committed

    def _handed_over(self, table: str, rows: Any, step: Step) -> DatasetRef:
        folder = self._scratch / uuid4().hex
        rows.write.parquet(str(folder))
        return self._lake.commit(table, pq.read_table(folder), key=step.key, pipeline=step.pipeline.model)

    def _brought(self, dataset: DatasetRef) -> list[str]:
        location, folder = self._lake.location(dataset.table), self._scratch / uuid4().hex
        folder.mkdir()
        files = [file.removeprefix(f"{location.uri}/") for file in self._lake.files(dataset)]
        here = [str(folder / f"{number}.parquet") for number in range(len(files))]
        for there, path in zip(files, here, strict=True):
            pafs.copy_files(there, path, location.filesystem, pafs.LocalFileSystem())
        return here

    def _keep(self, view: str, rows: Any) -> None:
        rows.persist().createOrReplaceTempView(view)


@contextmanager
def spark_engine(step: Step) -> Iterator[SparkEngine]:
    """A session by environment.spark, stopped afterwards; one that already runs in this process is used and left.

    Raises NoJavaError when there is no Java that Spark can use.
    """
    running = SparkSession.getActiveSession()
    session = running or start_session(step.environment.spark)
    try:
        with TemporaryDirectory(prefix="pressrun-spark-") as scratch:
            yield SparkEngine(session, step.lake, Path(scratch))
    finally:
        session.catalog.clearCache()
        if running is None:
            session.stop()


def start_session(spark: Spark) -> Any:
    """A Spark session that listens on nothing but this machine's loopback."""
    java = find_java()
    if java is None:
        raise NoJavaError(
            "sample.engine is spark, and no Java 17 or later with the module jdk.incubator.vector was found. Set "
            "JAVA_HOME to one, install one (Debian: apt-get install openjdk-17-jre-headless), or set spark.engine to "
            "duckdb in the environment"
        )
    os.environ["JAVA_HOME"] = str(java.home)
    # Workers must be this interpreter, and the driver's address must not be looked up.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.appName("pressrun sample").master(spark.master)
    for key, value in (_CONF | {"spark.driver.memory": spark.driver_memory} | spark.conf).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _ddl(table: str, columns: Sequence[str]) -> str:
    if any(SCHEMAS[table].field(name).type != pa.string() for name in columns):
        raise TypeError(f"only text columns are read here, of {table} these were asked for: {', '.join(columns)}")
    return ", ".join(f"{name} string" for name in columns)


def _hadoop(uri: str) -> str:
    """The lake's address as Hadoop's file systems call it."""
    return re.sub(r"^s3://", "s3a://", uri)
