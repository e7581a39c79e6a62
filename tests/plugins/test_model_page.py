from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi import HTTPException
from fastapi.testclient import TestClient

from plugins import model_page
from pressrun.config.environment import Environment
from pressrun.lake.overrides import keep_override
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, open_lake, run_once
from pressrun.verdict import Comparison, Decision, Override, Verdict
from tests.night import Night

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def client(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The plugin's pages for a user whom Airflow lets in."""
    monkeypatch.setenv("PRESSRUN_CONFIG", str(REPOSITORY / "config"))
    monkeypatch.setattr(model_page, "load_environment", lambda: environment)
    for dependency in model_page.app.router.dependencies:
        monkeypatch.setitem(model_page.app.dependency_overrides, dependency.dependency, lambda: None)
    return TestClient(model_page.app)


def judged(environment: Environment, pipeline: Any, reason: str = "it lost") -> Verdict:
    """A night whose gate has failed, in the lake."""
    check = Comparison(
        metric="macro_f1", candidate=0.7, low=0.68, high=0.72, threshold=0.75, decision=Decision.FAIL, reason=reason
    )
    verdict = Verdict(kind="gate", pipeline="topics", checks=(check,), model_version="3", model_digest="c" * 64)
    model = {"name": "topics", "version": "3", "digest": "c" * 64, "run_id": "r", "bundle": "b"}
    for stage, given in (("train", {"facts": {"model": model}}), ("gate", {"verdict": verdict})):
        key = StepKey(dag_id="topics_retrain", run_id="night", task_id=stage)
        step = Step(key=key, pipeline=pipeline, environment=environment, lake=open_lake(environment))
        done = StageResult(stage=stage, step_key=str(key), **given)  # type: ignore[arg-type]
        run_once(step, stage=stage, inputs={}, section=None, work=lambda done=done: done)
    return verdict


def test_the_page_stands_before_there_is_anything_to_see(client: TestClient) -> None:
    page = client.get("/models/topics")
    assert page.status_code == 200
    assert "No model serves yet" in page.text


def test_the_page_shows_candidate_lineage_and_each_check_with_its_interval(
    client: TestClient, environment: Environment, pipeline: Any
) -> None:
    judged(environment, pipeline)
    page = client.get("/models/topics").text
    assert "Candidate v3" in page
    assert "<details>" in page
    assert "<svg" in page
    assert "it lost" in page
    assert "/dags/topics_retrain/runs/night/tasks/gate" in page


def test_the_page_shows_who_overrode_a_verdict_and_that_it_is_over(
    client: TestClient, environment: Environment, pipeline: Any
) -> None:
    verdict, now = judged(environment, pipeline), datetime.now(UTC)
    for actor, begun, lasting in (("ann", timedelta(hours=-1), 5), ("bob", timedelta(hours=-3), 1)):
        at = now + begun
        made = Override(
            verdict_id=verdict.verdict_id,
            actor=actor,
            reason="<b>gold</b>",
            at=at,
            expiry=at + timedelta(hours=lasting),
        )
        keep_override(open_lake(environment), made, pipeline="topics")
    page = client.get("/models/topics").text
    assert "overridden by ann until" in page
    assert "overridden by bob" in page
    assert page.count("(over)") == 1
    assert "&lt;b&gt;gold" in page
    assert "<b>gold" not in page


def test_a_real_nights_counts_stand_in_the_lineage(
    client: TestClient, first_night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_page, "load_environment", lambda: first_night.environment)
    page = client.get("/models/topics").text
    line = page[page.index("<h2>Lineage</h2>") : page.index('<h2 id="rollout">')]
    boxes = dict(re.findall(r'>([a-z]+)</a>\s*<b(?: class="[a-z]+")?>([^<]+)</b>', line))
    made = first_night.results
    assert boxes == {
        "articles": f"{made['ingest'].datasets['articles'].rows:,}",
        "sample": f"{made['sample'].datasets['samples'].rows:,}",
        "labels": f"{made['label'].datasets['labels'].rows:,}",
        "examples": f"{made['train'].datasets['examples'].rows:,}",
        "model": "v1",
        "gate": "pass",
        "traffic": "0 requests",
        "alerts": "0",
    }
    assert "synthetic articles" in page


def test_words_from_articles_cannot_become_markup(client: TestClient, environment: Environment, pipeline: Any) -> None:
    judged(environment, pipeline, reason="<script>alert(1)</script>")
    assert "<script>" not in client.get("/models/topics").text


def test_nothing_comes_from_elsewhere_and_no_script_runs(client: TestClient) -> None:
    page = client.get("/models/topics")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script" not in page.text
    assert "http" not in page.text.partition("</style>")[0]


def test_the_page_fits_light_and_dark(client: TestClient) -> None:
    assert "prefers-color-scheme: dark" in client.get("/models/topics").text


def test_a_dag_leads_to_its_model(client: TestClient) -> None:
    answer = client.get("/dags/topics_retrain", follow_redirects=False)
    assert answer.headers["location"] == "/pressrun/models/topics"


def test_an_unknown_model_is_not_found(client: TestClient) -> None:
    assert client.get("/models/nothing").status_code == 404


def test_a_report_is_served_into_a_sandbox(client: TestClient, environment: Environment) -> None:
    (environment.home / "reports").mkdir()
    (environment.home / "reports" / "gate.html").write_text("<p>report</p>")
    answer = client.get("/reports/gate.html")
    assert answer.text == "<p>report</p>"
    assert answer.headers["content-security-policy"].startswith("sandbox ")


OUTSIDE = ["../secret.html", "/etc/passwd", "a/../../secret.html", "link.html", "key.pem", "x\0.html"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_outside_the_reports_is_served(path: str, environment: Environment) -> None:
    reports = environment.home / "reports"
    reports.mkdir()
    (environment.home / "secret.html").write_text("secret")
    (reports / "key.pem").write_text("secret")
    (reports / "link.html").symlink_to(environment.home / "secret.html")
    with pytest.raises(HTTPException) as refused:
        model_page.contained(reports, path)
    assert refused.value.status_code == 404


def test_a_stranger_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def stranger() -> None:
        raise HTTPException(401)

    monkeypatch.setitem(model_page.app.dependency_overrides, get_user, stranger)
    assert TestClient(model_page.app).get("/models/topics").status_code == 401
