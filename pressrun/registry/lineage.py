"""What every registered model version stands on, as its MLflow run says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pressrun.config.environment import Environment
from pressrun.lake.types import DatasetRef
from pressrun.registry.models import DIGEST_TAG, EXAMPLES_TAG, ModelRef
from pressrun.registry.tracking import STEP_TAG, answering, connect, open_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 200
OURS = "pressrun"


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A version that Pressrun registered: whose step made it, and the datasets that it was trained on.

    `datasets` has the training rows as `examples`, and what those were made from by the names of the training's inputs.
    """

    name: str
    version: str
    digest: str
    step_key: str
    datasets: dict[str, DatasetRef]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


def registered_versions(environment: Environment, name: str | None = None) -> list[Registered]:
    """Every version of every model, or of this one, the oldest first. Raises RegistryError where MLflow is away."""
    client = connect(environment)
    with answering(environment):
        found = [_registered(client, version) for version in _versions(client, name)]
    return sorted(found, key=lambda one: (one.name, int(one.version)))


def _versions(client: MlflowClient, name: str | None) -> Iterator[Any]:
    wanted, token = f"name = '{name}'" if name else None, None
    while True:
        page = client.search_model_versions(wanted, max_results=_PAGE, page_token=token)
        yield from (version for version in page if DIGEST_TAG in version.tags)
        token = page.token
        if not token:
            return


def _registered(client: MlflowClient, version: Any) -> Registered:
    return Registered(
        name=str(version.name),
        version=str(version.version),
        digest=str(version.tags[DIGEST_TAG]),
        step_key=str(version.tags.get(STEP_TAG, "")),
        datasets=_datasets(client, version.run_id),
    )


def _datasets(client: MlflowClient, run_id: str | None) -> dict[str, DatasetRef]:
    """Of a run that somebody deleted nothing is known, and nothing of it is needed."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return {}
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    given = [one.dataset for one in (run.inputs.dataset_inputs if run.inputs else [])]
    told = {one.name: one.source for one in given if one.source_type == OURS}
    if text := run.data.tags.get(EXAMPLES_TAG):
        told["examples"] = text
    return {name: ref for name, text in told.items() if (ref := _reference(text)) is not None}


def _reference(text: str) -> DatasetRef | None:
    try:
        return DatasetRef.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        return None


def copy_lineage(model: ModelRef, near: Environment, far: Environment) -> ModelRef:
    """The model as the far MLflow knows it: by a run that names the same training rows. Raises RegistryError.

    Its bundle stays where it is, and no version is registered.
    """
    client = connect(near)
    with answering(near):
        tags = client.get_run(model.run_id).data.tags if model.run_id else {}
    kept = {name: tags[name] for name in (EXAMPLES_TAG, DIGEST_TAG) if name in tags}
    with answering(far):
        run_id = open_run(far, experiment=model.name, step_key=f"lineage of v{model.version}", tags=kept)
    return model.model_copy(update={"run_id": run_id})
