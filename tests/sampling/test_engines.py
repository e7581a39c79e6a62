"""DuckDB and Spark draw the very same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import pytest

from pressrun.java import find_java
from pressrun.lake import Lake
from pressrun.lake.types import StageResult
from pressrun.sampling import sample
from pressrun.step import Step

MakeStep = Callable[..., Step]


@pytest.mark.spark
@pytest.mark.timeout(300)
@pytest.mark.skipif(find_java() is None, reason="Spark needs Java 17 or later")
def test_both_engines_draw_the_same_rows(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    duckdb, spark = (drawn(make_step, ingested, lake, engine) for engine in ("duckdb", "spark"))
    assert duckdb == spark
    assert len(duckdb["samples"]) == 60


def drawn(
    make_step: MakeStep, ingested: StageResult, lake: Lake, engine: Literal["duckdb", "spark"]
) -> dict[str, list[dict[str, object]]]:
    # One step, done again by the other engine: another step would draw none of its articles.
    result = sample(replace(make_step("night-1", "sample", engine=engine), asked=engine), ingested)
    assert result.facts["engine"] == engine
    tables = {name: lake.read(dataset) for name, dataset in result.datasets.items()}
    return {name: sorted(rows.to_pylist(), key=lambda row: row["article_id"]) for name, rows in tables.items()}
