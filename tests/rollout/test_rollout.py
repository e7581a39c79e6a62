"""Rollouts with real processes: a supervisor, its servers, and readers who keep asking."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Budgets
from pressrun.registry import ModelRef
from pressrun.rollout import Phase, RolloutRecord, abort, served, submit
from pressrun.verdict import Decision
from tests.rollout.home import POLICY, Home, model_of, plan_of, with_ports

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def home(environment: Environment) -> Iterator[Home]:
    home = Home(with_ports(environment))
    home.supervise()
    yield home
    home.close()


@pytest.fixture
def models(tmp_path: Path) -> tuple[ModelRef, ModelRef]:
    return model_of(tmp_path, "1"), model_of(tmp_path, "2")


def with_champion(home: Home, model: ModelRef) -> None:
    submit(home.environment, plan_of("d/1/t/-1", model, None))
    home.until(lambda r: r.outcomes)
    home.read()


def ended(record: RolloutRecord) -> bool:
    return record.outcomes[-1].step_key == "d/2/t/-1"


def test_a_good_candidate_is_promoted_and_the_old_server_stops(home: Home, models: tuple[ModelRef, ModelRef]) -> None:
    old, new = models
    with_champion(home, old)
    first = submit(home.environment, plan_of("d/2/t/-1", new, old))
    assert submit(home.environment, plan_of("d/2/t/-1", new, old)) == first
    record = home.until(ended)
    outcome = record.outcomes[-1]
    assert (outcome.phase, outcome.verdict.decision) == (Phase.PROMOTED, Decision.PASS), home.story()
    assert served(home.environment, "topics") == new
    assert [h.model.version for h in home.until(lambda r: len(r.handles) == 1).handles] == ["2"]
    assert home.replayed.failed == 0
    assert outcome.traffic.lost == 0
    assert "<polyline" in home.get("/rollouts/topics", accept="text/html")[1]
    assert submit(home.environment, plan_of("d/2/t/-1", new, old)) == first
    pids = [h.pid for h in record.handles]
    home.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def candidate_pid(home: Home) -> int:
    record = home.until(lambda r: r.state and r.state.phase is Phase.STEPPING and r.state.weights.get("candidate"))
    assert record.plan is not None
    return next(h.pid for h in record.handles if h.generation == record.plan.generation)


def test_a_crashing_candidate_goes_back_and_readers_see_no_failure(
    home: Home, models: tuple[ModelRef, ModelRef]
) -> None:
    old, new = models
    with_champion(home, old)
    submit(home.environment, plan_of("d/2/t/-1", new, old))
    os.kill(candidate_pid(home), signal.SIGKILL)
    outcome = home.until(ended).outcomes[-1]
    assert outcome.phase is Phase.ROLLED_BACK
    assert outcome.verdict.decision is Decision.FAIL
    assert outcome.verdict.decisive[0].metric == "crashes"
    assert outcome.back_seconds is not None
    assert outcome.back_seconds < 5
    assert served(home.environment, "topics") == old
    assert home.replayed.failed == 0


def test_a_candidate_that_a_noisy_neighbour_slows_down_goes_back_for_its_latency(
    home: Home, models: tuple[ModelRef, ModelRef]
) -> None:
    old, new = models
    with_champion(home, old)
    policy = POLICY.model_copy(update={"min_requests": 2000, "budgets": Budgets(error_rate=0.5, latency_ratio=2)})
    submit(home.environment, plan_of("d/2/t/-1", new, old, policy))
    pid, done = candidate_pid(home), threading.Event()
    neighbour = threading.Thread(target=_disturb, args=(pid, done))
    neighbour.start()
    try:
        outcome = home.until(ended).outcomes[-1]
    finally:
        done.set()
        neighbour.join()
    assert outcome.phase is Phase.ROLLED_BACK
    assert [c.metric for c in outcome.verdict.decisive] == ["latency_ratio"], home.story()
    assert outcome.traffic.lost == 0


def _disturb(pid: int, done: threading.Event) -> None:
    """Takes the processor from the process for most of the time."""
    try:
        while not done.is_set():
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1.2)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)
    except ProcessLookupError:
        pass


def test_a_killed_supervisor_is_followed_by_one_that_ends_its_servers_and_its_rollout(
    home: Home, models: tuple[ModelRef, ModelRef]
) -> None:
    old, new = models
    with_champion(home, old)
    submit(home.environment, plan_of("d/2/t/-1", new, old))
    pid = candidate_pid(home)
    home.supervisors[0].kill()
    home.supervisors[0].wait()
    home.supervise()
    outcome = home.until(ended).outcomes[-1]
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert outcome.phase is Phase.PROMOTED, home.story()
    assert served(home.environment, "topics") == new


def test_an_abort_goes_back_and_the_same_step_then_gets_a_new_generation(
    home: Home, models: tuple[ModelRef, ModelRef]
) -> None:
    old, new = models
    with_champion(home, old)
    first = submit(home.environment, plan_of("d/2/t/-1", new, old))
    candidate_pid(home)
    assert not abort(home.environment, "topics", actor="ann", reason="wrong one", step_key="d/9/t/-1")
    assert abort(home.environment, "topics", actor="ann", reason="task cleared", step_key="d/2/t/-1")
    second = submit(home.environment, plan_of("d/2/t/-1", new, old))
    assert int(second) == int(first) + 1
    record = home.until(lambda r: sum(o.step_key == "d/2/t/-1" for o in r.outcomes) == 2)
    assert [o.phase for o in record.outcomes[-2:]] == [Phase.ROLLED_BACK, Phase.PROMOTED]
    assert record.outcomes[-2].verdict.decision is Decision.INSUFFICIENT


def test_one_models_unreadable_record_is_told_once_and_stops_no_other_model(
    home: Home, models: tuple[ModelRef, ModelRef]
) -> None:
    record = home.environment.home / "rollouts" / "bad" / "record.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"model": "bad", "future_field": 1}')
    with_champion(home, models[0])
    assert served(home.environment, "topics") == models[0]
    assert home.supervisors[0].poll() is None
    assert home.story().count("bad: this tick failed") == 1
