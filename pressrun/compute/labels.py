"""What a resource is labeled with, for bills and for who looks at it: whose it is, which model, run and stage.

Kubernetes has keys of its own for that, which dashboards and cost tools know:
https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pressrun.jobs import ExternalJob
from pressrun.step import Step

_APPLICATION = "app.kubernetes.io"


def labels_of(step: Step, entered: ExternalJob, more: Mapping[str, str]) -> dict[str, str]:
    """Of a job, before its platform's own rules for them: the environment's go before ours, `more` before both."""
    return {
        "pressrun-team": step.pipeline.owner,
        "pressrun-pipeline": entered.pipeline,
        "pressrun-run": step.key.run_id,
        "pressrun-stage": entered.stage,
        "pressrun-token": entered.token,
        **step.environment.labels,
        **more,
    }


def pod_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """A job's as its pods have them, with those that Kubernetes recommends."""
    recommended = {
        f"{_APPLICATION}/name": "pressrun",
        f"{_APPLICATION}/component": labels.get("pressrun-stage", ""),
        f"{_APPLICATION}/part-of": labels.get("pressrun-pipeline", ""),
    }
    given = {key: value for key, value in recommended.items() if value}
    return {**label_values({**given, **labels}), f"{_APPLICATION}/managed-by": "pressrun"}


def label_values(labels: Mapping[str, str]) -> dict[str, str]:
    """Values that Kubernetes takes: letters, digits, - _ . inside, 63 at most."""
    return {key: re.sub(r"[^A-Za-z0-9_.-]", "-", value)[:63].strip("-_.") for key, value in labels.items()}


def aws_tags(labels: Mapping[str, str]) -> dict[str, str]:
    """Values that AWS takes: letters, digits, spaces and _ . : / = + - @, 256 at most."""
    return {key: re.sub(r"[^\w\s.:/=+@-]", "-", value)[:256] for key, value in labels.items()}
