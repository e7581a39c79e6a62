"""DuckDB and Spark draw the very same rows, from a lake in a folder or in a bucket that Spark has no connector for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal
from unittest.mock import MagicMock

import pytest

from pressrun.java import find_java
from pressrun.lake import Lake
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.sampling import sample, spark
from pressrun.step import Step
from tests.lake.places import PLACES, lake_in

MakeStep = Callable[..., Step]


@pytest.fixture(params=PLACES)
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return lake_in(request.param, tmp_path)


@pytest.mark.spark
@pytest.mark.timeout(300)
@pytest.mark.skipif(find_java() is None, reason="Spark needs Java 17 or later")
def test_both_engines_draw_the_same_rows(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    compare(make_step, ingested, lake)


@pytest.mark.spark
@pytest.mark.timeout(300)
@pytest.mark.skipif(find_java() is None, reason="Spark needs Java 17 or later")
@pytest.mark.parametrize("lake", ["folder"], indirect=True)
def test_so_they_do_where_there_is_too_much_text_for_one_process(
    make_step: MakeStep, ingested: StageResult, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "FEW_CHARACTERS", 0)
    compare(make_step, ingested, lake)


def compare(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    one, other = (drawn(make_step, ingested, lake, engine) for engine in ("duckdb", "spark"))
    assert one == other
    assert len(one["samples"]) == 60


def drawn(
    make_step: MakeStep, ingested: StageResult, lake: Lake, engine: Literal["duckdb", "spark"]
) -> dict[str, list[dict[str, object]]]:
    # One step, done again by the other engine: another step would draw none of its articles.
    result = sample(replace(make_step("night-1", "sample", engine=engine), asked=engine), ingested)
    assert result.facts["engine"] == engine
    tables = {name: lake.read(dataset) for name, dataset in result.datasets.items()}
    return {name: sorted(rows.to_pylist(), key=lambda row: row["article_id"]) for name, rows in tables.items()}


@pytest.mark.parametrize(("root", "scheme"), [("s3://news/lake", "s3a://news/lake/"), ("gs://news/lake", None)])
def test_a_cluster_reads_the_bucket_itself_by_its_platforms_connector(
    root: str, scheme: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pressrun.sampling.spark import SparkEngine

    lake, session = Lake(root), MagicMock()
    session.sparkContext.master = "k8s://https://cluster"
    monkeypatch.setattr(Lake, "files", lambda self, dataset: [f"{root}/articles/part-1.parquet"])
    articles = DatasetRef(table="articles", version=1, pipeline="topics", step_keys=("k",), rows=1, digest="0" * 64)
    SparkEngine(session, lake, tmp_path).load("articles", articles, ["article_id"])
    (asked,) = session.read.schema.return_value.parquet.call_args.args
    assert asked == f"{scheme or root + '/'}articles/part-1.parquet"
