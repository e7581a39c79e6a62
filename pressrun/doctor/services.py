"""The operational database, MLflow and Airflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from urllib.parse import urlsplit

import httpx
from sqlalchemy import make_url, text

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.redact import redacted
from pressrun.doctor.found import Found, bad, doubt, good
from pressrun.jobs.database import open_database, reading
from pressrun.registry import RegistryError
from pressrun.registry.tracking import answering, connect

SECONDS_TO_ANSWER = 5.0
OLDEST_POSTGRESQL = 12
OLDEST_AIRFLOW = (3, 3)


def look_at_database(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    """Opens it, which makes its tables where there are none."""
    where = make_url(environment.database).render_as_string(hide_password=True)
    try:
        engine = open_database(environment.database)
        with reading(engine) as connection:
            told = connection.execute(text(_VERSION[engine.dialect.name])).scalar_one()
    except Exception as error:
        remedy = "set `database` of the environment (PRESSRUN_DATABASE); its user must be able to create tables"
        yield bad("database", "database", f"{where}: {_line(error)}", remedy=remedy)
        return
    if engine.dialect.name == "sqlite":
        yield good("database", "SQLite", f"{where}, version {told}; for one machine")
        return
    number = int(str(told).split(".")[0])
    if number < OLDEST_POSTGRESQL:
        remedy = f"PostgreSQL {OLDEST_POSTGRESQL} or later is what is tested"
        yield doubt("database", "PostgreSQL", f"{where} is version {told}", remedy=remedy)
        return
    yield good("database", "PostgreSQL", f"{where}, version {told}")


_VERSION = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}


def look_at_mlflow(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    """Asks for its version and its experiments: what signs in wrongly is found out by the second."""
    try:
        client = connect(environment)
        with answering(environment):
            client.search_experiments(max_results=1)
            client.search_registered_models(max_results=1)
    except RegistryError as error:
        remedy = "start it, or set mlflow.tracking_uri of the environment (MLFLOW_TRACKING_URI), with user and password"
        yield bad("mlflow", "MLflow", _line(error).split(". Start it")[0], remedy=remedy)
        return
    yield _mlflow_version(environment)


def _mlflow_version(environment: Environment) -> Found:
    ours, uri = version("mlflow"), environment.mlflow.tracking_uri
    shown = environment.mlflow.shown_uri
    if urlsplit(uri).scheme not in ("http", "https"):
        return good("mlflow", "MLflow", f"{shown}, version {ours}, in this process")
    theirs = httpx.get(f"{uri.rstrip('/')}/version", auth=environment.mlflow.login, timeout=SECONDS_TO_ANSWER).text
    if theirs.split(".")[0] != ours.split(".")[0]:
        remedy = f"bring the server to version {ours.split('.')[0]}, or this package's MLflow to the server's"
        return bad("mlflow", "MLflow", f"{shown} is version {theirs[:20]}, the client here {ours}", remedy=remedy)
    return good("mlflow", "MLflow", f"{shown}, version {theirs[:20]}; experiments and models can be read")


def look_at_airflow(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    url = environment.airflow_url.rstrip("/")
    try:
        answer = httpx.get(f"{url}/api/v2/version", timeout=SECONDS_TO_ANSWER)
        told = str(answer.raise_for_status().json()["version"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        remedy = "start it, or set airflow_url of the environment: links in messages lead there"
        yield doubt("airflow", "Airflow", f"{url} does not answer as Airflow does ({_line(error)})", remedy=remedy)
        return
    if tuple(int(part) for part in told.split(".")[:2]) < OLDEST_AIRFLOW:
        remedy = f"Pressrun's operators need Airflow {'.'.join(map(str, OLDEST_AIRFLOW))} or later"
        yield bad("airflow", "Airflow", f"{url} is version {told}", remedy=remedy)
        return
    yield from _parts(url, told)


def _parts(url: str, told: str) -> Iterator[Found]:
    """Scheduler, triggerer and DAG processor: without one of them runs wait and nobody says why."""
    health = httpx.get(f"{url}/api/v2/monitor/health", timeout=SECONDS_TO_ANSWER).json()
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    ill = [part for part in parts if (health.get(part) or {}).get("status") != "healthy"]
    if ill:
        remedy = "start them: airflow scheduler, airflow triggerer, airflow dag-processor"
        yield bad("airflow", "Airflow", f"{url} {told}; not healthy: {', '.join(ill)}", remedy=remedy)
        return
    yield good("airflow", "Airflow", f"{url}, version {told}; scheduler, triggerer and DAG processor are healthy")


def _line(error: Exception) -> str:
    return next(iter(redacted(str(error)).splitlines()), type(error).__name__)[:300]
