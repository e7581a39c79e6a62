"""The model registry: MLflow, holding bundles."""

from pressrun.registry.aliases import aliased_digests, follow, project_aliases
from pressrun.registry.errors import RegistryError, UnknownModelError
from pressrun.registry.models import EXAMPLES_TAG, ModelRef, fetch, register
from pressrun.registry.settings import keep_settings, settings_of

__all__ = [
    "EXAMPLES_TAG",
    "ModelRef",
    "RegistryError",
    "UnknownModelError",
    "aliased_digests",
    "fetch",
    "follow",
    "keep_settings",
    "project_aliases",
    "register",
    "settings_of",
]
