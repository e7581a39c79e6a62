"""Where a gate's report goes, and what MLflow knows of the champion. MLflow away is a note, never a failed gate."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from pressrun.config.environment import Environment
from pressrun.gates.evidence import Evidence
from pressrun.gates.report import to_html
from pressrun.lake.types import DatasetRef
from pressrun.links import mlflow_run_url, report_file
from pressrun.registry import EXAMPLES_TAG, RegistryError, aliased_digests
from pressrun.registry.artifacts import kept_with_run
from pressrun.registry.tracking import connect
from pressrun.step import Step
from pressrun.verdict import Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pressrun.registry import ModelRef

_log = logging.getLogger(__name__)


def publish(step: Step, verdict: Verdict, evidence: Evidence | None, candidate: ModelRef) -> Verdict:
    """Writes the report below the environment's home and beside the candidate's MLflow run; the verdict names it."""
    environment, model = step.environment, step.pipeline.model
    file = report_file(environment, model, f"gate-v{candidate.version}", step_key=str(step.key))
    named = verdict.model_copy(update={"report": str(file)})
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(to_html(named, evidence, links=_links(environment, candidate)), encoding="utf-8")
    if kept_with_run(environment, file, run_id=candidate.run_id, folder="gate"):
        return named
    return named.model_copy(update={"notes": (*named.notes, "MLflow did not take the report; it is kept locally.")})


def champion_examples(environment: Environment, champion: ModelRef) -> DatasetRef | None:
    """What the champion was trained on, from its MLflow run's tag; None where it does not say."""
    client = _client(environment)
    if client is None or not champion.run_id:
        return None
    try:
        text = client.get_run(champion.run_id).data.tags.get(EXAMPLES_TAG)
        return DatasetRef.model_validate(json.loads(text)) if text else None
    except Exception as error:
        _log.warning("MLflow does not say what champion v%s was trained on: %s", champion.version, error)
        return None


def alias_notes(environment: Environment, model: str, champion: ModelRef | None) -> tuple[str, ...]:
    """What to say when MLflow's alias `champion` is not what is served: people read the alias."""
    try:
        told = aliased_digests(environment, model).get("champion")
    except RegistryError as error:
        _log.warning("MLflow does not say which version it calls champion: %s", error)
        return ()
    if told == (champion.digest if champion else None):
        return ()
    said = "is not set" if told is None else f"points at {told[:12] or 'a version that Pressrun did not register'}"
    served = "no model is served"
    if champion:
        served = f"v{champion.version} ({champion.digest[:12]}), which is served, was compared with"
    return (f"MLflow's alias champion {said}; {served}.",)


def _links(environment: Environment, candidate: ModelRef) -> dict[str, str]:
    links = {"Airflow": environment.airflow_url}
    if candidate.run_id and (run := mlflow_run_url(environment, candidate.run_id)):
        links["MLflow run"] = run
    return links


def _client(environment: Environment) -> MlflowClient | None:
    """An MLflow client, or None when nothing answers within seconds."""
    try:
        return connect(environment)
    except RegistryError as error:
        _log.warning("%s", error)
        return None
