"""Waiting for a rollout: it says when nothing can move, and does not wait for ever."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from pressrun.config.environment import Environment
from pressrun.rollout import AlreadySupervised, outcome, status, submit, supervisor_alive
from pressrun.rollout.intervening import intervene
from pressrun.rollout.supervisor import alone
from pressrun.rollout.waiting import NobodySupervises, Vigil
from tests.rollout.home import Home, model_of, plan_of, with_ports


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@contextmanager
def supervisor(environment: Environment) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the home as a supervisor does."""
    code = (
        "import sys\n"
        "from pressrun.config.environment import Environment\n"
        "from pressrun.rollout.supervisor import alone\n"
        "with alone(Environment.model_validate_json(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, environment.model_dump_json()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_supervisor_is_found_by_its_lock_and_gone_with_its_process(environment: Environment) -> None:
    assert not supervisor_alive(environment)
    with supervisor(environment) as process:
        assert supervisor_alive(environment)
        process.kill()
        process.wait()
        assert not supervisor_alive(environment)


def test_looking_for_a_supervisor_leaves_no_trace(environment: Environment) -> None:
    supervisor_alive(environment)
    assert list(environment.home.iterdir()) == []
    with supervisor(environment) as process:
        said = (environment.home / "rollouts" / "supervisor.lock").read_text()
        supervisor_alive(environment)
        assert (environment.home / "rollouts" / "supervisor.lock").read_text() == said
        assert str(process.pid) in said


def test_who_merely_looks_never_keeps_a_supervisor_from_starting(environment: Environment) -> None:
    lock = environment.home / "rollouts" / "supervisor.lock"
    lock.parent.mkdir()
    lock.touch()
    with open(lock, "rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        releasing = threading.Timer(0.2, fcntl.flock, (looking, fcntl.LOCK_UN))
        releasing.start()
        with alone(environment):
            assert supervisor_alive(environment)
        releasing.join()


def test_a_second_supervisor_is_refused_at_once(environment: Environment) -> None:
    with (
        supervisor(environment) as process,
        pytest.raises(AlreadySupervised, match=str(process.pid)),
        alone(environment),
    ):
        pass


def test_without_a_supervisor_waiting_says_how_to_start_one_and_ends_with_its_patience(
    environment: Environment,
) -> None:
    clock = Clock()
    vigil = Vigil(environment, "topics", patience=timedelta(minutes=2), clock=clock)
    said = vigil.look()
    assert str(environment.home) in said
    assert "pressrun supervise --environment test" in said
    assert "2 min" in said
    clock.seconds = 119
    assert vigil.look()
    clock.seconds = 120
    with pytest.raises(NobodySupervises, match=r"for 2 min.*pressrun supervise.*pressrun abort topics"):
        vigil.look()


def test_a_supervisor_that_comes_back_starts_the_patience_anew(environment: Environment) -> None:
    clock = Clock()
    vigil = Vigil(environment, "topics", patience=timedelta(minutes=2), clock=clock)
    assert vigil.look()
    clock.seconds = 100
    with supervisor(environment):
        assert vigil.look() == ""
    clock.seconds = 200
    assert vigil.look()


def test_an_abort_binds_the_rollout_under_way_and_is_carried_out_by_the_next_supervisor(
    environment: Environment, tmp_path: Path
) -> None:
    assert intervene(environment, "topics", "abort", actor="ann", reason="wrong labels") is None
    submit(environment, plan_of("d/1/t/-1", model_of(tmp_path, "1"), None))
    stopped = intervene(environment, "topics", "abort", actor="ann", reason="wrong labels")
    assert stopped is not None
    record = status(environment, "topics")
    assert record is not None
    assert len(record.intents) == 1
    assert (record.intents[0].generation, record.intents[0].actor, record.intents[0].reason) == (
        1,
        "ann",
        "wrong labels",
    )
    assert intervene(environment, "topics", "abort", actor="bob", reason="me too") == stopped
    assert status(environment, "topics") == record
    home = Home(with_ports(environment))
    home.supervise()
    try:
        home.until(lambda record: record.outcomes)
    finally:
        home.close()
    ended = outcome(environment, "topics", "d/1/t/-1")
    assert ended is not None
    assert ended.aborted
    assert ended.verdict.notes == ("aborted by ann: wrong labels",)
    assert intervene(environment, "topics", "abort", actor="ann", reason="again") is None
