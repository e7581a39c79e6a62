"""MLflow's aliases `champion` and `candidate`: a projection for people to read. What the router serves is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pressrun.config.environment import Environment
from pressrun.registry.models import DIGEST_TAG, ModelRef
from pressrun.registry.tracking import answering, connect

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIASES = ("champion", "candidate")


def aliased_digests(environment: Environment, name: str) -> dict[str, str]:
    """The digest of the version that each alias of the model points at, by alias. Raises RegistryError."""
    client = connect(environment)
    with answering(environment):
        present = _present(client, name)
        versions = {alias: client.get_model_version(name, version) for alias, version in present.items()}
    return {alias: str(version.tags.get(DIGEST_TAG, "")) for alias, version in versions.items()}


def follow(environment: Environment, served: ModelRef) -> tuple[str, ...]:
    """Points `champion` at what is served, and `candidate` at the newest version unless that is the same model.

    Returns what it moved, in words. Raises RegistryError.
    """
    client, name = connect(environment), served.name
    with answering(environment):
        found = client.search_model_versions(f"name = '{name}'", max_results=1000)
    made = {int(one.version): str(one.tags[DIGEST_TAG]) for one in found if DIGEST_TAG in one.tags}
    newest = max(made, default=None)
    waiting = str(newest) if newest is not None and made[newest] != served.digest else None
    return project_aliases(environment, name, champion=served.version, candidate=waiting)


def project_aliases(
    environment: Environment, name: str, *, champion: str | None = None, candidate: str | None = None
) -> tuple[str, ...]:
    """Points MLflow's aliases at these versions; None takes the alias away. Returns what it moved, in words."""
    client = connect(environment)
    with answering(environment):
        wanted = dict(zip(ALIASES, (champion, candidate), strict=True))
        present = _present(client, name)
        moved = [alias for alias in ALIASES if wanted[alias] != present.get(alias)]
        for alias in moved:
            _point(client, name, alias, wanted[alias])
    return tuple(f"{alias} {_shown(present.get(alias))} → {_shown(wanted[alias])}" for alias in moved)


def _point(client: MlflowClient, name: str, alias: str, version: str | None) -> None:
    if version is None:
        client.delete_registered_model_alias(name, alias)
    else:
        client.set_registered_model_alias(name, alias, version)


def _present(client: MlflowClient, name: str) -> Mapping[str, str]:
    """Of a model of which nothing is registered there are none."""
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}
    return {alias: str(version) for alias, version in aliases.items() if alias in ALIASES}


def _shown(version: str | None) -> str:
    return f"v{version}" if version else "none"
