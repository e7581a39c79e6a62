"""What both of Amazon's platforms share: errors of botocore in our terms, and Spark's settings as EMR takes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pressrun.compute.platform import ComputeError, ConfigurationFailed, PollingFailed, SparkJob

_EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedException")
_REFUSED = ("ValidationException", "ResourceNotFoundException", "ConflictException", "InvalidRequestException")


class NotThere(Exception):
    """The service knows no such job."""


@contextmanager
def asking(action: str, *, job: bool = False) -> Iterator[None]:
    """Translates what botocore raises while `action` (as IAM names it) is asked for.

    With `job` a resource that is not found is the job: NotThere is raised.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

    try:
        yield
    except ClientError as error:
        raise _translated(error, action, job=job) from error
    except ParamValidationError as error:
        raise ConfigurationFailed(f"{action}: {error}", hint="Mend spark.platform in the environment's file") from error
    except NoCredentialsError as error:
        raise _signed_out(action, str(error)) from error
    except BotoCoreError as error:
        raise PollingFailed(f"{action} was not answered: {error}", hint=_LATER) from error


_LATER = "The job, if it was started, goes on; a retry finds it"


def _translated(error: Any, action: str, *, job: bool) -> Exception:
    code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    if code == "ResourceNotFoundException" and job:
        return NotThere(said)
    if code in _EXPIRED:
        return _signed_out(action, f"{code}: {said}")
    if code in _DENIED:
        hint = f"Allow {action} to the role of the connection, as docs/compute.md lists; then clear the task"
        return ConfigurationFailed(f"{action} was denied: {said}", hint=hint)
    if code in _REFUSED:
        return ConfigurationFailed(
            f"{action} was refused: {code}: {said}", hint="Mend spark.platform in the environment"
        )
    return PollingFailed(f"{action} was answered by {code}: {said}", hint=_LATER)


def _signed_out(action: str, said: str) -> ComputeError:
    hint = "Renew what the connection signs in with (a role of the pod needs no renewal); the job, if started, goes on"
    return PollingFailed(f"{action}: the credentials do not hold: {said}", hint=hint)


def submit_parameters(job: SparkJob) -> str:
    """What spark-submit is given beside its settings: files to bring along, whose names need no quoting."""
    brought = {"--py-files": job.packages, "--files": job.files}
    return " ".join(f"{option} {','.join(files)}" for option, files in brought.items() if files)


def settings(job: SparkJob) -> dict[str, str]:
    """Spark's own settings, as the classification spark-defaults takes them: no quoting, no limit of a line."""
    asked = job.resources
    return {
        "spark.driver.cores": str(asked.driver_cores),
        "spark.driver.memory": asked.driver_memory,
        "spark.executor.instances": str(asked.executors),
        "spark.executor.cores": str(asked.executor_cores),
        "spark.executor.memory": asked.executor_memory,
        **job.conf,
    }


def python_settings(*, archive: str | None, python: str | None, driver: str, executor: str) -> dict[str, str]:
    """Which Python runs; `driver` and `executor` are prefixes of the settings of their environment variables."""
    chosen = python or ("./environment/bin/python" if archive else None)
    if chosen is None:
        return {}
    brought = {"spark.archives": f"{archive}#environment"} if archive else {}
    named = {f"{driver}PYSPARK_DRIVER_PYTHON": chosen, f"{driver}PYSPARK_PYTHON": chosen}
    return brought | named | {f"{executor}PYSPARK_PYTHON": chosen}
