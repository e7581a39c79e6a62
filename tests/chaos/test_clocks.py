"""Machines whose clocks differ, on one lake and one database."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.jobs import ExternalJobs, NewQuestion, Outbox, Questions, open_database
from pressrun.lake.errors import StoreError
from pressrun.lake.refusals import meaning
from pressrun.loop import run_stage
from pressrun.simulator import write_night
from pressrun.step import open_lake
from pressrun.taste import tasting_environment
from tests.chaos.clocks import skew
from tests.fakes.postgresql import postgresql_server
from tests.forks import FORKS, await_start, together
from tests.loop.conftest import NEWSROOM, STAGES, Stations
from tests.night import RETRAIN

APART = timedelta(hours=3)
LEASE = timedelta(minutes=3)
QUESTION = NewQuestion(article_id="a", kind="chain", title="t", body="b")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql_server() as server:
        yield server.url()


def intend(url: str) -> ExternalJobs:
    ledger = ExternalJobs(open_database(url))
    known = {"pipeline": "topics", "stage": "sample", "inputs": "i", "platform": "emr_serverless", "fence": 0}
    ledger.intend(step_key="s", token=str, **known)  # type: ignore[arg-type]
    return ledger


def take_with_a_clock_ahead(url: str, said: Path) -> None:
    """What a machine three hours ahead may take of what another one holds."""
    skew(APART)
    engine = open_database(url)
    job = ExternalJobs(engine).newest("s")
    assert job is not None
    taken = {
        "job": ExternalJobs(engine).take(job, holder="ahead", lasting=LEASE),
        "questions": len(Questions(engine).lease(pipeline="topics", holder="ahead", most=9, lasting=LEASE)),
        "alerts": len(Outbox(engine).take(holder="ahead", lasting=LEASE)),
        "waiting": Questions(engine).waiting(step_key="s"),
    }
    said.write_text(repr(taken))


def ask_with_a_clock_behind(url: str) -> None:
    """Questions that people have two hours for, from a machine three hours behind."""
    skew(-APART)
    asked = {"pipeline": "topics", "step_key": "behind", "taxonomy_version": "1", "wait": timedelta(hours=2)}
    Questions(open_database(url)).ask([QUESTION], **asked)  # type: ignore[arg-type]


def elsewhere(target: object, *given: object) -> None:
    process = FORKS.Process(target=target, args=given)  # type: ignore[arg-type]
    process.start()
    process.join(timeout=120)
    assert process.exitcode == 0


def test_a_machine_whose_clock_is_ahead_takes_nothing_that_another_holds(database: str, tmp_path: Path) -> None:
    engine, ledger = open_database(database), intend(database)
    questions, alerts = Questions(engine), Outbox(engine)
    questions.ask([QUESTION], pipeline="topics", step_key="s", taxonomy_version="1", wait=timedelta(hours=1))
    alerts.add(key="k", thread="t", pipeline="topics", channel=None, text="x")
    job = ledger.newest("s")
    assert job is not None
    assert ledger.take(job, holder="here", lasting=LEASE)
    assert questions.lease(pipeline="topics", holder="here", most=9, lasting=LEASE)
    assert alerts.take(holder="here", lasting=LEASE)
    elsewhere(take_with_a_clock_ahead, database, tmp_path / "said")
    nothing = {"job": None, "questions": 0, "alerts": 0, "waiting": 1}
    assert (tmp_path / "said").read_text() == repr(nothing)


def test_people_have_the_time_that_they_were_promised_by_a_machine_whose_clock_is_behind(database: str) -> None:
    elsewhere(ask_with_a_clock_behind, database)
    questions = Questions(open_database(database))
    assert questions.waiting(step_key="behind") == 1
    deadline = questions.deadline(step_key="behind")
    assert deadline is not None
    assert abs(deadline - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "s3://news/lake",
            "<Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message>, status: 403 Forbidden",
        ),
        (
            "gs://news/lake",
            "invalid_grant: Invalid JWT: Token must be a short-lived token and in a reasonable timeframe",
        ),
    ],
)
def test_a_store_that_refuses_a_wrong_clock_is_told_as_that_and_not_as_a_missing_right(uri: str, said: str) -> None:
    meant = meaning(uri, said)
    assert isinstance(meant, StoreError)
    assert "this machine's clock" in str(meant)
    assert "Set it" in str(meant)


def a_night_by(clock: timedelta, home: Path, pipeline: Pipeline, number: int, start: Path) -> None:
    """A night on a machine with a wrong clock, begun with another."""
    import pressrun.gates
    import pressrun.training  # noqa: F401

    skew(clock)
    environment = tasting_environment(home)
    written = write_night(NEWSROOM, number, out=start.with_name(f"written-{number}")).articles
    await_start(start, f"{number}")
    written.rename(Path(environment.landing) / pipeline.model / written.name)
    for stage in STAGES:
        run_stage(stage, pipeline=pipeline, environment=environment, dag_id=RETRAIN, run_id=f"night-{number}")


@pytest.mark.slow
def test_two_nights_at_once_on_machines_six_hours_apart_lose_and_double_nothing(
    stations: Stations, small: Pipeline, tmp_path: Path
) -> None:
    home, start = tmp_path / "home", tmp_path / "start"
    landing = Path(stations.before("ingest", home).environment.landing) / small.model
    shutil.rmtree(landing)
    landing.mkdir()
    given = [(APART, home, small, 1, start), (-APART, home, small, 2, start)]
    together(a_night_by, given, start=start)
    lake = open_lake(tasting_environment(home))
    for table, key in (("articles", "article_id"), ("samples", "article_id"), ("steps", "step_key")):
        rows = lake.read(lake.snapshot(table, pipeline=small.model), [key])[key].to_pylist()
        assert [value for value, count in Counter(rows).items() if count > 1] == [], table
    assert lake.snapshot("articles", pipeline=small.model).rows == 2 * NEWSROOM.articles_per_night
    clocks = lake.read(lake.snapshot("steps", pipeline=small.model), ["written_at"])["written_at"].to_pylist()
    assert max(clocks) - min(clocks) > timedelta(hours=5), "the clocks were apart"
