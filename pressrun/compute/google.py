"""What both of Google's platforms share: errors of its client in our terms, settings and labels for Dataproc."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pressrun.compute.platform import PREFIX, ComputeError, ConfigurationFailed, PollingFailed, SparkJob

TIMEOUT = 60.0
_LATER = "The job, if it was started, goes on; a retry finds it"


class NotThere(Exception):
    """The service knows no such job."""


class AlreadyThere(Exception):
    """The service has a job of that id."""


@contextmanager
def asking(permission: str, *, job: bool = False) -> Iterator[None]:
    """Translates what Google's client raises while something that needs `permission` is asked for.

    With `job` a resource that is not found is the job: NotThere is raised. AlreadyThere is raised for a second one.
    """
    from google.api_core.exceptions import AlreadyExists, GoogleAPIError, NotFound
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except AlreadyExists as error:
        raise AlreadyThere(str(error)) from error
    except NotFound as error:
        if job:
            raise NotThere(str(error)) from error
        raise _refused(permission, error) from error
    except GoogleAuthError as error:
        raise _signed_out(permission, error) from error
    except GoogleAPIError as error:
        raise _translated(permission, error) from error


def _translated(permission: str, error: Exception) -> ComputeError:
    from google.api_core import exceptions as google

    if isinstance(error, google.Unauthorized):
        return _signed_out(permission, error)
    if isinstance(error, google.Forbidden):
        hint = f"Grant {permission} to whom the connection acts as, as docs/compute.md lists; then clear the task"
        return ConfigurationFailed(f"{permission} was denied: {_said(error)}", hint=hint)
    if isinstance(error, google.TooManyRequests) or not isinstance(error, google.ClientError):
        return PollingFailed(f"Google Cloud did not answer ({permission}): {_said(error)}", hint=_LATER)
    return _refused(permission, error)


def _refused(permission: str, error: Exception) -> ComputeError:
    hint = "Mend spark.platform in the environment's file"
    return ConfigurationFailed(f"Google Cloud refused what needs {permission}: {_said(error)}", hint=hint)


def _signed_out(permission: str, error: Exception) -> ComputeError:
    hint = "Renew what the connection signs in with (Workload Identity needs no renewal); the job, if started, goes on"
    return PollingFailed(f"{permission}: the credentials do not hold: {_said(error)}", hint=hint)


def _said(error: Exception) -> str:
    return str(getattr(error, "message", "") or error)


def request_id(token: str) -> str:
    """The token as a request's id, which has 40 characters at most."""
    return token.removeprefix(PREFIX)


def labels(given: Mapping[str, str]) -> dict[str, str]:
    """Labels as Google Cloud takes them: lower-case letters, digits, _ and -, 63 at most."""
    return {_label(key): _label(value) for key, value in given.items()}


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


def settings(job: SparkJob) -> dict[str, str]:
    """Spark's own settings, as `properties` takes them."""
    asked = job.resources
    return {
        "spark.driver.cores": str(asked.driver_cores),
        "spark.driver.memory": asked.driver_memory,
        "spark.executor.instances": str(asked.executors),
        "spark.executor.cores": str(asked.executor_cores),
        "spark.executor.memory": asked.executor_memory,
        **job.conf,
    }


def archives(archive: str | None) -> list[str]:
    """The packed environment, unpacked as ./environment."""
    return [f"{archive}#environment"] if archive else []


def interpreter(*, archive: str | None, python: str | None, driver: str) -> dict[str, str]:
    """Which Python runs; `driver` is the prefix of the settings of the driver's environment variables."""
    chosen = python or ("./environment/bin/python" if archive else None)
    return {f"{driver}PYSPARK_PYTHON": chosen, "spark.executorEnv.PYSPARK_PYTHON": chosen} if chosen else {}


def console(place: Mapping[str, Any], kind: str, job_id: str) -> str:
    """The job's page in Google Cloud's console; `kind` is batches or jobs."""
    return f"https://console.cloud.google.com/dataproc/{kind}/{place['region']}/{job_id}/monitoring?project={place['project']}"
