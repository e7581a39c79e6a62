"""The record: what is submitted, aborted, and written by several at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from pressrun.config.environment import Environment
from pressrun.rollout import abort, outcome, served, status, submit
from pressrun.rollout.changes import begun, ended
from pressrun.rollout.record import RecordStore, StaleRecord, UnreadableRecord
from pressrun.rollout.types import Phase, RolloutRecord
from tests.rollout.home import model_of, plan_of

NOW = datetime(2026, 1, 5, 2, tzinfo=UTC)


def test_a_write_on_an_old_version_is_refused(environment: Environment) -> None:
    store = RecordStore(environment)
    store.write(RolloutRecord(model="topics"), expected=0)
    with pytest.raises(StaleRecord, match="version 1, expected was 0"):
        store.write(RolloutRecord(model="topics"), expected=0)


def test_no_submission_of_several_at_once_is_lost(environment: Environment, tmp_path: Path) -> None:
    model = model_of(tmp_path, "1")
    plans = [plan_of(f"d/{n}/t/-1", model, None) for n in range(8)]
    threads = [Thread(target=submit, args=(environment, plan)) for plan in plans * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = status(environment, "topics")
    assert record is not None
    assert record.plan is not None
    generations = [record.plan.generation, *(plan.generation for plan in record.queue)]
    assert generations == list(range(1, 9))


def test_an_abort_binds_one_step_and_is_written_once(environment: Environment, tmp_path: Path) -> None:
    submit(environment, plan_of("d/1/t/-1", model_of(tmp_path, "1"), None))
    assert not abort(environment, "topics", actor="ann", reason="no", step_key="d/2/t/-1")
    assert abort(environment, "topics", actor="ann", reason="no", step_key="d/1/t/-1")
    assert not abort(environment, "topics", actor="bob", reason="no too", step_key="d/1/t/-1")
    record = status(environment, "topics")
    assert record is not None
    assert len(record.intents) == 1
    assert record.intents[0].actor == "ann"
    assert not abort(environment, "none", actor="ann", reason="no", step_key="d/1/t/-1")


def test_after_an_abort_the_same_step_waits_for_the_end_and_gets_a_new_generation(
    environment: Environment, tmp_path: Path
) -> None:
    plan = plan_of("d/1/t/-1", model_of(tmp_path, "1"), None)
    assert submit(environment, plan) == "1"
    abort(environment, "topics", actor="ann", reason="no", step_key="d/1/t/-1")
    assert submit(environment, plan) == "2"
    assert submit(environment, plan) == "2"

    def roll_back(record: RolloutRecord) -> RolloutRecord:
        assert record.state is not None
        state = record.state.model_copy(update={"phase": Phase.ROLLED_BACK, "aborted": "aborted by ann: no"})
        return ended(record.model_copy(update={"state": state}), NOW)

    store = RecordStore(environment)
    concluded = store.update("topics", roll_back)
    # Where plan and outcome are kept apart, one write could lose the outcome: the next plan begins in another.
    assert (concluded.plan or plan).generation == 1
    assert [o.generation for o in concluded.outcomes] == [1]
    record = store.update("topics", lambda found: begun(found, NOW))
    assert record.plan is not None
    assert record.plan.generation == 2
    assert record.active
    assert outcome(environment, "topics", "d/1/t/-1") is None
    assert served(environment, "topics") is None


def test_a_record_of_another_version_is_named_with_what_to_do(environment: Environment) -> None:
    store = RecordStore(environment)
    file = store.root / "topics" / "record.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"model": "topics", "future_field": 1}')
    with pytest.raises(UnreadableRecord, match=r"record\.json was written by another version.*future_field"):
        store.read("topics")
