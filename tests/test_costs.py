"""What steps have cost, and a month's budget that ends what begins and not what serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.config.environment import Cluster, Deploy, Environment, Kubernetes
from pressrun.config.prices import Prices
from pressrun.costs import Item, MonthSpentError, effort, items_of, of_month, refuse_beyond, total
from pressrun.jobs import ExternalJobs, NewQuestion, Questions, open_database
from pressrun.lake import Lake, StageResult, StepKey, rows_of
from pressrun.lake.types import Spent
from pressrun.overview.compare import NotComparable
from pressrun.overview.cost import cost_of
from tests.night import Night

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
PRICES = Prices(cpu_hour_usd=0.036, memory_gb_hour_usd=0.004, person_hour_usd=30.0)


def key(task: str) -> StepKey:
    return StepKey(dag_id="topics_retrain", run_id="night", task_id=task)


def made(stage: str, **more: Any) -> dict[str, StageResult]:
    return {str(key(stage)): StageResult(stage=stage, step_key=str(key(stage)), **more)}


@pytest.fixture
def priced(environment: Environment) -> Environment:
    return environment.model_copy(update={"prices": PRICES})


def only(items: tuple[Item, ...]) -> Item:
    (item,) = items
    return item


def test_a_machines_time_costs_by_the_core_and_without_a_price_it_is_not_known(
    lake: Lake, priced: Environment, environment: Environment
) -> None:
    results = made("train", spent=Spent(seconds=60, cpu_seconds=100))
    item = only(items_of(lake, priced, "topics", results))
    assert (item.what, item.quantity, item.usd) == ("machine", 100, pytest.approx(0.001))
    assert only(items_of(lake, environment, "topics", results)).usd is None


def test_what_another_step_has_done_costs_nothing_again(lake: Lake, priced: Environment) -> None:
    mine = made("train", spent=Spent(seconds=60, cpu_seconds=100))[str(key("train"))]
    handed_on = mine.handed_on_by(key("again"))
    assert items_of(lake, priced, "topics", {handed_on.step_key: handed_on}) == ()


@pytest.mark.parametrize(("usd", "known"), [((0.5, 0.25), 0.75), ((0.5, None), None)])
def test_tokens_are_summed_by_model_and_one_unknown_price_makes_the_sum_unknown(
    usd: tuple[float, float | None], known: float | None, lake: Lake, priced: Environment
) -> None:
    rows = [
        {"job_id": f"j{n}", "provider": "openai", "model": "m", "input_tokens": 100, "output_tokens": 10, "cost_usd": c}
        for n, c in enumerate(usd)
    ]
    lake.commit("spend", rows_of("spend", rows), key=key("label"), pipeline="topics")
    result = made("label")[str(key("label"))]
    lake.finish(result, key=key("label"), pipeline="topics", fingerprint="f")
    item = only(items_of(lake, priced, "topics", {result.step_key: result}))
    assert (item.what, item.quantity, item.unit, item.usd) == ("openai:m", 220, "tokens", known)


def test_peoples_minutes_are_the_gaps_between_their_answers_without_the_pauses(lake: Lake, priced: Environment) -> None:
    questions, label = Questions(open_database(priced.database)), str(key("label"))
    asked = [NewQuestion(article_id=f"a{n}", kind="label", title="t", body="b") for n in range(4)]
    questions.ask(asked, pipeline="topics", step_key=label, taxonomy_version="1", wait=timedelta(hours=4), now=AT)
    for question, seconds in zip(questions.unanswered(pipeline="topics"), (0, 20, 40, 3000), strict=True):
        at = AT + timedelta(seconds=seconds)
        questions.answer(question_id=question.question_id, person="ann", labels=["World"], now=at)
    item = only(items_of(lake, priced, "topics", made("label")))
    assert (item.quantity, item.unit) == (pytest.approx(80 / 60), "minutes")
    assert item.usd == pytest.approx(80 / 3600 * 30)


def test_answers_that_came_in_a_file_count_at_the_persons_own_pace_else_at_half_a_minute_each() -> None:
    file = [AT + timedelta(milliseconds=5 * n) for n in range(180)]
    assert effort(file) == 180 * 30
    assert effort([*file, *(AT + timedelta(hours=1, seconds=10 * n) for n in range(4))]) == pytest.approx(184 * 10)


def test_people_work_for_labeling_and_an_oracle_is_none(lake: Lake, priced: Environment) -> None:
    questions, sample = Questions(open_database(priced.database)), str(key("sample"))
    asked = [NewQuestion(article_id=f"a{n}", kind="audit", title="t", body="b") for n in range(2)]
    questions.ask(asked, pipeline="topics", step_key=sample, taxonomy_version="1", wait=timedelta(hours=4), now=AT)
    for question, person in zip(questions.unanswered(pipeline="topics"), ("ann", "oracle"), strict=True):
        questions.answer(question_id=question.question_id, person=person, labels=["World"], now=AT)
    item = only(items_of(lake, priced, "topics", made("sample")))
    assert (item.stage, item.what, item.quantity) == ("label", "people", 0.5)


def test_effort_of_nobody_is_none_and_of_one_answer_a_guess() -> None:
    assert effort([]) == 0
    assert 0 < effort([AT]) < 120


def test_a_job_elsewhere_costs_what_its_platform_says_also_when_it_failed(lake: Lake, priced: Environment) -> None:
    ledger = ExternalJobs(open_database(priced.database))
    job = ledger.intend(
        step_key=str(key("sample")), pipeline="topics", stage="sample", inputs="i", platform="emr_serverless", fence=0,
        token=lambda generation: f"t{generation}",
    )  # fmt: skip
    assert items_of(lake, priced, "topics", made("sample")) == ()
    job = ledger.accepted(job, {"id": "1"})
    ledger.seen(job, state="failed", cost_usd=1.25)
    item = only(items_of(lake, priced, "topics", made("sample")))
    assert (item.what, item.usd) == ("emr_serverless job", 1.25)


def test_a_canarys_pods_cost_by_what_they_reserve_in_every_cluster(lake: Lake, priced: Environment) -> None:
    deploy = Deploy(server_image="s", fetch_image="f", tracking_uri="http://m", replicas=2, cpu="500m", memory="1G")
    clusters = [Cluster(name="north"), Cluster(name="south")]
    place = priced.model_copy(update={"kubernetes": Kubernetes(clusters=clusters, deploy=deploy, controller_image="c")})
    item = only(items_of(lake, place, "topics", made("rollout", facts={"seconds": 1800.0})))
    assert (item.quantity, item.unit) == (120, "minutes")
    assert item.usd == pytest.approx(4 * 0.5 * (0.036 * 0.5 + 0.004))


def finished(lake: Lake, stage: str, **more: Any) -> None:
    result = made(stage, **more)[str(key(stage))]
    lake.finish(result, key=key(stage), pipeline="topics", fingerprint=stage)


def test_a_month_that_has_cost_its_budget_is_refused_with_what_it_went_into(lake: Lake, priced: Environment) -> None:
    finished(lake, "train", spent=Spent(seconds=1, cpu_seconds=100_000))
    refuse_beyond(lake, priced, "topics", budget_usd=1.01)
    with pytest.raises(MonthSpentError, match=r"1\.00 USD since .* began \(machine 1\.00\).*Raise it"):
        refuse_beyond(lake, priced, "topics", budget_usd=1.0)
    next_month = datetime.now(UTC) + timedelta(days=32)
    refuse_beyond(lake, priced, "topics", budget_usd=1.0, now=next_month)


def failed_job(environment: Environment, run: str, *, usd: float | None = 100.0) -> None:
    """A job of a sample that never came to be, as the platform told of it."""
    ledger = ExternalJobs(open_database(environment.database))
    job = ledger.intend(
        step_key=f"topics_retrain/{run}/sample/-1", pipeline="topics", stage="sample", inputs="i",
        platform="emr_serverless", fence=0, token=lambda generation: f"{run}-{generation}",
    )  # fmt: skip
    ledger.seen(ledger.accepted(job, {"id": run}), state="failed", cost_usd=usd, failure="job")


def test_jobs_of_steps_that_never_finished_count_in_the_month_in_which_they_ended(
    lake: Lake, priced: Environment
) -> None:
    for night in range(10):
        failed_job(priced, f"night-{night}")
    with pytest.raises(MonthSpentError, match=r"1000\.00 USD .*emr_serverless job 1000\.00"):
        refuse_beyond(lake, priced, "topics", budget_usd=1000.0)
    refuse_beyond(lake, priced, "topics", budget_usd=1.0, now=datetime.now(UTC) + timedelta(days=32))
    refuse_beyond(lake, priced, "mind", budget_usd=1.0)


def test_a_job_whose_step_finished_is_counted_once(lake: Lake, priced: Environment) -> None:
    failed_job(priced, "night")
    finished(lake, "sample")
    assert total(of_month(lake, priced, "topics", now=datetime.now(UTC))) == 100.0


def test_every_stage_says_what_it_took_and_a_retry_says_the_same(first_night: Night) -> None:
    for name, result in first_night.results.items():
        assert result.spent is not None, name
        assert result.spent.seconds > 0, name
    assert first_night.results["train"].spent.cpu_seconds > 0.1  # type: ignore[union-attr]


def test_no_step_begins_once_the_month_has_cost_its_budget(night: Night) -> None:
    place = night.environment.model_copy(update={"prices": PRICES})
    poor = replace(night, environment=place, pipeline=night.pipeline.model_copy(update={"budget_usd_month": 0.0}))
    poor.land(2)
    poor.run("ingest", "night-2")
    with pytest.raises(MonthSpentError, match="budget_usd_month"):
        poor.run("sample", "night-2")
    assert poor.run("train") == night.results["train"]


def test_a_version_costs_what_the_run_that_made_it_did(first_night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    place = first_night.environment.model_copy(update={"prices": PRICES})
    items = cost_of(place, "topics", "v1")
    assert {item.stage for item in items} >= {"sample", "label", "train", "gate"}
    assert total(items) > 0
    with pytest.raises(NotComparable):
        cost_of(place, "topics", "9")
    monkeypatch.setattr("pressrun.config.load.load_environment", lambda name: place)
    said = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["cost", "--version", "1"])
    assert said.exit_code == 0, said.output
    assert "topics v1: " in said.output
