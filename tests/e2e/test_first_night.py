"""One night through a real Airflow, MLflow and router: articles to a served champion, seen as a user sees it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pressrun.demo.stack import Ports, Stack, start_stack
from pressrun.demo.stock import simulated_stock
from pressrun.rollout import served

TASKS = ("ingest", "sample", "label", "train", "gate", "rollout")
PATIENCE = 600

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(1200)]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Everything that `make demo` starts, on free ports, with the first night's articles landed."""
    stock = simulated_stock(articles_per_night=900)
    with pytest.MonkeyPatch.context() as patch:
        # start_stack sets these for its children; they are put back here.
        for name in ("PRESSRUN_HOME", "PRESSRUN_CONFIG", "PRESSRUN_ENVIRONMENT", "PRESSRUN_ROUTER_PORT"):
            patch.setenv(name, "")
        patch.delenv("PRESSRUN_CONFIG")
        patch.setenv("PRESSRUN_AIRFLOW_URL", "")
        patch.setenv("MLFLOW_TRACKING_URI", "")
        ports = Ports(airflow=free_port(), mlflow=free_port(), router=free_port())
        running = start_stack(home=tmp_path / "demo", ports=ports, stock=stock, told=lambda name, seconds: None)
        try:
            stock.land(1, landing=running.landing)
            yield running
        finally:
            running.services.stop()


def test_the_first_night_ends_with_a_served_champion(stack: Stack) -> None:
    airflow = stack.airflow
    airflow.wait_for_dags("topics_retrain", "topics_drift", patience=PATIENCE)
    assert airflow.import_errors() == []
    run = airflow.trigger("topics_retrain", conf={"sample_rows": 400})
    state = airflow.wait("topics_retrain", run, patience=PATIENCE)
    logs = {task.task_id: airflow.log("topics_retrain", run, task.task_id)[-2000:]
            for task in airflow.tasks("topics_retrain", run) if task.state == "failed"}  # fmt: skip
    assert (state, logs) == ("success", {})
    assert airflow.task_states("topics_retrain", run) == dict.fromkeys(TASKS, "success")

    champion = served(stack.environment, "topics")
    assert champion is not None
    ready = httpx.get(f"{stack.router_url}/v2/models/topics/ready", timeout=10)
    assert ready.status_code == 200

    report = airflow.links("topics_retrain", run, "gate")["Gate report"]
    assert airflow.page(httpx.URL(report).path).text.lstrip().startswith("<")
    page = airflow.page("/pressrun/models/topics").text
    assert f"Champion v{champion.version}" in page
    stranger = httpx.get(f"http://127.0.0.1:{stack.ports.airflow}/pressrun/models/topics", timeout=10)
    assert stranger.status_code == 401
