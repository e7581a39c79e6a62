"""Tells people through the outbox. An unreachable Slack never fails a task: the message waits for the next delivery."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.config.environment import Environment
    from pressrun.config.pipeline import Pipeline
    from pressrun.step import Step
    from pressrun.verdict import Verdict

log = logging.getLogger(__name__)
_WORDS = {"report": "Report", "page": "Model page", "mlflow": "MLflow", "run": "Airflow run"}


def tell_verdict(verdict: Verdict, step: Step, *, links: Mapping[str, str], run_id: str) -> None:
    """Puts the verdict into its thread: a model version's, else the run's."""
    from pressrun import alerts

    run = f"{step.environment.airflow_url.rstrip('/')}/dags/{step.key.dag_id}/runs/{run_id}"
    shown = {_WORDS[name]: url for name, url in {**links, "run": run}.items() if name in _WORDS}
    alerts.tell(step.environment, step.pipeline, verdict, thread=thread(verdict, run_id), links=shown)


def tell_rollout(environment: Environment, pipeline: Pipeline | str, step_key: str, told: set[str]) -> None:
    """Puts what has happened in the step's rollout into its version's thread, once each; never raises.

    `pipeline` is the pipeline or its file.
    `told` keeps the keys of what need not be said again; losing it costs time and no second message.
    """
    from pressrun.config.load import load_pipeline
    from pressrun.rollout import news_of

    try:
        pipeline = load_pipeline(pipeline) if isinstance(pipeline, str) else pipeline
        for one in news_of(environment, pipeline.model, step_key):
            if one.key not in told:
                where = f"{pipeline.model} v{one.version}"
                say(environment, pipeline, key=one.key, thread=where, text=one.text, loud=one.loud)
                told.add(one.key)
    except Exception as error:
        log.warning("What happens in the rollout is told later: %s", error)


def say(environment: Environment, pipeline: Pipeline, *, key: str, thread: str, text: str, loud: bool = False) -> None:
    """Puts a message that is no verdict into the outbox."""
    from pressrun import alerts

    alerts.say(environment, pipeline, key=key, thread=thread, text=text, loud=loud)


def deliver(environment: Environment) -> None:
    """Delivers what waits in the outbox; a failure is logged, the messages stay."""
    from pressrun import alerts

    try:
        alerts.deliver(environment)
    except Exception as error:
        log.warning("Messages wait in the outbox, delivery failed: %s", error)


def thread(verdict: Verdict, run_id: str) -> str:
    """One thread a model version; what is judged before there is one goes under its run."""
    return f"{verdict.pipeline} v{verdict.model_version}" if verdict.model_version else f"{verdict.pipeline} {run_id}"
