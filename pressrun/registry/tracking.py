"""MLflow, with bounded patience: an unreachable server is an error within seconds that names its address."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from pressrun.config.environment import Environment
from pressrun.registry.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient

STEP_TAG = "pressrun.step_key"
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
_SECONDS_TO_ANSWER = 5.0


def connect(environment: Environment) -> MlflowClient:
    """A client of the environment's MLflow. Raises RegistryError when nothing answers there."""
    uri = environment.mlflow.tracking_uri
    _check(uri)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _check(uri: str) -> None:
    if urlsplit(uri).scheme not in ("http", "https"):
        return
    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=_SECONDS_TO_ANSWER).raise_for_status()
    except httpx.HTTPError as error:
        raise RegistryError(_unreachable(uri, error)) from error


def _unreachable(uri: str, error: Exception) -> str:
    parts = urlsplit(uri)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return (
        f"MLflow at {shown} does not answer ({type(error).__name__}). Start it, or set mlflow.tracking_uri of the "
        "environment (MLFLOW_TRACKING_URI) to where it runs, then clear this task. Nothing was registered."
    )


@contextmanager
def answering(environment: Environment) -> Iterator[None]:
    """Turns a server that fails on the way into a RegistryError with its address."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise RegistryError(f"{_unreachable(environment.mlflow.tracking_uri, error)} It said: {reason}") from error


def open_run(environment: Environment, *, experiment: str, step_key: str, tags: Mapping[str, str]) -> str:
    """The id of this step's run in the experiment: the one a try before this one began, else a new one."""
    client = connect(environment)
    found = client.get_experiment_by_name(experiment)
    where = found.experiment_id if found else client.create_experiment(experiment, _artifacts(environment))
    wanted = f"tags.`{STEP_TAG}` = '{step_key}'" if "'" not in step_key else f'tags.`{STEP_TAG}` = "{step_key}"'
    runs = client.search_runs([where], filter_string=wanted, max_results=1)
    if runs:
        return str(runs[0].info.run_id)
    run = client.create_run(where, tags={STEP_TAG: step_key, **tags}, run_name=tags.get("mlflow.runName"))
    return str(run.info.run_id)


def _artifacts(environment: Environment) -> str | None:
    """A server knows where its files go; without one they go below home, not wherever the process was started."""
    if urlsplit(environment.mlflow.tracking_uri).scheme in ("http", "https"):
        return None
    return (environment.home.resolve() / "mlflow-artifacts").as_uri()
