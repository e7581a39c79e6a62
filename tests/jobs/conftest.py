"""Both databases: a SQLite file, and a PostgreSQL of its own where the machine has one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pressrun.jobs import open_database


def _postgresql_tool(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import os

    initdb, control = _postgresql_tool("initdb"), _postgresql_tool("pg_ctl")
    if not initdb or not control or os.geteuid() == 0:
        pytest.skip("needs PostgreSQL's server, and to be run by someone other than root, whom it refuses")
    folder = tmp_path_factory.mktemp("pg")
    subprocess.run(
        [initdb, "-A", "trust", "-U", "pressrun", "-N", "-D", folder / "data"], check=True, capture_output=True
    )
    options = f"-c listen_addresses='' -k {folder} -F"
    subprocess.run([control, "-w", "-D", folder / "data", "-l", folder / "log", "-o", options, "start"], check=True)
    yield f"postgresql+psycopg2://pressrun@/postgres?host={folder}"
    subprocess.run([control, "-D", folder / "data", "-m", "immediate", "stop"], check=True, capture_output=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    found: str = request.getfixturevalue("postgresql")
    return found


@pytest.fixture
def engine(url: str) -> Engine:
    return open_database(url)
