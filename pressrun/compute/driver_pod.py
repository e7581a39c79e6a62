"""The pod of a Spark driver, as spark-submit's cluster mode would make it."""

from __future__ import annotations

import re
from typing import Any

from pressrun.compute.labels import pod_labels
from pressrun.compute.platform import SparkJob
from pressrun.config.spark import Kubernetes

MASTER = "k8s://https://kubernetes.default.svc"
_DRIVER_PORT, _BLOCK_PORT = 7078, 7079
_ADDRESS = "SPARK_DRIVER_BIND_ADDRESS"
# Spark's own share for what is not the JVM's heap, where the driver is Python: spark.kubernetes.memoryOverheadFactor.
OVERHEAD = 1.4
_MIB = {"m": 1, "g": 1024, "t": 1024 * 1024}


def driver_pod(job: SparkJob, token: str, place: Kubernetes) -> dict[str, Any]:
    """The manifest: Spark's image with its own entry point, told `driver`; executors belong to it and end with it."""
    labels = {**pod_labels(job.labels), "spark-role": "driver", "spark-app": token}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": token, "namespace": place.namespace, "labels": labels},
        "spec": {
            "serviceAccountName": place.service_account,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": job.timeout_minutes * 60,
            "terminationGracePeriodSeconds": 10,
            "nodeSelector": dict(place.node_selector),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": place.run_as_user,
                "fsGroup": place.run_as_user,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(job, token, place)],
        },
    }


def _container(job: SparkJob, token: str, place: Kubernetes) -> dict[str, Any]:
    asked = job.resources
    memory = f"{int(mebibytes(asked.driver_memory) * OVERHEAD)}Mi"
    return {
        "name": "spark-kubernetes-driver",
        "image": place.image,
        "imagePullPolicy": place.pull_policy,
        "args": ["driver", *_submit(job, token, place)],
        "env": [{"name": _ADDRESS, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "ports": [{"name": "driver", "containerPort": _DRIVER_PORT}, {"name": "blocks", "containerPort": _BLOCK_PORT}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {"requests": {"cpu": str(asked.driver_cores), "memory": memory}, "limits": {"memory": memory}},
    }


def _submit(job: SparkJob, token: str, place: Kubernetes) -> list[str]:
    conf = {**_settings(job, token, place), **job.conf}
    given = [word for key, value in sorted(conf.items()) for word in ("--conf", f"{key}={_literal(value)}")]
    brought = {"--py-files": job.packages, "--files": job.files}
    files = [word for option, uris in brought.items() if uris for word in (option, ",".join(map(hadoop, uris)))]
    return ["--master", MASTER, *given, *files, hadoop(job.entry), *job.arguments]


def _settings(job: SparkJob, token: str, place: Kubernetes) -> dict[str, str]:
    asked = job.resources
    python = {"spark.pyspark.python": place.python} if place.python else {}
    if place.python_archive:
        python |= {"spark.archives": f"{hadoop(place.python_archive)}#environment"}
        python |= {"spark.executorEnv.PYSPARK_PYTHON": place.python or "./environment/bin/python"}
    labels = {f"spark.kubernetes.executor.label.{key}": value for key, value in pod_labels(job.labels).items()}
    select = {f"spark.kubernetes.executor.node.selector.{key}": value for key, value in place.node_selector.items()}
    return {
        "spark.driver.host": f"$({_ADDRESS})",
        "spark.driver.port": str(_DRIVER_PORT),
        "spark.driver.blockManager.port": str(_BLOCK_PORT),
        "spark.driver.memory": asked.driver_memory,
        "spark.executor.instances": str(asked.executors),
        "spark.executor.cores": str(asked.executor_cores),
        "spark.executor.memory": asked.executor_memory,
        "spark.kubernetes.namespace": place.namespace,
        "spark.kubernetes.driver.pod.name": token,
        "spark.kubernetes.executor.podNamePrefix": token,
        "spark.kubernetes.container.image": place.image,
        "spark.kubernetes.container.image.pullPolicy": place.pull_policy,
        "spark.kubernetes.authenticate.driver.serviceAccountName": place.service_account,
        "spark.kubernetes.authenticate.executor.serviceAccountName": place.service_account,
        **labels,
        **select,
        **python,
    }


def hadoop(uri: str) -> str:
    """The address as Hadoop's file systems call it; a path is one on a volume that all pods have."""
    return re.sub(r"^s3://", "s3a://", uri) if "://" in uri else f"file://{uri}"


def mebibytes(memory: str) -> int:
    """Spark's `4g` or `512m` in MiB. Raises ValueError."""
    found = re.fullmatch(r"(\d+)([mgt])b?", memory.lower())
    if not found:
        raise ValueError(f"memory is written as 512m or 4g, given {memory!r}")
    return int(found[1]) * _MIB[found[2]]


def _literal(value: str) -> str:
    """Kubernetes would put a variable for $(NAME); the driver's address is one."""
    return value if value == f"$({_ADDRESS})" else value.replace("$(", "$$(")
