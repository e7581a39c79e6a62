"""A lake in an empty folder, or in an empty bucket where a test is run `everywhere`; and rows to put into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pressrun.lake import Lake, StepKey, rows_of
from tests.lake.places import lake_in


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return lake_in(getattr(request, "param", "folder"), tmp_path)


@pytest.fixture
def key() -> StepKey:
    return StepKey(dag_id="topics_retrain", run_id="scheduled__2026-01-01T02:00:00+00:00", task_id="sample")


@pytest.fixture
def given() -> Callable[..., pa.Table]:
    """Rows of table `given`, one for each article id."""
    return lambda *ids: rows_of("given", [{"article_id": name, "label": "Sports", "raw": "2"} for name in ids])
