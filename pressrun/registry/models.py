"""Registered models: what a version is, how it is registered once, and how it comes back verified."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pressrun.bundle import load_bundle
from pressrun.config.environment import Environment
from pressrun.registry.errors import RegistryError, UnknownModelError
from pressrun.registry.tracking import ALREADY_THERE, STEP_TAG, answering, connect, sign_in

if TYPE_CHECKING:
    from mlflow import MlflowClient

DIGEST_TAG = "pressrun.digest"
EXAMPLES_TAG = "pressrun.examples"
DATA_PATH = "data/bundle"
ARTIFACT = "model"
LOADER = "pressrun.bundle.mlflow_flavor"


class ModelRef(BaseModel):
    """A registered model version. `digest` is the bundle's; `bundle` is its folder here."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    run_id: str
    bundle: str


def register(
    environment: Environment,
    *,
    name: str,
    step_key: str,
    run_id: str,
    bundle: Path,
    digest: str,
    tags: Mapping[str, str] | None = None,
) -> ModelRef:
    """Registers the bundle as the next version of `name`, once a step and digest: a retry gets the first's version.

    The files go up first and the version is made last, so what is registered is whole. It becomes MLflow's
    `candidate`. Raises RegistryError.
    """
    client = connect(environment)
    with answering(environment):
        version = _registered(client, name, step_key, digest)
        if version is None:
            _upload(client, run_id, bundle, digest)
            _ensure_model(client, name)
            source = f"{client.get_run(run_id).info.artifact_uri}/{ARTIFACT}"
            marks = {**(tags or {}), STEP_TAG: step_key, DIGEST_TAG: digest}
            version = str(client.create_model_version(name, source, run_id, tags=marks).version)
        client.set_registered_model_alias(name, "candidate", version)
    kept = _keep(environment, bundle, digest)
    return ModelRef(name=name, version=version, digest=digest, run_id=run_id, bundle=str(kept))


def _registered(client: MlflowClient, name: str, step_key: str, digest: str) -> str | None:
    for version in client.search_model_versions(f"name = '{name}'", max_results=1000):
        if version.tags.get(STEP_TAG) == step_key and version.tags.get(DIGEST_TAG) == digest:
            return str(version.version)
    return None


def _ensure_model(client: MlflowClient, name: str) -> None:
    """Two runs at once may both find none; one of them makes it."""
    from mlflow.exceptions import MlflowException

    if client.search_registered_models(f"name = '{name}'", max_results=1):
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ALREADY_THERE:
            raise


def _upload(client: MlflowClient, run_id: str, bundle: Path, digest: str) -> None:
    with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        folder = Path(scratch)
        shutil.copytree(bundle, folder / DATA_PATH)
        (folder / "MLmodel").write_text(yaml.safe_dump(_mlmodel(run_id, digest)), encoding="utf-8")
        (folder / "requirements.txt").write_text("pressrun\n", encoding="utf-8")
        client.log_artifacts(run_id, scratch, ARTIFACT)


def _mlmodel(run_id: str, digest: str) -> dict[str, Any]:
    flavor = {"loader_module": LOADER, "data": DATA_PATH, "env": {"virtualenv": "requirements.txt"}}
    return {
        "artifact_path": ARTIFACT,
        "run_id": run_id,
        "flavors": {"python_function": flavor},
        "metadata": {"digest": digest},
    }


def fetch(environment: Environment, name: str, version: str) -> ModelRef:
    """The version with its bundle in a folder here, verified by the digest in its tag.

    Raises UnknownModelError, RegistryError, BundleError.
    """
    from mlflow.exceptions import MlflowException

    client = connect(environment)
    try:
        found = client.get_model_version(name, version)
    except MlflowException as error:
        raise UnknownModelError(f"{name} has no version {version} in MLflow: {str(error).splitlines()[0]}") from error
    digest = str(found.tags.get(DIGEST_TAG, ""))
    if len(digest) != 64:
        raise RegistryError(f"{name} version {version} has no tag {DIGEST_TAG}: it was not registered by Pressrun")
    folder = _local(environment, digest)
    if not folder.is_dir():
        with answering(environment):
            _download(environment, f"{found.source}/{DATA_PATH}", digest)
    load_bundle(folder, digest=digest)
    return ModelRef(name=name, version=str(version), digest=digest, run_id=str(found.run_id), bundle=str(folder))


def _download(environment: Environment, uri: str, digest: str) -> None:
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        got = download_artifacts(artifact_uri=uri, dst_path=scratch, tracking_uri=sign_in(environment))
        _keep(environment, Path(got), digest)


def _keep(environment: Environment, bundle: Path, digest: str) -> Path:
    """Copies a verified bundle to its place among the local models; whole or not at all."""
    place = _local(environment, digest)
    if place.is_dir():
        return place
    load_bundle(bundle, digest=digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    shutil.copytree(bundle, beside, dirs_exist_ok=True)
    try:
        os.rename(beside, place)
    except OSError:  # another process was first
        shutil.rmtree(beside)
    return place


def _local(environment: Environment, digest: str) -> Path:
    return Path(environment.home) / "models" / digest
