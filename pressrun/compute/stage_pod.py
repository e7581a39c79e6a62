"""The pod of a stage that has an image of its own: as much as it asks for, where it may run, and no right too many."""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pressrun.compute.labels import labels_of, pod_labels
from pressrun.compute.order import WorkOrder, job_environment, make_order
from pressrun.compute.platform import ConfigurationFailed, SparkJob
from pressrun.config.environment import Environment, Mlflow
from pressrun.config.redact import without_userinfo
from pressrun.config.stages import Pods, Resources, Stages
from pressrun.environments.threads import thread_variables
from pressrun.jobs import ExternalJob
from pressrun.lake.types import StageResult
from pressrun.step import Step

VARIABLE = "PRESSRUN_ORDER"
# Linux takes no longer string in a program's environment (MAX_ARG_STRLEN), its name among it.
_LONGEST = 128 * 1024 - len(VARIABLE) - 2
_SCRATCH = "/tmp"


@dataclass(frozen=True, kw_only=True)
class StageJob(SparkJob):
    """A stage without Spark: `order` is all that it is told, `image` what it runs in, `asked` what it may take."""

    order: str
    image: str
    asked: Resources


def make_stage_job(step: Step, entered: ExternalJob, upstream: Sequence[StageResult]) -> StageJob:
    """The job of a ledger's entry. Raises ConfigurationFailed when its order is too long for a pod."""
    order = make_order(
        step, stage=entered.stage, upstream=upstream, fence=entered.fence, token=entered.token, trace=entered.trace
    )
    place, pods = step.environment.stages.of(entered.stage), step.environment.pods
    assert place.environment is not None
    assert pods is not None
    told = order.model_copy(update={"environment": pod_environment(step.environment).model_dump(mode="json")})
    return StageJob(
        name=f"{entered.pipeline} {entered.stage}",
        entry="pressrun.driver",
        order=packed(told),
        image=place.environment.image or "",
        asked=place.resources,
        labels=labels_of(step, entered, pods.labels),
        timeout_minutes=pods.timeout_minutes,
    )


def pod_environment(environment: Environment) -> Environment:
    """The environment as a pod has it: that of a Spark job, and MLflow, where it signs in by its Secret."""
    mlflow = Mlflow(tracking_uri=without_userinfo(environment.mlflow.tracking_uri), ui_url=environment.mlflow.ui_url)
    places = {name: place for name in Stages.model_fields if (place := environment.stages.of(name)).in_pod}
    update = {"mlflow": mlflow, "stages": Stages(**places), "pods": environment.pods}
    return job_environment(environment).model_copy(update=update)


def packed(order: WorkOrder) -> str:
    """The order as a variable's value. Raises ConfigurationFailed beyond what a program can be given."""
    value = base64.b64encode(gzip.compress(order.model_dump_json().encode(), mtime=0)).decode()
    if len(value) > _LONGEST:
        hint = "Shorten the taxonomy and prompts, or name a lock instead of an image"
        raise ConfigurationFailed(f"the stage's order is {len(value):,} bytes, a pod takes {_LONGEST:,}", hint=hint)
    return value


def unpacked(value: str) -> WorkOrder:
    """What `packed` packed."""
    return WorkOrder.model_validate_json(gzip.decompress(base64.b64decode(value)))


def stage_pod(job: StageJob, token: str, place: Pods) -> dict[str, Any]:
    """The manifest. It keeps to Pod Security `restricted`."""
    spot = place.spot if job.asked.spot else None
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": token, "namespace": place.namespace, "labels": pod_labels(job.labels)},
        "spec": {
            "serviceAccountName": place.service_account,
            # It asks the lake and MLflow, never the cluster.
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": job.timeout_minutes * 60,
            "terminationGracePeriodSeconds": 10,
            "nodeSelector": {**place.node_selector, **(spot.node_selector if spot else {})},
            "tolerations": [*place.tolerations, *(spot.tolerations if spot else [])],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": place.run_as_user,
                "fsGroup": place.run_as_user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(job, place)],
            "volumes": [
                {"name": "scratch", "emptyDir": {}},
                # What libraries share between their workers; a container's own is 64 MiB.
                {"name": "shared-memory", "emptyDir": {"medium": "Memory"}},
            ],
        },
    }


def _container(job: StageJob, place: Pods) -> dict[str, Any]:
    variables = {"HOME": _SCRATCH, **thread_variables(job.asked.cpu), VARIABLE: job.order}
    return {
        "name": "stage",
        "image": job.image,
        "imagePullPolicy": place.pull_policy,
        "command": ["python", "-P", "-m", job.entry, "--order-in", VARIABLE],
        "workingDir": _SCRATCH,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        **({"envFrom": [{"secretRef": {"name": place.secret}}]} if place.secret else {}),
        "resources": _resources(job.asked, place),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": _SCRATCH},
            {"name": "shared-memory", "mountPath": "/dev/shm"},
        ],
    }


def _resources(asked: Resources, place: Pods) -> dict[str, Any]:
    """Memory and GPUs are limits; cores are what it is sure of, and may be more where nobody else wants them."""
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if asked.cpu:
        requests["cpu"] = f"{math.ceil(asked.cpu * 1000)}m"
    if asked.memory:
        requests["memory"] = limits["memory"] = asked.memory
    if asked.gpu:
        limits[place.gpu] = str(asked.gpu)
    return {name: told for name, told in {"requests": requests, "limits": limits}.items() if told}
