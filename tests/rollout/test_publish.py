"""Where an ended rollout's page is kept: beside its verdict, in MLflow, and behind a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from pressrun.config.environment import Environment, Mlflow
from pressrun.links import stage_links
from pressrun.registry import ModelRef
from pressrun.rollout import Phase, finish, submit
from pressrun.rollout.publish import NOT_DRAWN, NOT_TAKEN
from tests.night import Night
from tests.rollout.home import plan_of
from tests.rollout.test_api import end


def ended(
    night: Night, *, tracking: Environment | None = None, then: str | None = None
) -> tuple[Path, tuple[str, ...]]:
    """The kept page and the verdict's notes of the night's rollout; with `then` another one has begun since."""
    candidate = ModelRef.model_validate(night.results["train"].facts["model"])
    step = night.step("rollout", environment=tracking or night.environment)
    submit(night.environment, plan_of(str(step.key), candidate, None))
    end(night.environment, Phase.PROMOTED)
    if then:
        submit(night.environment, plan_of(then, candidate, candidate))
    result = finish(step, night.results["train"], night.results["gate"])
    assert result.verdict is not None
    assert result.verdict.report is not None
    links = stage_links(result, night.environment, "topics")
    assert links["report"].endswith(f"/pressrun/reports/topics/{Path(result.verdict.report).name}")
    return Path(result.verdict.report), result.verdict.notes


def test_the_page_is_kept_as_it_was_and_mlflows_run_has_it(night: Night) -> None:
    page, notes = ended(night)
    assert notes == ()
    text = page.read_text(encoding="utf-8")
    assert "was promoted" in text
    assert "refresh" not in text
    run = night.results["train"].facts["model"]["run_id"]
    client = MlflowClient(tracking_uri=night.environment.mlflow.tracking_uri)
    (kept,) = client.list_artifacts(run, "rollout")
    assert kept.path == f"rollout/{page.name}"


def test_the_next_rollout_does_not_take_its_place(night: Night) -> None:
    page, _ = ended(night, then="d/2/rollout/-1")
    text = page.read_text(encoding="utf-8")
    assert "was promoted" in text
    assert "is starting" not in text


def test_a_page_that_cannot_be_drawn_keeps_no_rollout_from_ending(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("pressrun.rollout.publish.render_kept", broken)
    candidate = ModelRef.model_validate(night.results["train"].facts["model"])
    step = night.step("rollout")
    submit(night.environment, plan_of(str(step.key), candidate, None))
    end(night.environment, Phase.PROMOTED)
    verdict = finish(step, night.results["train"], night.results["gate"]).verdict
    assert verdict is not None
    assert (verdict.report, verdict.notes) == (None, (NOT_DRAWN,))


def test_an_mlflow_that_is_away_is_noted_and_the_page_is_there(night: Night) -> None:
    away = night.environment.model_copy(update={"mlflow": Mlflow(tracking_uri="http://127.0.0.1:9")})
    page, notes = ended(night, tracking=away)
    assert page.is_file()
    assert NOT_TAKEN in notes
