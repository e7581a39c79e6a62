from __future__ import annotations

import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, false, text

from pressrun.jobs import ExternalJobs, Questions, open_database
from pressrun.jobs.database import DatabaseAway, writing
from pressrun.jobs.tables import METADATA
from tests.fakes.postgresql import postgresql_server


def _open(url: str) -> int:
    return Questions(open_database(url)).waiting(step_key="none")


def test_processes_may_make_the_tables_at_once(url: str) -> None:
    with get_context("spawn").Pool(3) as pool:
        assert pool.map(_open, [url] * 3) == [0, 0, 0]


def test_a_database_of_an_earlier_release_is_given_the_columns_that_it_lacks(engine: Engine, url: str) -> None:
    for column in ("request", "asked_at"):
        with writing(engine, lock="pressrun tables") as connection:
            connection.execute(text(f"ALTER TABLE external_jobs DROP COLUMN {column}"))
    with get_context("spawn").Pool(3) as pool:
        assert pool.map(_open, [url] * 3) == [0, 0, 0]
    again = "check_same_thread=false" if url.startswith("sqlite") else "application_name=again"
    reopened = open_database(f"{url}{'&' if '?' in url else '?'}{again}")
    assert ExternalJobs(reopened).newest("none") is None


def test_opening_the_database_waits_for_no_writer(engine: Engine, url: str) -> None:
    # It once took a lock on every table, and a process that began met one that wrote in a deadlock.
    again = "check_same_thread=false" if url.startswith("sqlite") else "options=-c%20lock_timeout=3s"
    with writing(engine, lock="alerts") as connection:
        for table in METADATA.sorted_tables:
            connection.execute(delete(table).where(false()))
        open_database(f"{url}{'&' if '?' in url else '?'}{again}")


def test_whoever_waited_for_the_lock_sees_what_was_written_before_it(postgresql: str) -> None:
    # A snapshot taken while waiting, as the stricter levels take it, would hide the writes that it waited for.
    stricter = open_database(f"{postgresql}&options=-c%20default_transaction_isolation=serializable")
    with writing(stricter, lock="any") as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"


def test_the_plain_url_of_postgresql_is_taken_by_the_driver_that_is_installed(postgresql: str) -> None:
    plain = postgresql.replace("postgresql+psycopg2://", "postgresql://")
    assert Questions(open_database(plain)).waiting(step_key="none") == 0


def test_a_driver_that_is_not_installed_is_told_with_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"psycopg.* is not installed; write postgresql://"):
        open_database("postgresql+psycopg://u@h/d")


@pytest.mark.parametrize("wrong", ["sqlite://", "sqlite:///:memory:", "mysql://host/db"])
def test_a_database_that_cannot_be_shared_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="operational database"):
        open_database(wrong)


def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'deep' / 'folder' / 'jobs.db'}")
    assert (tmp_path / "deep" / "folder" / "jobs.db").exists()


def test_a_server_that_is_away_is_told_with_what_to_do_and_is_used_again_when_it_is_back() -> None:
    with postgresql_server() as server:
        questions = Questions(open_database(server.url()))
        assert questions.waiting(step_key="none") == 0
        server.stop()
        for _ in range(2):  # A connection that broke, then none at all.
            with pytest.raises(DatabaseAway, match=r"database at postgresql.* does not answer .*Start it, or set"):
                questions.waiting(step_key="none")
        server.start()
        assert questions.waiting(step_key="none") == 0
