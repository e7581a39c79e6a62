"""What a platform says, before the first job, of where jobs are to run; nothing is started for it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from pressrun.compute.driver_pod import mebibytes
from pressrun.compute.platform import ComputeError, ConfigurationFailed
from pressrun.config.spark import DataprocCluster, DataprocServerless, EmrOnEks, EmrServerless, SparkResources

_RELEASE = re.compile(r"emr-(?:spark-)?(\d+)\.")
_FIRST_EMR, _FIRST_DATAPROC = 8, 3
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-behavior.html#worker-configs
_OVERHEAD, _LEAST_OVERHEAD_MIB, _WORKER_DISK_GB = 0.1, 384, 20
State: TypeAlias = Literal["good", "doubt", "bad", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """One thing that was looked at; with a `doubt` a job may run, with something `bad` none will.

    `skipped` is what only a job shows.
    """

    what: str
    words: str
    state: State = "good"
    remedy: str = ""


@runtime_checkable
class LooksAhead(Protocol):
    """A platform that can be asked for where its jobs are to run."""

    def outlook(self) -> Iterator[Outlook]:
        """What there is to say. Starts and changes nothing."""
        ...


def absent(what: str, said: Exception) -> Outlook:
    """Of something that the service does not know."""
    remedy = "name one that is there, of that account or project and region, in spark.platform"
    return Outlook(what=what, state="bad", words=str(said), remedy=remedy)


def unseen(what: str, error: ComputeError) -> Outlook:
    """Of something that this account may not look at, or could not."""
    remedy = error.hint if isinstance(error, ConfigurationFailed) else "look again when it answers"
    return Outlook(what=what, state="doubt", words=f"not looked at: {error.reason}", remedy=remedy)


def application(told: Mapping[str, Any], place: EmrServerless) -> Iterator[Outlook]:
    """Of EMR Serverless, as GetApplication tells it."""
    what, name, release = "application", told["applicationId"], told["releaseLabel"]
    words = f"{name} is {told['state']}, of release {release}"
    starts = told.get("autoStartConfiguration", {}).get("enabled", True)
    trouble = ""
    if told["state"] == "TERMINATED":
        trouble = "create another application, and name it in spark.platform.application_id"
    elif told["state"] in ("CREATED", "STOPPED") and not starts:
        trouble = f"aws emr-serverless start-application --application-id {name}, or let it start by itself"
    elif told["type"].upper() != "SPARK":
        trouble = "create an application of type Spark"
    elif _too_old(release):
        trouble = "create one of release emr-spark-8.0 or later, which has Spark 4"
    yield Outlook(what=what, words=words, state="bad" if trouble else "good", remedy=trouble)
    yield from _capacity(told.get("maximumCapacity", {}), place.resources)
    yield from _role(told["arn"], place.execution_role_arn)


def virtual_cluster(told: Mapping[str, Any], place: EmrOnEks) -> Iterator[Outlook]:
    """Of EMR on EKS, as DescribeVirtualCluster tells it."""
    runs = told["state"] == "RUNNING"
    remedy = "" if runs else "look at the EKS cluster behind it, or name another in spark.platform.virtual_cluster_id"
    yield Outlook(
        what="virtual cluster",
        words=f"{told['id']} is {told['state']}",
        state="good" if runs else "bad",
        remedy=remedy,
    )
    if _too_old(place.release_label):
        remedy = "name emr-spark-8.0.0-latest or later, which has Spark 4, in spark.platform.release_label"
        yield Outlook(what="release", words=f"{place.release_label} has Spark 3", state="bad", remedy=remedy)
    yield from _role(told["arn"], place.execution_role_arn)


def cluster(told: Any, place: DataprocCluster) -> Iterator[Outlook]:
    """Of Dataproc, as GetCluster tells it."""
    image, state = told.config.software_config.image_version, told.status.state.name
    remedy = ""
    if state not in ("RUNNING", "UPDATING"):
        remedy = f"gcloud dataproc clusters start {place.cluster} --region {place.region}, or name another"
    elif (number := re.match(r"\d+", image)) and int(number[0]) < _FIRST_DATAPROC:
        remedy = "create one of image 3.0 or later, which has Spark 4"
    words = f"{place.cluster} is {state}, of image {image}"
    yield Outlook(what="cluster", words=words, state="bad" if remedy else "good", remedy=remedy)
    told_by_a_job = "whether a job may be submitted, and its account may read the lake, only a job shows"
    yield Outlook(what="rights", words=told_by_a_job, state="skipped")


def batches(place: DataprocServerless) -> Iterator[Outlook]:
    """Of Dataproc Serverless, which has nothing to look at but its own name for a runtime."""
    number = re.match(r"\d+", place.runtime_version)
    if number and int(number[0]) < _FIRST_DATAPROC:
        remedy = "name 3.0 or later, which has Spark 4, in spark.platform.runtime_version"
        yield Outlook(what="runtime", words=f"{place.runtime_version} has Spark 3", state="bad", remedy=remedy)
    words = "whether one may be created, its service account and the subnetwork, only a batch shows"
    yield Outlook(what="batches", words=words, state="skipped")


def _too_old(release: str) -> bool:
    found = _RELEASE.match(release)
    return found is not None and int(found[1]) < _FIRST_EMR


def _capacity(most: Mapping[str, str], asked: SparkResources) -> Iterator[Outlook]:
    """A job runs with fewer executors where not all have room, and with none where not one has."""
    whole, least = _workers(asked, asked.executors), _workers(asked, 1)
    for key, needed in whole.items():
        given = re.match(r"[\d.]+", most.get(key, ""))
        if given and float(given[0]) < needed:
            words = f"a job asks for {needed} of {key}, the application has {most[key]} at most"
            remedy = "raise the application's maximum capacity, or lower spark.platform.resources"
            state: State = "bad" if float(given[0]) < least[key] else "doubt"
            yield Outlook(what="maximum capacity", words=words, state=state, remedy=remedy)


def _workers(asked: SparkResources, executors: int) -> dict[str, int]:
    """What driver and executors take of an application: whole GB with Spark's overhead, and the disk that each has."""
    return {
        "cpu": asked.driver_cores + executors * asked.executor_cores,
        "memory": _worker_gb(asked.driver_memory) + executors * _worker_gb(asked.executor_memory),
        "disk": (1 + executors) * _WORKER_DISK_GB,
    }


def _worker_gb(memory: str) -> int:
    asked = mebibytes(memory)
    return math.ceil((asked + max(asked * _OVERHEAD, _LEAST_OVERHEAD_MIB)) / 1024)


def _role(owner: str, role: str) -> Iterator[Outlook]:
    account, name = owner.split(":")[4], role.partition(":role/")[2]
    if role.split(":")[4] != account:
        words = f"{name} is of another account than where jobs run"
        remedy = f"name a role of the account {account} in spark.platform.execution_role_arn"
        yield Outlook(what="role", words=words, state="bad", remedy=remedy)
        return
    yield Outlook(
        what="role", words=f"whether {name} may be passed, and may read the lake, only a job shows", state="skipped"
    )
