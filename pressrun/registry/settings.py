"""The pipeline file that a model was trained by, kept beside its run in MLflow."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pressrun.config.environment import Environment
from pressrun.registry.tracking import answering, connect

SETTINGS = "pipeline.json"


def keep_settings(environment: Environment, run_id: str, settings: Mapping[str, Any]) -> None:
    """Keeps the settings as they were used; once more changes nothing. Raises RegistryError."""
    with answering(environment):
        connect(environment).log_dict(run_id, dict(settings), SETTINGS)


def settings_of(environment: Environment, run_id: str) -> dict[str, Any] | None:
    """The settings that the run was made with; None where it kept none. Raises RegistryError."""
    client = connect(environment)
    with answering(environment), tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        if SETTINGS not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        found = json.loads(Path(client.download_artifacts(run_id, SETTINGS, scratch)).read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else None
