"""Which registered model a command means when it is told a version, or none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.config.environment import Environment
    from pressrun.registry import ModelRef


def registered(environment: Environment, model: str, version: str | None = None) -> ModelRef:
    """The version with its bundle here; without one, what the router serves, else the newest.

    A champion whose files are here is found with MLflow away. Raises UnknownModelError and RegistryError.
    """
    from pressrun.registry import fetch
    from pressrun.registry.newest import newest_version
    from pressrun.rollout import served

    champion = served(environment, model)
    if champion is None or version not in (None, champion.version):
        return fetch(environment, model, version or newest_version(environment, model))
    return champion if Path(champion.bundle).is_dir() else fetch(environment, champion.name, champion.version)
