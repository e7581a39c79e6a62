"""A manifest says whose rows are seen: once a generation, in sight of all that finished before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pressrun.lake import (
    Fence,
    Lake,
    OvertakenError,
    SameWorkError,
    StageResult,
    StepKey,
    SupersededError,
    rows_of,
)
from pressrun.lake.manifests import REUSED, SEEN, WITHHELD
from pressrun.verdict import Assertion, Decision, Verdict

Rows = Callable[..., pa.Table]


def of(key: StepKey, run: str) -> StepKey:
    return key.model_copy(update={"run_id": run})


def result(key: StepKey, *, decision: Decision | None = None, **facts: Any) -> StageResult:
    check = Assertion(metric="m", decision=decision or Decision.PASS, reason="because")
    verdict = Verdict(kind="batch", pipeline="topics", checks=(check,)) if decision else None
    return StageResult(stage="ingest", step_key=str(key), facts=facts, verdict=verdict)


def finish(lake: Lake, key: StepKey, made: StageResult | None = None, **more: Any) -> StageResult:
    return lake.finish(made or result(key), key=key, pipeline="topics", **({"fingerprint": "f"} | more))


def ids(lake: Lake, table: str = "given") -> list[str]:
    return sorted(lake.read(lake.snapshot(table, pipeline="topics"))["article_id"].to_pylist())


def test_a_step_is_unfinished_from_its_withdrawal_until_it_is_done_again(lake: Lake, key: StepKey, given: Rows) -> None:
    lake.commit("given", given("old"), key=key, pipeline="topics")
    finish(lake, key, result(key, made=1))
    lake.withdraw(key, pipeline="topics", generation=1)
    assert (lake.finished(key), ids(lake), lake.standing(key).generation) == (None, [], 1)
    lake.withdraw(key, pipeline="topics", generation=1)
    lake.bind(key, "f", generation=1)
    lake.commit("given", given("new"), key=key, pipeline="topics")
    again = finish(lake, key, result(key, made=2))
    assert lake.finished(key) == again
    assert again.facts == {"made": 2}
    assert ids(lake) == ["new"]
    lake.withdraw(key, pipeline="topics", generation=1)
    assert lake.finished(key) == again


def test_a_try_of_an_earlier_generation_can_neither_write_nor_finish(lake: Lake, key: StepKey, given: Rows) -> None:
    finish(lake, key)
    thought_dead = Lake(lake.root)
    lake.withdraw(key, pipeline="topics", generation=1)
    lake.bind(key, "f", generation=1)
    lake.commit("given", given("new"), key=key, pipeline="topics")
    with pytest.raises(SupersededError, match="generation 1"):
        thought_dead.commit("given", given("old"), key=key, pipeline="topics")
    with pytest.raises(SupersededError, match="generation 1"):
        finish(thought_dead, key, result(key, made="late"))
    finish(lake, key)
    assert ids(lake) == ["new"]


def test_what_was_asked_for_is_kept_beside_the_result(lake: Lake, key: StepKey) -> None:
    finish(lake, key, asked="clear 1")
    standing = lake.standing(key)
    assert (standing.asked, standing.fingerprint, standing.generation) == ("clear 1", "f", 0)


@pytest.mark.parametrize(
    ("state", "table", "seen"),
    [
        (SEEN, "given", ["a"]),
        (WITHHELD, "given", []),
        (WITHHELD, "verdicts", ["a"]),
        (WITHHELD, "spend", ["a"]),
        (REUSED, "given", []),
        (REUSED, "verdicts", []),
        (REUSED, "spend", []),
        (REUSED, "steps", ["a"]),
    ],
)
def test_the_state_of_a_step_says_what_is_seen_of_it(
    lake: Lake, key: StepKey, state: str, table: str, seen: list[str]
) -> None:
    rows = {
        "given": [{"article_id": "a"}],
        "spend": [{"job_id": "a"}],
        "verdicts": [{"verdict_id": "a", "kind": "batch", "decision": "pass", "verdict": "{}", "at": None}],
    }
    now = lake.stamps(key=key, pipeline="topics")["written_at"]
    if table in rows:
        lake.commit(table, rows_of(table, [row | ({"at": now} if "at" in row else {}) for row in rows[table]]),
                    key=key, pipeline="topics")  # fmt: skip
    finish(lake, key, state=state)
    assert lake.snapshot(table, pipeline="topics").rows == len(seen)


def test_a_step_that_finished_before_states_were_kept_is_seen(lake: Lake, key: StepKey, given: Rows) -> None:
    lake.commit("given", given("a"), key=key, pipeline="topics")
    older = ("stage", "fingerprint", "result", "reused_from", "basis")
    schemas = {"steps": rows_of("steps", []).select(older).schema}
    row = {"stage": "ingest", "fingerprint": "f", "result": result(key).model_dump_json()}
    Lake(lake.root, schemas=schemas).commit(
        "steps", pa.Table.from_pylist([row], schema=schemas["steps"]), key=key, pipeline="topics"
    )
    assert ids(lake) == ["a"]
    assert lake.finished(key) == result(key)
    finish(lake, of(key, "later"))
    assert lake.finished(of(key, "later")) is not None


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.INSUFFICIENT, Decision.ERROR])
def test_what_a_verdict_stopped_is_never_reused(lake: Lake, key: StepKey, decision: Decision) -> None:
    finish(lake, key, result(key, decision=decision))
    assert lake.reusable("f") is None


def test_a_step_that_handed_on_anothers_result_is_no_source_itself(lake: Lake, key: StepKey) -> None:
    finish(lake, key, state=REUSED)
    assert lake.reusable("f") is None


def test_a_step_that_stood_on_a_whole_table_cannot_finish_once_there_is_more(
    lake: Lake, key: StepKey, given: Rows
) -> None:
    base = lake.snapshot("given", pipeline="topics", without=key)
    lake.commit("given", given("mine"), key=key, pipeline="topics")
    lake.commit("given", given("other"), key=of(key, "other"), pipeline="topics")
    finish(lake, of(key, "other"), fingerprint="g")
    with pytest.raises(OvertakenError):
        finish(lake, key, fence=Fence(whole=(base,)))
    assert lake.finished(key) is None
    now = lake.snapshot("given", pipeline="topics", without=key)
    finish(lake, key, fence=Fence(whole=(now,)))
    assert ids(lake) == ["mine", "other"]


def test_a_step_of_another_pipeline_overtakes_nobody(lake: Lake, key: StepKey, given: Rows) -> None:
    base = lake.snapshot("given", pipeline="topics", without=key)
    lake.commit("given", given("other"), key=of(key, "other"), pipeline="mind")
    lake.finish(result(key), key=of(key, "other"), pipeline="mind", fingerprint="of mind")
    finish(lake, key, fence=Fence(whole=(base,), alike=frozenset()))
    assert lake.finished(key) is not None


def test_the_second_to_finish_the_same_work_is_told_what_the_first_made(lake: Lake, key: StepKey) -> None:
    known = lake.alike("f")
    first = finish(lake, of(key, "first"), result(of(key, "first"), made=1))
    with pytest.raises(SameWorkError) as error:
        finish(lake, key, fence=Fence(alike=known))
    assert error.value.result == first
    finish(lake, key, fence=Fence(alike=lake.alike("f")))
    assert lake.finished(key) is not None


def test_the_fence_holds_between_the_look_and_the_commit(
    lake: Lake, key: StepKey, given: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another step finishes after this one has looked, and before it commits."""
    from pressrun.lake import writing

    base, commit = lake.snapshot("given", pipeline="topics", without=key), writing._commit
    others = iter([of(key, "other")])

    def slow(intent: writing.Intent, **more: Any) -> None:
        for other in others:
            lake.commit("given", given("other"), key=other, pipeline="topics")
            finish(lake, other, fingerprint="g")
        commit(intent, **more)

    finish(lake, of(key, "before"), fingerprint="h")
    monkeypatch.setattr(writing, "_commit", slow)
    with pytest.raises(OvertakenError):
        finish(lake, key, fence=Fence(whole=(base,)))
    assert lake.finished(key) is None


def test_results_come_newest_first_and_of_this_pipeline_alone(lake: Lake, key: StepKey) -> None:
    for run in ("one", "two", "three"):
        finish(lake, of(key, run), result(of(key, run), run=run))
    lake.finish(result(key), key=of(key, "else"), pipeline="mind", fingerprint="f")
    assert [found.facts["run"] for found in lake.results("topics")] == ["three", "two", "one"]
