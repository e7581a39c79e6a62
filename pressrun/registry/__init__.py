"""The model registry: MLflow, holding bundles."""

from pressrun.registry.errors import RegistryError, UnknownModelError
from pressrun.registry.models import ModelRef, fetch, project_aliases, register

__all__ = ["ModelRef", "RegistryError", "UnknownModelError", "fetch", "project_aliases", "register"]
