"""The newest version of a model, for who names none."""

from __future__ import annotations

from pressrun.config.environment import Environment
from pressrun.registry.errors import UnknownModelError
from pressrun.registry.tracking import answering, connect


def newest_version(environment: Environment, name: str) -> str:
    """The highest version that is registered. Raises UnknownModelError before there is one, and RegistryError."""
    client = connect(environment)
    with answering(environment):
        found = client.search_model_versions(f"name = '{name}'", max_results=1, order_by=["version_number DESC"])
    if not found:
        raise UnknownModelError(f"{name} has no version in MLflow yet: `pressrun train {name}` registers one")
    return str(found[0].version)
