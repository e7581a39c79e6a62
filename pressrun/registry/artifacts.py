"""Files kept with a model's MLflow run. MLflow away is told, and never a failure: each file has its home elsewhere."""

from __future__ import annotations

import logging
from pathlib import Path

from pressrun.config.environment import Environment
from pressrun.registry.errors import RegistryError
from pressrun.registry.tracking import connect

_log = logging.getLogger(__name__)


def kept_with_run(environment: Environment, file: Path, *, run_id: str | None, folder: str) -> bool:
    """Whether MLflow has taken the file as an artifact of the run, below `folder`; why not stands in the log."""
    if not run_id:
        return False
    try:
        connect(environment).log_artifact(run_id, str(file), folder)
    except RegistryError as error:
        _log.warning("%s", error)
        return False
    except Exception as error:
        _log.warning("MLflow did not take %s: %s", file.name, error)
        return False
    return True
