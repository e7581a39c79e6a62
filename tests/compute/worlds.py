"""A platform with what stands in for its service, and the hands of a service: what a test may have happen there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import boto3
from botocore.config import Config

from pressrun.compute import ComputePlatform, Handle, SparkJob
from pressrun.compute.dataproc_cluster import DataprocClusterPlatform
from pressrun.compute.dataproc_serverless import DataprocServerlessPlatform
from pressrun.compute.emr_on_eks import EmrOnEksPlatform
from pressrun.compute.emr_serverless import EmrServerlessPlatform
from pressrun.compute.kubernetes import KubernetesPlatform
from pressrun.compute.local import LocalPlatform
from pressrun.config.spark import DataprocCluster, DataprocServerless, EmrOnEks, EmrServerless, Kubernetes
from tests.fakes.dataproc import FakeDataproc, fake_dataproc
from tests.fakes.emr import FakeEmr, fake_emr
from tests.fakes.pods import FakePods, fake_pods

ROLE = "arn:aws:iam::123456789012:role/pressrun-job"


def submit(platform: ComputePlatform, job: SparkJob, token: str) -> Handle:
    """What the first try of a job does."""
    return platform.submit(platform.request(job, token), token)


class World(Protocol):
    """One platform under test. What a world cannot have happen it leaves out of `can`."""

    platform: ComputePlatform
    can: frozenset[str]

    def job(self) -> SparkJob: ...

    def started(self) -> int:
        """How many jobs there are."""
        ...

    def lose_an_answer(self) -> None:
        """The next submit is obeyed, and its answer never comes."""

    def list_late(self, looks: int) -> None:
        """The next job is not there for so many looks."""

    def throttle(self, calls: int) -> None:
        """The next calls are refused for now."""

    def expire(self) -> None:
        """The credentials of the next call do not hold."""

    def refuse(self) -> None:
        """The next submit is refused for good."""

    def end(self, handle: Handle, how: str) -> None:
        """The job ends: "well", "job", "platform" or "configuration" (as what it fails), or "cancelled" by others."""


@cache
def _session() -> Any:
    return boto3.session.Session(aws_access_key_id="AKIDTEST", aws_secret_access_key="test")


def aws_client(service: str, url: str) -> Any:
    """A client that asks once."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
    return _session().client(service, region_name="eu-west-1", endpoint_url=url, config=config)


def some_job(scheme: str = "s3", *, labels: dict[str, str] | None = None, **more: Any) -> SparkJob:
    root = f"{scheme}://news/lake/_jobs"
    return SparkJob(
        name="topics sample",
        entry=f"{root}/entry-0.py",
        packages=(f"{root}/pressrun-0.zip",),
        files=(f"{root}/order-0.json",),
        arguments=("pressrun.driver", "pressrun-0.zip", "order-0.json", "--platform-session"),
        conf={"spark.sql.session.timeZone": "UTC", "spark.driver.extraJavaOptions": "-Da='b c' -Dd=\"e\""},
        labels=labels or {"pressrun-pipeline": "topics"},
        **more,
    )


class _Emr:
    can = frozenset({"lose", "late", "throttle", "expire", "refuse", "platform", "configuration"})
    service: str
    platform: ComputePlatform

    def __init__(self, fake: FakeEmr) -> None:
        self.fake = fake

    def job(self) -> SparkJob:
        return some_job()

    def started(self) -> int:
        return len(self.fake.runs)

    def lose_an_answer(self) -> None:
        self.fake.troubles["StartJobRun"] = ["lost"]

    def list_late(self, looks: int) -> None:
        self.fake.unlisted = looks

    def throttle(self, calls: int) -> None:
        for name in ("StartJobRun", "GetJobRun", "DescribeJobRun", "ListJobRuns", "CancelJobRun"):
            self.fake.troubles[name] = ["throttled"] * calls

    def expire(self) -> None:
        for name in ("StartJobRun", "GetJobRun", "DescribeJobRun"):
            self.fake.troubles[name] = ["expired"]

    def refuse(self) -> None:
        self.fake.troubles["StartJobRun"] = ["denied"]


class EmrServerlessWorld(_Emr):
    details: ClassVar[dict[str, str]] = {
        "job": "Job execution failed, please check complete logs in configured logging destination. ExitCode: 1.",
        "platform": "Job run could not be started: insufficient capacity in the application",
        "configuration": "Access denied while assuming the execution role",
    }

    def __init__(self, fake: FakeEmr, application_id: str = "00abc123") -> None:
        super().__init__(fake)
        place = EmrServerless(
            kind="emr_serverless",
            region="eu-west-1",
            application_id=application_id,
            execution_role_arn=ROLE,
            log_uri="s3://news/logs",
            prices={"vCPUHour": 0.1, "memoryGBHour": 0.01},
        )
        self.platform = EmrServerlessPlatform(
            place, aws_client("emr-serverless", fake.url), quotas=lambda: aws_client("service-quotas", fake.url)
        )

    def end(self, handle: Handle, how: str) -> None:
        run = next(run for run in self.fake.runs if run.id == handle.job_id)
        state = {"well": "SUCCESS", "cancelled": "CANCELLED"}.get(how, "FAILED")
        self.fake.end(run, state, self.details.get(how, ""))


class EmrOnEksWorld(_Emr):
    reasons: ClassVar[dict[str, str]] = {
        "job": "USER_ERROR",
        "platform": "CLUSTER_UNAVAILABLE",
        "configuration": "VALIDATION_ERROR",
    }

    def __init__(self, fake: FakeEmr, eks: Callable[[frozenset[str]], Any] = lambda names: None) -> None:
        super().__init__(fake)
        place = EmrOnEks(
            kind="emr_on_eks",
            region="eu-west-1",
            virtual_cluster_id="vc0abc",
            execution_role_arn=ROLE,
            release_label="emr-spark-8.0.0-latest",
            log_uri="s3://news/logs",
            log_group="/emr/pressrun",
        )
        self.platform = EmrOnEksPlatform(place, aws_client("emr-containers", fake.url), eks=eks)

    def end(self, handle: Handle, how: str) -> None:
        run = next(run for run in self.fake.runs if run.id == handle.job_id)
        run.reason = self.reasons.get(how)
        self.fake.end(run, {"well": "COMPLETED", "cancelled": "CANCELLED"}.get(how, "FAILED"), "Jobrun failed")


class _Dataproc:
    can = frozenset({"lose", "late", "throttle", "expire", "refuse", "platform", "configuration"})
    details: ClassVar[dict[str, str]] = {
        "job": "Job failed with message [ValueError: no such column]",
        "platform": "Insufficient 'CPUS' quota. Requested 12.0, available 8.0. Node pool needs them",
        "configuration": "Permission dataproc.agents.create denied for the service account",
    }
    submit: str
    platform: ComputePlatform

    def __init__(self, fake: FakeDataproc) -> None:
        self.fake = fake

    def job(self) -> SparkJob:
        return some_job(scheme="gs")

    def started(self) -> int:
        return len(self.fake.runs)

    def lose_an_answer(self) -> None:
        self.fake.troubles[self.submit] = ["lost"]

    def list_late(self, looks: int) -> None:
        self.fake.unlisted = looks

    def throttle(self, calls: int) -> None:
        for name in (self.submit, "get_batch", "get_job"):
            self.fake.troubles[name] = ["throttled"] * calls

    def expire(self) -> None:
        for name in (self.submit, "get_batch", "get_job"):
            self.fake.troubles[name] = ["expired"]

    def refuse(self) -> None:
        self.fake.troubles[self.submit] = ["denied"]

    def end(self, handle: Handle, how: str) -> None:
        run = next(run for run in self.fake.runs if run.id == handle.job_id)
        words = {"batch": ("SUCCEEDED", "FAILED"), "job": ("DONE", "ERROR")}[run.kind]
        state = {"well": words[0], "cancelled": "CANCELLED"}.get(how, words[1])
        self.fake.end(run, state, self.details.get(how, ""))


class DataprocServerlessWorld(_Dataproc):
    submit = "create_batch"

    def __init__(self, fake: FakeDataproc) -> None:
        super().__init__(fake)
        place = DataprocServerless(
            kind="dataproc_serverless",
            project="news-prod",
            region="europe-west1",
            service_account="spark@news-prod.iam.gserviceaccount.com",
            subnetwork="default",
            network_tags=["spark"],
            prices={"DCUHour": 0.06, "shuffleStorageGBHour": 0.0001},
        )
        self.platform = DataprocServerlessPlatform(
            place, fake.batches(), regions=fake.compute.regions, projects=fake.compute.projects
        )


class DataprocClusterWorld(_Dataproc):
    submit = "submit_job"

    def __init__(self, fake: FakeDataproc, cluster: str = "spark") -> None:
        super().__init__(fake)
        place = DataprocCluster(kind="dataproc_cluster", project="news-prod", region="europe-west1", cluster=cluster)
        self.platform = DataprocClusterPlatform(
            place,
            fake.jobs(),
            clusters=fake.cluster_controller,
            regions=fake.compute.regions,
            projects=fake.compute.projects,
        )


class KubernetesWorld:
    can = frozenset({"lose", "throttle", "expire", "refuse", "platform", "configuration"})

    def __init__(self, fake: FakePods) -> None:
        self.fake = fake
        place = Kubernetes(kind="kubernetes", namespace="news", image="spark:4", node_selector={"pool": "spark"})
        self.platform: ComputePlatform = KubernetesPlatform(place, fake.client())

    def job(self) -> SparkJob:
        return some_job()

    def started(self) -> int:
        return len(self.fake.created)

    def lose_an_answer(self) -> None:
        self.fake.troubles["POST"] = ["lost"]

    def list_late(self, looks: int) -> None: ...

    def throttle(self, calls: int) -> None:
        for method in ("GET", "POST"):
            self.fake.troubles[method] = ["throttled"] * calls

    def expire(self) -> None:
        self.fake.troubles["GET"] = ["expired"]

    def refuse(self) -> None:
        self.fake.troubles["POST"] = ["denied"]

    def end(self, handle: Handle, how: str) -> None:
        if how == "cancelled":
            del self.fake.pods[handle.job_id]
        elif how == "configuration":
            since = datetime.now(UTC) - timedelta(minutes=9)
            self.fake.wait(handle.job_id, "ImagePullBackOff", since=since)
        elif how == "platform":
            self.fake.end(handle.job_id, "Failed", 137, reason="Evicted", message="The node was low on memory")
        else:
            self.fake.end(handle.job_id, "Succeeded" if how == "well" else "Failed", 0 if how == "well" else 1)


class LocalWorld:
    can: frozenset[str] = frozenset()

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs = folder, folder / "jobs"
        self.platform: ComputePlatform = LocalPlatform(self.jobs)

    def job(self) -> SparkJob:
        entry = self.folder / "entry.py"
        entry.write_text(
            "import sys, time, pathlib\n"
            f"home = pathlib.Path({str(self.folder)!r})\n"
            "(home / f'began-{time.time_ns()}').touch()\n"
            "while not (home / 'end').exists(): time.sleep(0.02)\n"
            "sys.exit(int((home / 'end').read_text()))\n"
        )
        return SparkJob(name="waits", entry=str(entry))

    def started(self) -> int:
        return len(list(self.folder.glob("began-*")))

    def end(self, handle: Handle, how: str) -> None:
        if how == "cancelled":
            LocalPlatform(self.jobs).cancel(handle)
        else:
            (self.folder / "end").write_text("0" if how == "well" else "1")

    def lose_an_answer(self) -> None: ...

    def list_late(self, looks: int) -> None: ...

    def throttle(self, calls: int) -> None: ...

    def expire(self) -> None: ...

    def refuse(self) -> None: ...


@contextmanager
def world(kind: str, folder: Path) -> Iterator[World]:
    """The platform of that kind and its service."""
    if kind == "local":
        made = LocalWorld(folder)
        try:
            yield made
        finally:
            (folder / "end").write_text("0")
        return
    make, worlds = _SERVICES[kind]
    with make() as fake:
        yield worlds(fake)


_SERVICES: dict[str, tuple[Any, Any]] = {
    "emr_serverless": (fake_emr, EmrServerlessWorld),
    "emr_on_eks": (fake_emr, EmrOnEksWorld),
    "dataproc_serverless": (fake_dataproc, DataprocServerlessWorld),
    "dataproc_cluster": (fake_dataproc, DataprocClusterWorld),
    "kubernetes": (fake_pods, KubernetesWorld),
}
KINDS = ("local", *_SERVICES)
