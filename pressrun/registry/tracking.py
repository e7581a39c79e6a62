"""MLflow, with bounded patience: an unreachable server is an error within seconds that names its address."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from pressrun.config.environment import Environment
from pressrun.config.redact import redacted
from pressrun.config.room import DiskFull, room
from pressrun.registry.errors import RegistryError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput

STEP_TAG = "pressrun.step_key"
ALREADY_THERE = "RESOURCE_ALREADY_EXISTS"
_REFUSED = "BAD_REQUEST"
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_SECONDS_TO_ANSWER = 5.0
_LOOKS = 5


def connect(environment: Environment) -> MlflowClient:
    """A client of the environment's MLflow. Raises RegistryError when nothing answers there."""
    uri = sign_in(environment)
    _check(environment, uri)
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def sign_in(environment: Environment) -> str:
    """The address to give to MLflow. User and password go into the variables that MLflow reads them from.

    MLflow, and the libraries below it, write the address into their logs and errors.
    """
    login = environment.mlflow.login
    if login is None:
        return environment.mlflow.tracking_uri
    os.environ.update(zip(_LOGIN, login, strict=True))
    return environment.mlflow.shown_uri


def _check(environment: Environment, uri: str) -> None:
    if urlsplit(uri).scheme not in ("http", "https"):
        return
    try:
        health = f"{uri.rstrip('/')}/health"
        httpx.get(health, auth=environment.mlflow.login, timeout=_SECONDS_TO_ANSWER).raise_for_status()
    except httpx.HTTPError as error:
        raise RegistryError(_unreachable(environment, error)) from error


def _unreachable(environment: Environment, error: Exception) -> str:
    return (
        f"MLflow at {environment.mlflow.shown_uri} does not answer ({type(error).__name__}). Start it, or set "
        "mlflow.tracking_uri of the environment (MLFLOW_TRACKING_URI) to where it runs, then run this again or "
        "clear its task. "
        "Nothing was registered."
    )


@contextmanager
def answering(environment: Environment) -> Iterator[None]:
    """Turns a server that fails on the way into a RegistryError with its address. Raises DiskFull where it is that."""
    from mlflow.exceptions import MlflowException

    try:
        with room(environment.home):
            yield
    except DiskFull:
        raise
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise RegistryError(f"{_unreachable(environment, error)} It said: {redacted(reason)}") from error


def open_run(environment: Environment, *, experiment: str, step_key: str, tags: Mapping[str, str]) -> str:
    """The id of this step's run in the experiment: the one that a try before this one began with the same tags.

    Else a new one: MLflow refuses other parameters for a run that has some, and mended code may choose others.
    """
    client = connect(environment)
    found = client.get_experiment_by_name(experiment)
    where = found.experiment_id if found else _created(client, experiment, environment)
    marks = {STEP_TAG: step_key, **tags}
    wanted = " and ".join(_equal(tag, value) for tag, value in marks.items())
    runs = client.search_runs([where], filter_string=wanted, max_results=1)
    run = runs[0] if runs else client.create_run(where, tags=marks, run_name=tags.get("mlflow.runName"))
    return str(run.info.run_id)


def log_inputs(client: MlflowClient, run_id: str, datasets: Sequence[DatasetInput]) -> None:
    """Tells MLflow what the run has read.

    MLflow looks which datasets it knows and inserts the others; where a run beside this one was quicker it refuses
    them all. At the next look it sees those, so a few looks are enough. Raises MlflowException when it goes on.
    """
    from mlflow.exceptions import MlflowException

    for looks_left in reversed(range(_LOOKS)):
        try:
            client.log_inputs(run_id, datasets=list(datasets))
            break
        except MlflowException as error:
            if not looks_left or error.error_code != _REFUSED or "datasets" not in str(error):
                raise


def _created(client: MlflowClient, experiment: str, environment: Environment) -> str:
    """Two runs at once may both have found none; one of them makes it."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(experiment, _artifacts(environment)))
    except MlflowException as error:
        made = client.get_experiment_by_name(experiment) if error.error_code == ALREADY_THERE else None
        if made is None:
            raise
        return str(made.experiment_id)


def _equal(tag: str, value: str) -> str:
    quote = '"' if "'" in value else "'"
    return f"tags.`{tag}` = {quote}{value}{quote}"


def _artifacts(environment: Environment) -> str | None:
    """A server knows where its files go; without one they go below home, not wherever the process was started."""
    if urlsplit(environment.mlflow.tracking_uri).scheme in ("http", "https"):
        return None
    return (environment.home.resolve() / "mlflow-artifacts").as_uri()
