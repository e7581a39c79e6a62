"""What import-linter cannot say of the house: which names of Airflow are used, and how long modules are."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
FOLDERS = ("pressrun", "operators", "plugins", "dags")
FILES = sorted(file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py"))
# Public, and not offered by airflow.sdk.
ALLOWED = (
    "airflow.sdk",
    "airflow.plugins_manager",
    "airflow.triggers.base",
    "airflow.providers.amazon.aws.hooks",
    "airflow.providers.cncf.kubernetes.hooks",
    "airflow.providers.google.cloud.hooks",
    "airflow.providers.openlineage.extractors",
    "airflow.providers.slack",
    "airflow.providers.standard",
    "airflow.api_fastapi.core_api.security",
)


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_airflow_is_imported_by_its_public_names_only(file: Path) -> None:
    used = [name for name in imports(file) if name == "airflow" or name.startswith("airflow.")]
    assert [name for name in used if not name.startswith(ALLOWED)] == []
    assert not used or "pressrun" not in file.relative_to(REPOSITORY).parts


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_a_module_is_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < 300


def test_dags_hold_wiring_only() -> None:
    for file in (REPOSITORY / "dags").glob("*.py"):
        roots = {name.partition(".")[0] for name in imports(file)}
        assert roots - set(sys.stdlib_module_names) <= {"airflow", "operators", "pressrun"}


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one process")
@pytest.mark.xdist_group("together")
def test_what_a_group_of_tests_shares_is_made_by_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist tells groups by the ends of the tests' ids; where those are lost, each worker starts an Airflow."""
    assert request.node.nodeid.endswith("@together")
