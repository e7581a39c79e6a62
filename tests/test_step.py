"""A step runs once: it is returned when finished, reused when nothing changed, and made again when asked to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.lake import StageResult, StepKey, rows_of
from pressrun.step import Step, open_lake, run_once
from pressrun.verdict import Assertion, Decision, Verdict


class Work:
    """A stage's body that counts how often it ran."""

    def __init__(self, step: Step) -> None:
        self.step, self.runs = step, 0

    def __call__(self) -> StageResult:
        self.runs += 1
        key = self.step.key
        rows = rows_of("given", [{"article_id": "a"}])
        dataset = self.step.lake.commit("given", rows, key=key, pipeline=self.step.pipeline.model)
        check = Assertion(metric="loads", decision=Decision.PASS, reason="it loads")
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
