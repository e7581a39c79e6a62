"""Maintenance as a task, and the watch over alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from operators.errors import AlertsStuck
from operators.maintenance import AlertsArriveOperator, MaintenanceOperator
from pressrun.alerts import say
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.jobs import open_database
from pressrun.jobs.database import writing
from pressrun.jobs.tables import MESSAGES, THREADS
from pressrun.lake import rows_of
from pressrun.step import open_lake


@pytest.fixture
def named(environment: Environment, tmp_path: Path) -> str:
    """The environment as a file."""
    file = tmp_path / "here.yaml"
    file.write_text(yaml.safe_dump(environment.model_dump(mode="json", exclude_none=True)))
    return str(file)


def test_the_task_compacts_and_says_what_it_freed(environment: Environment, named: str) -> None:
    lake = open_lake(environment)
    for number in range(1, 7):
        rows = rows_of("predictions", [{"request_id": f"q{number}", "model": "topics"}])
        lake.append("predictions", rows, pipeline="topics", source="s", sequence=number)
    context: Any = {}
    looked = MaintenanceOperator(task_id="maintain", environment=named, only_look="True").execute(context)
    assert len(lake.files(lake.snapshot("predictions", pipeline="topics"))) == 6
    done = MaintenanceOperator(task_id="maintain", environment=named).execute(context)
    assert looked.keys() == done.keys() == {"freed", "kept_for", "lost"}
    assert len(lake.files(lake.snapshot("predictions", pipeline="topics"))) == 1


def test_alerts_that_lie_for_hours_fail_the_task_and_stop_the_heartbeat(
    environment: Environment, pipeline: Pipeline, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Any = {}
    task = AlertsArriveOperator(task_id="alerts_arrive", environment=named)
    task.execute(context)
    first = (environment.home / "heartbeat").read_text()
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")
    away = environment.model_copy(update={"slack_url": "http://127.0.0.1:9/api/"})
    Path(named).write_text(yaml.safe_dump(away.model_dump(mode="json", exclude_none=True)))
    alerting = pipeline.model_copy(update={"alerts": pipeline.alerts.model_copy(update={"slack": "#news-ml"})})
    say(away, alerting, key="k", thread="topics v1", text="the canary went back")
    task.execute(context)
    second = (environment.home / "heartbeat").read_text()
    assert second > first
    with writing(open_database(environment.database), lock="alerts") as connection:
        ago = datetime.now(UTC) - timedelta(hours=3)
        connection.execute(update(MESSAGES).values(created_at=ago))
        connection.execute(update(THREADS).values(updated_at=ago))
    with pytest.raises(AlertsStuck, match=r"1 threads have not arrived, the first \(topics v1\) since"):
        task.execute(context)
    assert (environment.home / "heartbeat").read_text() == second


def test_no_token_where_slack_is_required_fails_the_task_though_nothing_lies(
    environment: Environment, named: str
) -> None:
    expecting = environment.model_copy(update={"slack": "required"})
    Path(named).write_text(yaml.safe_dump(expecting.model_dump(mode="json", exclude_none=True)))
    with pytest.raises(AlertsStuck, match="SLACK_BOT_TOKEN"):
        AlertsArriveOperator(task_id="alerts_arrive", environment=named).execute({})
    assert not (environment.home / "heartbeat").exists()
