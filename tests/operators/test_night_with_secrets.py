"""A whole night in an environment full of secrets: none is handed on, logged, reported, told, kept or tagged."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from fakes import RUN, context

from operators.base import StageOperator
from operators.gate import GateOperator
from operators.ingest import IngestOperator
from operators.label import LabelOperator
from operators.notifier import PressrunNotifier
from operators.sample import SampleOperator
from operators.train import TrainOperator
from pressrun.alerts import threads
from pressrun.config.environment import Environment
from pressrun.config.load import load_environment
from pressrun.config.pipeline import Gate
from pressrun.demo.overlay import MODEL, write_demo_config
from pressrun.demo.services import Service, Services, answers
from pressrun.demo.stock import SIMULATED_READ, simulated_stock
from pressrun.gates import Evidence
from pressrun.registry.tracking import connect
from pressrun.verdict import Assertion, Decision

pytestmark = pytest.mark.slow

CANARIES = {
    "mlflow": "canary/mlflow@1",
    "airflow": "canary-airflow-2",
    "slack": "xoxb-3-canary-slack",
    "openai": "sk-canary-openai-0123456789",
    "aws": "canary+aws/4",
    "newswire": "canary newswire 5",
}
SPELLINGS = {part for value in CANARIES.values() for part in (value, value.replace("/", "%2F").replace("@", "%40"))}
LOUD = "the newswire said: 401 for desk:canary newswire 5 at https://desk:canary-airflow-2@newswire.example, "
LOUD += "tried xoxb-3-canary-slack, sk-canary-openai-0123456789 and canary+aws/4; MLflow has canary/mlflow@1"
STAGES: tuple[tuple[str, str, type[StageOperator]], ...] = (
    ("ingest", "ingested", IngestOperator),
    ("sample", "sampled", SampleOperator),
    ("label", "labeled", LabelOperator),
    ("train", "trained", TrainOperator),
    ("gate", "gated", GateOperator),
)


def tells_all(evidence: Evidence, policy: Gate) -> list[Assertion]:
    """A check of somebody's own that quotes an error."""
    return [Assertion(metric="newswire", required=False, decision=Decision.INSUFFICIENT, reason=LOUD)]


@pytest.fixture
def mlflow(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server; its address signs in."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    store = tmp_path / "mlflow"
    store.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store}/mlflow.db", "--artifacts-destination", f"{store}/files"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    services = Services(home=tmp_path / "services")
    service = Service(
        name="mlflow", command=command, ready=answers(f"http://127.0.0.1:{port}/health"), environment=quiet
    )
    services.start(service)
    try:
        services.wait(service)
        yield f"http://desk:canary%2Fmlflow%401@127.0.0.1:{port}"
    finally:
        services.stop()


@pytest.fixture
def config(tmp_path: Path, mlflow: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pipeline and environment with every kind of secret that they may hold, and those of the process."""
    folder = tmp_path / "config"
    file = write_demo_config(folder=folder, read=SIMULATED_READ)
    pipeline = yaml.safe_load(file.read_text())
    pipeline["train"] = {"families": ["svm"]}
    pipeline["sample"] |= {"engine": "duckdb"}
    pipeline["gate"]["checks"] = [{"uses": f"{__name__}:tells_all"}]
    file.write_text(yaml.safe_dump(pipeline))
    environment = {
        "name": "secretive",
        "home": str(home),
        "lake": {"root": f"{home}/lake", "storage_options": {"aws_secret_access_key": CANARIES["aws"]}},
        "database": f"sqlite:///{home}/pressrun.db",
        "landing": f"{home}/landing",
        "mlflow": {"tracking_uri": mlflow},
        "airflow_url": f"https://desk:{CANARIES['airflow']}@airflow.example",
        "slack_url": "http://127.0.0.1:9/api/",
    }
    (folder / "environments" / "secretive.yaml").write_text(yaml.safe_dump(environment))
    process = {
        "PRESSRUN_CONFIG": str(folder),
        "PRESSRUN_ENVIRONMENT": "secretive",
        "SLACK_BOT_TOKEN": CANARIES["slack"],
        "OPENAI_API_KEY": CANARIES["openai"],
        "AWS_SECRET_ACCESS_KEY": CANARIES["aws"],
        "NEWSWIRE_PASSWORD": CANARIES["newswire"],
        "NEWSWIRE_URL": f"https://desk:{CANARIES['airflow']}@newswire.example",
        "MLFLOW_TRACKING_USERNAME": "",
        "MLFLOW_TRACKING_PASSWORD": "",
    }
    for name, value in process.items():
        monkeypatch.setenv(name, value)
    return file


def night(file: Path) -> tuple[dict[str, Any], list[str]]:
    """Runs the night's tasks as Airflow does; what each hands on, and its links."""
    handed_on: dict[str, Any] = {}
    links: list[str] = []
    for task, name, operator in STAGES:
        more = {"sample_rows": 400} if task == "sample" else {}
        upstream = {needed: handed_on[needed] for needed in operator.needs}
        made = operator(task_id=task, pipeline=str(file), upstream=upstream, **more)
        handed_on[name] = made.execute(context(task))
        links += made.links.values()
    return handed_on, links


def kept(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file below the folder as text; Parquet, which is compressed, by its rows."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix == ".parquet":
            yield str(file), json.dumps(pq.read_table(file).to_pylist(), default=str, ensure_ascii=False)
        else:
            yield str(file), file.read_bytes().decode("utf-8", "replace")


def told(environment: Environment) -> str:
    return "\n".join(repr(part) for thread, replies in threads(environment, MODEL) for part in (thread, *replies))


def tagged(environment: Environment, run_id: str) -> str:
    """What MLflow knows of the run and of the model's versions."""
    client = connect(environment)
    run = client.get_run(run_id)
    versions = client.search_model_versions(f"name = '{MODEL}'")
    return repr((run.to_dictionary(), [(version.tags, version.source) for version in versions]))


def test_no_secret_leaves_a_night(
    config: Path,
    home: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    simulated_stock().land(1, landing=home / "landing" / MODEL)
    handed_on, links = night(config)
    notifier = PressrunNotifier(pipeline=str(config), text="label failed")
    notifier.notify(context("label", exception=RuntimeError(LOUD)))  # type: ignore[arg-type]
    environment = load_environment()
    run_id = handed_on["trained"]["facts"]["model"]["run_id"]
    report = Path(handed_on["gated"]["verdict"]["report"])
    said = capfd.readouterr()
    shown = {
        "XCom": json.dumps(handed_on, ensure_ascii=False),
        "links": " ".join(links),
        "log": caplog.text + said.out + said.err,
        "report": report.read_text(),
        "outbox": told(environment),
        "MLflow": tagged(environment, run_id),
        **dict(kept(home)),
        **dict(kept(tmp_path / "mlflow")),
    }
    leaks = {where: part for where, text in shown.items() for part in SPELLINGS if part in text}
    assert leaks == {}
    # Had the error not been quoted, or nothing been reported, there would have been nothing to hide.
    masked = "401 for desk:*** at https://***@newswire.example, tried ***, *** and ***; MLflow has ***"
    assert all(masked in shown[where] for where in ("XCom", "report", "outbox"))
    assert f"https://airflow.example/pressrun/models/{MODEL}" in shown["links"]
    assert f"/#/runs/{run_id}" in shown["links"]
    assert RUN in shown["MLflow"]
