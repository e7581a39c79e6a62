"""A step runs once: it is returned when finished, reused when nothing changed, and made again when asked to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult, StepKey, rows_of
from pressrun.step import Step, open_lake, run_once, settled
from pressrun.verdict import Assertion, Decision, Verdict


class Work:
    """A stage's body that counts how often it ran; `article` is what it finds, `decision` what its verdict says."""

    def __init__(self, step: Step, *, article: str = "a", decision: Decision = Decision.PASS) -> None:
        self.step, self.article, self.decision, self.runs = step, article, decision, 0

    def __call__(self) -> StageResult:
        self.runs += 1
        key = self.step.key
        rows = rows_of("given", [{"article_id": self.article}])
        dataset = self.step.lake.commit("given", rows, key=key, pipeline=self.step.pipeline.model)
        check = Assertion(metric="loads", decision=self.decision, reason="it loads or it does not")
        verdict = Verdict(kind="gate", pipeline=self.step.pipeline.model, checks=(check,))
        return StageResult(stage="sample", step_key=str(key), datasets={"given": dataset}, verdict=verdict)


@pytest.fixture
def step(environment: Environment, pipeline: Pipeline) -> Step:
    key = StepKey(dag_id="d", run_id="one", task_id="t")
    return Step(key=key, pipeline=pipeline, environment=environment, lake=open_lake(environment))


def run(step: Step, work: Work, **changed: object) -> StageResult:
    given = {"stage": "sample", "inputs": {"articles": "digest"}, "section": step.pipeline.sample, "work": work}
    return run_once(step, **(given | changed))  # type: ignore[arg-type]


def another(step: Step, *, fresh: bool = False) -> Step:
    return replace(step, key=step.key.model_copy(update={"run_id": "two"}), fresh=fresh)


def test_a_finished_step_is_returned(step: Step) -> None:
    work = Work(step)
    assert run(step, work) == run(step, work)
    assert work.runs == 1


def test_the_verdict_is_kept_under_the_steps_key(step: Step) -> None:
    result = run(step, Work(step))
    kept = step.lake.snapshot("verdicts", pipeline=step.pipeline.model)
    rows = step.lake.read(kept, ["verdict", "decision", "step_key"]).to_pylist()
    assert [row["decision"] for row in rows] == ["pass"]
    assert rows[0]["step_key"] == str(step.key)
    assert Verdict.model_validate_json(rows[0]["verdict"]) == result.verdict


def test_an_unchanged_step_of_another_run_is_reused_and_says_from_where(step: Step) -> None:
    first, work = run(step, Work(step)), Work(another(step))
    result = run(another(step), work)
    assert work.runs == 0
    assert result.datasets == first.datasets
    assert (result.step_key, result.reused_from) == (str(another(step).key), str(step.key))


def test_fresh_turns_reuse_off(step: Step) -> None:
    run(step, Work(step))
    work = Work(another(step, fresh=True))
    assert run(another(step, fresh=True), work).reused_from is None
    assert work.runs == 1


@pytest.mark.parametrize("changed", [{"inputs": {"articles": "other"}}, {"section": {"rows": 1}}, {"stage": "train"}])
def test_other_inputs_config_or_code_are_another_step(step: Step, changed: dict[str, object]) -> None:
    run(step, Work(step))
    work = Work(another(step))
    run(another(step), work, **changed)
    assert work.runs == 1


def test_a_result_that_is_not_usable_is_made_again(step: Step) -> None:
    run(step, Work(step))
    work = Work(another(step))
    run(another(step), work, usable=lambda result: False)
    assert work.runs == 1


def test_a_step_that_failed_leaves_no_manifest(step: Step) -> None:
    def broken() -> StageResult:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_once(step, stage="sample", inputs={}, section={}, work=broken)
    assert step.lake.finished(step.key) is None


def seen(step: Step) -> list[str]:
    rows = step.lake.read(step.lake.snapshot("given", pipeline=step.pipeline.model), ["article_id"])
    return sorted(rows["article_id"].to_pylist())


def asked(step: Step, request: str, **more: bool) -> Step:
    return replace(step, asked=request, **more)


def test_a_finished_step_is_returned_on_a_retry_whatever_has_changed_since(step: Step) -> None:
    first, work = run(step, Work(step)), Work(step, article="b")
    assert run(step, work, section={"rows": 1}) == first
    assert (work.runs, seen(step)) == (0, ["a"])


def test_a_cleared_step_that_would_come_out_the_same_is_returned(step: Step) -> None:
    first, work = run(step, Work(step)), Work(step)
    assert run(asked(step, "clear 1"), work) == first
    assert work.runs == 0


@pytest.mark.parametrize(
    "changed", [{"inputs": {"champion": "other"}}, {"section": {"rows": 1}}, {"stage": "train"}, {"fresh": True}]
)
def test_a_cleared_step_that_may_come_out_otherwise_is_done_again_and_its_rows_are_replaced(
    step: Step, changed: dict[str, object]
) -> None:
    run(step, Work(step))
    cleared = asked(step, "clear 1", fresh=bool(changed.pop("fresh", False)))
    work = Work(cleared, article="b")
    result = run(cleared, work, **changed)
    assert (work.runs, seen(step)) == (1, ["b"])
    assert step.lake.finished(step.key) == result
    assert step.lake.standing(step.key).generation == 1
    verdicts = step.lake.snapshot("verdicts", pipeline=step.pipeline.model)
    assert verdicts.rows == 1
    retry = Work(cleared, article="c")
    assert run(cleared, retry, **changed) == result
    assert (retry.runs, seen(step)) == (0, ["b"])


def test_each_clear_is_a_request_of_its_own(step: Step) -> None:
    for number, article in enumerate("abc"):
        run(asked(step, f"clear {number}"), Work(step, article=article), section={"rows": number})
    assert seen(step) == ["c"]
    assert step.lake.standing(step.key).generation == 2


def test_a_cleared_step_that_a_verdict_stopped_is_always_judged_again(step: Step) -> None:
    run(step, Work(step, decision=Decision.FAIL))
    assert run(step, Work(step)).stopped
    assert not run(asked(step, "clear 1"), Work(step)).stopped


def test_what_cannot_be_repeated_is_kept_although_it_was_asked_for(step: Step) -> None:
    first, work = run(step, Work(step)), Work(step)
    assert run(asked(step, "clear 1"), work, section={}, repeatable=lambda result: False) == first
    assert (work.runs, seen(step)) == (0, ["a"])


def test_a_cleared_step_that_dies_is_unfinished_and_its_retry_goes_on_from_there(step: Step) -> None:
    run(step, Work(step))
    cleared = asked(step, "clear 1")

    def dies() -> StageResult:
        Work(cleared, article="b")()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        run_once(cleared, stage="sample", inputs={}, section={}, work=dies)
    assert (step.lake.finished(step.key), seen(step)) == (None, [])
    run_once(step, stage="sample", inputs={}, section={}, work=Work(step, article="lost"))
    assert seen(step) == ["b"]


def test_fresh_is_a_request_by_whoever_makes_the_step_and_may_be_told_otherwise(step: Step) -> None:
    run(step, Work(step))
    again = Step(key=step.key, pipeline=step.pipeline, environment=step.environment, lake=step.lake, fresh=True)
    work = Work(again, article="b")
    run(again, work)
    run(again, work)
    assert (work.runs, seen(step)) == (1, ["b"])
    run(replace(again, asked=""), work)
    assert work.runs == 1


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.INSUFFICIENT])
def test_what_a_verdict_stopped_is_judged_again_by_the_next_run(step: Step, decision: Decision) -> None:
    run(step, Work(step, decision=decision))
    work = Work(another(step))
    assert run(another(step), work).reused_from is None
    assert work.runs == 1


def test_of_two_runs_at_once_the_second_to_finish_hands_on_what_the_first_made(step: Step) -> None:
    other = another(step)

    def overtaken() -> StageResult:
        run(other, Work(other))
        return Work(step)()

    result = run_once(
        step, stage="sample", inputs={"articles": "digest"}, section=step.pipeline.sample, work=overtaken,
        refreshed=lambda result: result.model_copy(update={"facts": {"refreshed": True}}),
    )  # fmt: skip
    assert (result.step_key, result.reused_from) == (str(step.key), str(other.key))
    assert result.facts == {"refreshed": True}
    assert seen(step) == ["a"]
    verdicts = step.lake.read(step.lake.snapshot("verdicts", pipeline=step.pipeline.model), ["step_key"])
    assert verdicts["step_key"].to_pylist() == [str(other.key)]


def test_a_step_that_is_overtaken_is_done_again_on_what_is_there_now(step: Step) -> None:
    """Each run adds the articles 1 and 2 that it does not find; both are at it at once."""
    others = iter([another(step)])

    def attempt(own: Step) -> StageResult:
        base = own.lake.snapshot("given", pipeline=own.pipeline.model, without=own.key)
        known = own.lake.read(base, ["article_id"])["article_id"].to_pylist()

        def work() -> StageResult:
            for other in others:
                settled(partial(attempt, other))
            rows = rows_of("given", [{"article_id": name} for name in ("1", "2") if name not in known])
            own.lake.commit("given", rows, key=own.key, pipeline=own.pipeline.model)
            return StageResult(stage="ingest", step_key=str(own.key))

        return run_once(own, stage="ingest", inputs={"run": own.key.run_id}, section={}, work=work, upon=(base,))

    settled(lambda: attempt(step))
    assert seen(step) == ["1", "2"]
    assert step.lake.finished(step.key) is not None


def test_a_try_that_died_after_it_was_overtaken_leaves_no_row_that_is_doubled(step: Step) -> None:
    base = step.lake.snapshot("given", pipeline=step.pipeline.model, without=step.key)
    step.lake.bind(step.key, "made on an empty table")
    Work(step)()
    run(another(step), Work(another(step)), upon=(base,))
    now = step.lake.snapshot("given", pipeline=step.pipeline.model, without=step.key)
    run(step, Work(step, article="b"), inputs={}, upon=(now,))
    assert seen(step) == ["a", "b"]


def test_a_refused_batch_is_not_seen_and_its_verdict_is(step: Step) -> None:
    def refused() -> StageResult:
        result = Work(step, decision=Decision.FAIL)()
        assert result.verdict is not None
        return result.model_copy(update={"verdict": result.verdict.model_copy(update={"kind": "batch"})})

    run_once(step, stage="ingest", inputs={}, section={}, work=refused)
    assert seen(step) == []
    assert step.lake.snapshot("verdicts", pipeline=step.pipeline.model).rows == 1


@pytest.mark.parametrize(
    ("provenance", "synthetic"), [("published_at", True), ("source", True), ("section", True), (None, False)]
)
def test_a_verdict_in_a_loop_on_synthetic_articles_says_so(provenance: str | None, synthetic: bool, step: Step) -> None:
    article = {"article_id": "a", f"{provenance}_provenance": "synthetic"} if provenance else {"article_id": "a"}
    kept = {"title": "T", "source_provenance": "given"} | article
    step.lake.append("articles", rows_of("articles", [kept]), pipeline="topics", source="s", sequence=1)
    result = run(step, Work(step))
    assert result.verdict is not None
    assert result.verdict.synthetic is synthetic
    rows = step.lake.read(step.lake.snapshot("verdicts", pipeline="topics"), ["verdict"]).to_pylist()
    assert Verdict.model_validate_json(rows[0]["verdict"]) == result.verdict
