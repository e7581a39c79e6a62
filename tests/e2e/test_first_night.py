"""One night through a real Airflow, MLflow and router: articles to a served champion, seen as a user sees it."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil
import pytest

from pressrun.demo.places import Laptop
from pressrun.demo.stack import Ports, Stack, start_stack
from pressrun.demo.stock import simulated_stock
from pressrun.registry.tracking import connect
from pressrun.rollout import served
from tests.processes import standing_still

DAG = "topics_retrain"
TASKS = ("ingest", "sample", "label", "train", "gate", "rollout")
BUTTONS = {
    "train": {"MLflow run", "Model page"},
    "gate": {"Gate report", "Model page"},
    "rollout": {"Rollout", "Rollout report", "Model page"},
}
PATIENCE = 600
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")

pytestmark = [
    pytest.mark.airflow, pytest.mark.slow, pytest.mark.spark, pytest.mark.timeout(1200), pytest.mark.xdist_group("e2e"),
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FirstNight:
    """A whole stack on which one night has ended well."""

    stack: Stack
    run: str


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
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
        place = Laptop(port=ports.router)
        home = tmp_path_factory.mktemp("e2e") / "demo"
        running = start_stack(home=home, ports=ports, place=place, stock=stock, told=lambda name, seconds: None)
        try:
            stock.land(1, landing=running.landing)
            yield running
        finally:
            running.services.stop()


@pytest.fixture(scope="module")
def night(stack: Stack) -> FirstNight:
    airflow = stack.airflow
    airflow.wait_for_dags(DAG, "topics_drift", patience=PATIENCE)
    assert airflow.import_errors() == []
    run = airflow.trigger(DAG, conf={"sample_rows": 400})
    state = airflow.wait(DAG, run, patience=PATIENCE)
    failed = [task.task_id for task in airflow.tasks(DAG, run) if task.state == "failed"]
    assert (state, {task: airflow.log(DAG, run, task)[-2000:] for task in failed}) == ("success", {})
    return FirstNight(stack=stack, run=run)


def test_the_first_night_ends_with_a_served_champion(night: FirstNight) -> None:
    stack = night.stack
    assert stack.airflow.task_states(DAG, night.run) == dict.fromkeys(TASKS, "success")
    champion = served(stack.environment, "topics")
    assert champion is not None
    ready = httpx.get(f"{stack.place.readers_url()}/v2/models/topics/ready", timeout=10)
    assert ready.status_code == 200
    assert f"Champion v{champion.version}" in stack.airflow.page("/pressrun/models/topics").text


def test_a_stranger_sees_no_page(night: FirstNight) -> None:
    address = f"http://127.0.0.1:{night.stack.ports.airflow}/pressrun/models/topics"
    assert httpx.get(address, timeout=10).status_code == 401


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: chromium), or CHROMIUM naming one")
def test_every_button_of_a_task_opens_in_a_browser(night: FirstNight) -> None:
    from playwright.sync_api import sync_playwright

    stack = night.stack
    links = {task: stack.airflow.links(DAG, night.run, task) for task in BUTTONS}
    assert {task: set(found) for task, found in links.items()} == BUTTONS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page, broken = browser.new_page(), list[str]()
        page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
        page.goto(f"{stack.airflow_url}/auth/login")
        page.fill("input[name=username]", stack.login[0])
        page.fill("input[name=password]", stack.login[1])
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "login" not in url)
        shown = {}
        for name, address in {name: url for found in links.values() for name, url in found.items()}.items():
            answer = page.goto(address)
            assert answer is not None
            assert answer.status == 200, address
            shown[name] = page.inner_text("body")
        browser.close()
    assert broken == []
    assert "topics v1: gate pass" in shown["Gate report"]
    assert "Champion v1" in shown["Model page"]
    assert "the first champion" in shown["Rollout"]
    assert "topics v1 was promoted" in shown["Rollout report"]


@contextmanager
def hanging(stack: Stack, component: str) -> Iterator[None]:
    """One of Airflow's components, with all its processes, stands still. What else may be away: tests/chaos."""
    airflow = psutil.Process(stack.services.pid_of("airflow"))
    root = next(child for child in airflow.children() if component in " ".join(child.cmdline()))
    with standing_still(root.pid):
        yield


def test_clearing_train_repeats_neither_sample_nor_label_though_the_scheduler_and_its_worker_hang_for_a_while(
    night: FirstNight,
) -> None:
    airflow, environment = night.stack.airflow, night.stack.environment
    airflow.clear(DAG, night.run, "train")
    end = time.monotonic() + PATIENCE
    while airflow.task_states(DAG, night.run)["train"] != "running":
        assert time.monotonic() < end
        time.sleep(0.2)
    with hanging(night.stack, "scheduler"):
        time.sleep(10)
    assert airflow.wait(DAG, night.run, patience=PATIENCE) == "success"
    tries = {task.task_id: task.try_number for task in airflow.tasks(DAG, night.run)}
    assert (tries["ingest"], tries["sample"], tries["label"], tries["train"]) == (1, 1, 1, 2)
    # The candidate is what serves now, so there is nothing to compare and nothing to roll out.
    assert airflow.task_states(DAG, night.run)["rollout"] == "skipped"
    # And no second version is registered.
    assert len(connect(environment).search_model_versions("name = 'topics'")) == 1
