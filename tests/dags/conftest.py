"""The DAG files as Airflow's DAG processor reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

REPOSITORY = Path(__file__).parents[2]
Load = Callable[[], DagBag]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, home: Path) -> Load:
    """Reads dags/ anew, with whatever config the test has set."""
    monkeypatch.setenv("AIRFLOW_HOME", str(home / "airflow"))

    def read() -> DagBag:
        return DagBag(REPOSITORY / "dags")

    return read
