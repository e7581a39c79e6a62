"""The stack on this machine: MLflow, Airflow, and what serves; nothing listens beyond this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pressrun.config.environment import Environment
from pressrun.config.load import load_environment, load_pipeline
from pressrun.config.pipeline import Pipeline
from pressrun.demo.airflow_client import AirflowClient
from pressrun.demo.airflow_settings import airflow_command, airflow_environment, airflow_login
from pressrun.demo.messages import Messages
from pressrun.demo.overlay import write_demo_config
from pressrun.demo.places import HOST, Place
from pressrun.demo.services import Service, Services, answers
from pressrun.demo.stock import Stock

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Ports:
    airflow: int = 8080
    mlflow: int = 5000
    router: int = 8000


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What runs, and how to reach it."""

    home: Path
    ports: Ports
    place: Place
    environment: Environment
    pipeline: Pipeline
    airflow: AirflowClient
    login: tuple[str, str]
    services: Services
    messages: Messages

    @property
    def airflow_url(self) -> str:
        return f"http://localhost:{self.ports.airflow}"

    @property
    def mlflow_url(self) -> str:
        return self.environment.mlflow.shown_uri

    @property
    def landing(self) -> Path:
        return Path(self.environment.landing) / self.pipeline.model


def start_stack(*, home: Path, ports: Ports, place: Place, stock: Stock, told: Callable[[str, float], None]) -> Stack:
    """Writes the demo's config, starts every service and waits for each; `told` hears of each one that is ready.

    Raises ServiceError, with everything that was started ended again.
    """
    file = write_demo_config(folder=home / "config", read=stock.read)
    os.environ.update(_settings(home=home, ports=ports, place=place, config=file.parents[1]))
    environment, pipeline = load_environment(), load_pipeline(file)
    services = Services(home=home)
    airflow_home = home / "airflow"
    mlflow = _mlflow(home=home, host=place.host, port=ports.mlflow)
    wanted = [mlflow, *place.services(home), _airflow(airflow_home, ports.airflow)]
    try:
        for service in wanted:
            services.start(service)
        place.prepare(environment, home)
        for service in wanted:
            told(service.name, services.wait(service))
        login = airflow_login(airflow_home)
        client = AirflowClient(f"http://{HOST}:{ports.airflow}", *login)
    except BaseException:
        services.stop()
        raise
    return Stack(
        home=home,
        ports=ports,
        place=place,
        environment=environment,
        pipeline=pipeline,
        messages=Messages(environment=environment, model=pipeline.model),
        airflow=client,
        login=login,
        services=services,
    )


def end_what_was_left(home: Path) -> int:
    """Ends what an earlier demo in `home` left running; returns how many services those were."""
    home.mkdir(parents=True, exist_ok=True)
    return Services(home=home).clean_up_after_crash()


def empty(home: Path) -> None:
    """Forgets what an earlier demo in `home` made."""
    for entry in home.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _settings(*, home: Path, ports: Ports, place: Place, config: Path) -> Mapping[str, str]:
    return {
        **place.settings(home),
        "PRESSRUN_HOME": str(home),
        "PRESSRUN_CONFIG": str(config),
        "PRESSRUN_ENVIRONMENT": place.name,
        "PRESSRUN_AIRFLOW_URL": f"http://localhost:{ports.airflow}",
        "MLFLOW_TRACKING_URI": f"http://{place.host}:{ports.mlflow}",
        # A folder of compiled modules saves most of the start of each of Airflow's many processes.
        "PYTHONDONTWRITEBYTECODE": "",
        "DO_NOT_TRACK": "1",
        # Five consumers of a job queue that nothing here uses, at 250 MB each.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def _mlflow(*, home: Path, host: str, port: int) -> Service:
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", f"{home}/mlartifacts"]
    return Service(name="mlflow", command=command, ready=answers(f"http://{host}:{port}/health"))


def _airflow(home: Path, port: int) -> Service:
    environment = airflow_environment(home, port, PROJECT / "dags", PROJECT / "plugins")
    return Service(
        name="airflow",
        command=airflow_command(),
        ready=answers(f"http://{HOST}:{port}/api/v2/monitor/health"),
        environment=environment,
        patience=300,
    )
