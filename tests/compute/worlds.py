"""A platform with what stands in for its service, and the hands of a service: what a test may have happen there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol

import boto3
from botocore.config import Config

from pressrun.compute import ComputePlatform, Handle, SparkJob
from pressrun.compute.emr_serverless import EmrServerlessPlatform
from pressrun.compute.local import LocalPlatform
from pressrun.config.spark import EmrServerless
from tests.fakes.emr import FakeEmr, fake_emr

ROLE = "arn:aws:iam::123456789012:role/pressrun-job"


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


def some_job(**more: Any) -> SparkJob:
    root = "s3://news/lake/_jobs"
    return SparkJob(
        name="topics sample",
        entry=f"{root}/entry-0.py",
        packages=(f"{root}/pressrun-0.zip",),
        files=(f"{root}/order-0.json",),
        arguments=("pressrun.driver", "pressrun-0.zip", "order-0.json", "--platform-session"),
        conf={"spark.sql.session.timeZone": "UTC", "spark.driver.extraJavaOptions": "-Da='b c' -Dd=\"e\""},
        labels={"pressrun-pipeline": "topics"},
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

    def __init__(self, fake: FakeEmr) -> None:
        super().__init__(fake)
        place = EmrServerless(
            kind="emr_serverless",
            region="eu-west-1",
            application_id="00abc123",
            execution_role_arn=ROLE,
            log_uri="s3://news/logs",
            prices={"vCPUHour": 0.1, "memoryGBHour": 0.01},
        )
        self.platform = EmrServerlessPlatform(place, aws_client("emr-serverless", fake.url))

    def end(self, handle: Handle, how: str) -> None:
        run = next(run for run in self.fake.runs if run.id == handle.job_id)
        state = {"well": "SUCCESS", "cancelled": "CANCELLED"}.get(how, "FAILED")
        self.fake.end(run, state, self.details.get(how, ""))


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
    with fake_emr() as fake:
        yield {"emr_serverless": EmrServerlessWorld}[kind](fake)
