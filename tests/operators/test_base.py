from __future__ import annotations

from typing import ClassVar

import pytest
from fakes import context, result, verdict

from operators.base import StageOperator
from operators.errors import NotUsable, VerdictStopped
from pressrun.lake.types import StageResult
from pressrun.step import Step
from pressrun.verdict import Decision


class Stage(StageOperator):
    """Hands on what a test gives it and remembers its step."""

    needs: ClassVar[tuple[str, ...]] = ()
    hands_on: StageResult = result("ingest")
    seen: Step | None = None

    def work(self, step: Step) -> StageResult:
        type(self).seen = step
        return self.hands_on


def stage(hands_on: StageResult | None = None, **more: object) -> Stage:
    operator = Stage(task_id="gate", **{"pipeline": "topics", **more})  # type: ignore[arg-type]
    operator.hands_on = hands_on or result("gate")
    return operator


def test_the_step_is_named_by_dag_run_and_task_whatever_the_try() -> None:
    stage().execute(context("gate"))
    assert str(Stage.seen.key) == "topics_retrain/manual__2026-01-02/gate/-1"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("try_number", "max_tries", "asked"),
    [
        (1, 2, ""),
        (2, 2, ""),
        (3, 4, "cleared after try 2"),
        (4, 4, "cleared after try 2"),
        (5, 6, "cleared after try 4"),
    ],
)
def test_every_clear_is_a_request_of_its_own_and_its_retries_share_it(
    try_number: int, max_tries: int, asked: str
) -> None:
    stage(retries=2).execute(context("gate", try_number=try_number, max_tries=max_tries))
    assert Stage.seen is not None
    assert Stage.seen.asked == asked


def test_a_run_that_labels_again_has_not_asked_for_anything_anew_by_that() -> None:
    stage(fresh="True").execute(context("gate"))
    assert Stage.seen is not None
    assert (Stage.seen.fresh, Stage.seen.asked) == (True, "")


def test_the_result_goes_on_as_plain_json() -> None:
    handed_on = stage(result("gate", verdict("gate", Decision.PASS))).execute(context("gate"))
    assert StageResult.model_validate(handed_on).verdict.decision is Decision.PASS  # type: ignore[union-attr]


def test_the_form_changes_the_sample_and_nothing_else() -> None:
    stage(sample_rows="7", fresh="True").execute(context("gate"))
    step = Stage.seen
    assert step is not None
    assert (step.pipeline.sample.rows, step.fresh) == (7, True)


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.INSUFFICIENT, Decision.ERROR])
def test_any_verdict_but_a_pass_stops_the_run_and_is_told(decision: Decision, told: list[str]) -> None:
    with pytest.raises(VerdictStopped):
        stage(result("gate", verdict("gate", decision))).execute(context("gate"))
    assert told == [decision.value]


def test_the_last_line_says_what_was_found_what_stays_and_what_to_do(told: list[str]) -> None:
    judged = verdict("gate", Decision.INSUFFICIENT, "41 audited articles, 60 needed", champion_version="2")
    with pytest.raises(VerdictStopped) as stopped:
        stage(result("gate", judged)).execute(context("gate"))
    line = str(stopped.value)
    assert line.startswith("Gate: insufficient, 41 audited articles, 60 needed. Champion v2 stays. Answer the queue")
    assert "config/pipelines/topics.yaml:" in line
    assert "\n" not in line


def test_a_pass_of_an_ordinary_stage_tells_nobody(told: list[str]) -> None:
    stage(result("ingest", verdict("batch", Decision.PASS))).execute(context("ingest"))
    assert told == []


def test_a_pipeline_that_is_not_there_fails_without_a_retry_and_says_which_are() -> None:
    with pytest.raises(NotUsable, match="topics"):
        stage(pipeline="topcis").execute(context("gate"))


def test_a_missing_upstream_is_told_when_the_dag_is_read() -> None:
    class Needs(Stage):
        needs = ("ingested", "sampled")

    with pytest.raises(ValueError, match="needs upstream sampled"):
        Needs(task_id="label", pipeline="topics", upstream={"ingested": {}})


def test_links_lead_to_the_run_the_report_and_the_page(home, told) -> None:  # type: ignore[no-untyped-def]
    judged = verdict("gate", Decision.PASS, report=str(home / "reports" / "gate" / "a b.html"))
    operator = stage(result("gate", judged, model={"run_id": "abc"}))
    operator.execute(context("gate"))
    assert operator.links["report"].endswith("/pressrun/reports/gate/a%20b.html")
    assert operator.links["mlflow"] == "http://127.0.0.1:5999/#/runs/abc"
    assert operator.links["page"].endswith("/pressrun/models/topics")


def test_a_report_elsewhere_on_the_disk_gets_no_link(told: list[str]) -> None:
    operator = stage(result("gate", verdict("gate", Decision.PASS, report="/etc/passwd.html")))
    operator.execute(context("gate"))
    assert "report" not in operator.links
