"""Jobs elsewhere as subjects: a try that starts one, waits and concludes, a driver that writes through the lake."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from kills_boundaries import arm
from kills_census import Census, census
from kills_lineage import At, InJob, Kill, Outcome, Unharmed
from kills_night import copied, key_of, night_pipeline
from kills_template import Child, Template

from pressrun.compute import run as running
from pressrun.compute.connect import open_platform
from pressrun.compute.order import WorkOrder
from pressrun.compute.platform import ComputePlatform
from pressrun.compute.run import StepJob, run_elsewhere
from pressrun.compute.uploads import Uploads
from pressrun.config.environment import Environment
from pressrun.config.spark import Spark
from pressrun.driver import run as run_order
from pressrun.sampling import sample
from pressrun.step import Step, open_lake
from pressrun.taste import tasting_environment

ROLE = "arn:aws:iam::123456789012:role/pressrun-job"
_AWS = {"region": "eu-west-1", "execution_role_arn": ROLE}
_GCP = {"project": "news-prod", "region": "europe-west1"}
PLATFORMS: dict[str, dict[str, Any]] = {
    "emr_serverless": {**_AWS, "application_id": "00abc123"},
    "emr_on_eks": {**_AWS, "virtual_cluster_id": "vc0abc", "release_label": "emr-spark-8.0.0-latest"},
    "dataproc_serverless": dict(_GCP),
    "dataproc_cluster": {**_GCP, "cluster": "spark"},
    "kubernetes": {"namespace": "news", "image": "spark:4"},
}
LOOKED_AT = "looked-at"
# While it runs, when it went well, when it failed.
_WORDS = {
    "emr-serverless": ("RUNNING", "SUCCESS", "FAILED"),
    "emr-containers": ("RUNNING", "COMPLETED", "FAILED"),
    "batch": ("RUNNING", "SUCCEEDED", "FAILED"),
    "job": ("RUNNING", "DONE", "ERROR"),
    "pod": ("Running", "Succeeded", "Failed"),
}
_SUBMITS = ("StartJobRun", "create_batch", "submit_job", "POST")


@dataclass(frozen=True, kw_only=True)
class Clients:
    """Of the fakes at that address."""

    address: str

    def emr_serverless(self, place: Any) -> Any:
        from tests.compute.worlds import aws_client

        return aws_client("emr-serverless", self.address)

    def emr_containers(self, place: Any) -> Any:
        from tests.compute.worlds import aws_client

        return aws_client("emr-containers", self.address)

    def dataproc_batches(self, place: Any) -> Any:
        from tests.fakes.dataproc import FakeDataproc

        return FakeDataproc(address=self.address).batches()

    def dataproc_jobs(self, place: Any) -> Any:
        from tests.fakes.dataproc import FakeDataproc

        return FakeDataproc(address=self.address).jobs()

    def kubernetes(self, place: Any) -> Any:
        from tests.fakes.pods import FakePods

        return FakePods(url=self.address).client()


def attempt(*, home: str, platform: str, address: str, told: str, at: int | None, careless: str = "") -> None:
    """One try of a sample whose Spark job runs on the platform, as `SparkStageOperator` makes it."""
    armed = arm(at, Path(told))
    armed.around(Uploads, "put", "an upload")
    environment = job_home(home, {"kind": platform, **PLATFORMS[platform]})
    there = open_platform(environment, Clients(address=address))
    if careless == "no token":
        be_careless(there)
    run_on(there, environment)


def job_home(home: str, platform: dict[str, Any]) -> Environment:
    spark = Spark.model_validate({"engine": "spark", "platform": platform})
    return tasting_environment(Path(home)).model_copy(update={"spark": spark})


def run_on(there: ComputePlatform, environment: Environment, *, poll_seconds: float = 0.05) -> None:
    """The sample of the second night by a job on the platform, to its end."""
    vars(running).update(_LEASE=timedelta(seconds=0.3), _LOOK_AGAIN=0.05)
    step = Step(key=key_of("sample"), pipeline=night_pipeline(), environment=environment, lake=open_lake(environment))
    ingested = step.lake.finished(key_of("ingest"))
    assert ingested is not None
    run_elsewhere(
        lambda: StepJob.of(step, stage="sample", upstream=[ingested], platform=there),
        lambda: sample(step, ingested),
        poll_seconds=poll_seconds,
    )


def be_careless(platform: Any) -> None:
    """A platform that is asked for another job by each try."""
    submit = platform.submit

    def another(request: Any, token: str) -> Any:
        other = f"pressrun-{uuid4().hex}"
        return submit(json.loads(json.dumps(request).replace(token, other)), other)

    platform.submit = another


def drive(*, order: str, told: str, at: int | None, folder: str) -> None:
    """What the job's driver does, with DuckDB in Spark's place: the order's stage, through the fenced lake.

    It goes on when somebody first looks at the job, as jobs take longer than a worker takes to die and come back.
    """
    arm(at, Path(told))
    while not Path(folder, LOOKED_AT).exists():
        time.sleep(0.01)
    given = WorkOrder.model_validate_json(Path(order).read_text())
    given.environment["spark"]["engine"] = "duckdb"
    run_order(given, Path(folder))


class JobSubject:
    """The sample's job on one platform."""

    def __init__(self, platform: str, *, template: Template, base: Path, careless: str = "") -> None:
        self.platform, self.template, self.home, self.careless = platform, template, base / "sample", careless
        self.name = f"job on {platform}"
        self.expected: Census = Census()

    def world(self, place: Path) -> JobWorld:
        return JobWorld(self, place)

    def unharmed(self, place: Path) -> Unharmed:
        world = self.world(place)
        world.trouble = ""
        start = time.perf_counter()
        if status := world.attempt(0, None).wait():
            raise RuntimeError(f"{self.name} failed ({status}) with nobody killing it: {world.log.read_text()[-3000:]}")
        seconds = time.perf_counter() - start
        self.expected = census(world.home)
        made = Unharmed(boundaries=tuple(world.passed()), seconds=seconds, in_job=tuple(world.jobs[0].passed()))
        world.close()
        return made


class Job:
    """A driver that the service has started."""

    def __init__(self, child: Child, told: Path, folder: Path) -> None:
        self.child, self._told, self._folder = child, told, folder

    def look(self) -> int | None:
        """Its exit status, as the service tells it to who asks; until then it waits."""
        (self._folder / LOOKED_AT).touch()
        return self.status

    def passed(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []

    @property
    def status(self) -> int | None:
        return self.child.wait() if self.child.ended(0) else None


class JobWorld:
    """One lineage's home and service. What the service starts runs in processes of its own."""

    def __init__(self, subject: JobSubject, place: Path) -> None:
        self._subject, self._place, self._kill = subject, place, None
        self.home, self._told, self.log = place / "home", place / "told", place / "log"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        copied(subject.home, self.home)
        self.jobs: list[Job] = []
        self.twice = 0
        self._in_job: int | None = None
        self._stack = ExitStack()
        self.fake = self._stack.enter_context(service(subject.platform))
        self.fake.driver = partial(_drive, self)
        self.trouble = random.Random(place.name).choice(["", "", "lost", "late"])

    def attempt(self, number: int, kill: Kill | None) -> Child:
        mine = self._subject
        if number == 0:
            self._make_trouble()
        self._in_job = kill.boundary if isinstance(kill, InJob) else None
        at = kill.boundary if isinstance(kill, At) else None
        address = getattr(self.fake, "url", "") or self.fake.address
        given = {
            "home": str(self.home), "platform": mine.platform, "address": address, "told": str(self._told), "at": at,
            "careless": mine.careless,
        }  # fmt: skip
        return mine.template.fork("kills_jobs:attempt", given, log=self.log)

    def _make_trouble(self) -> None:
        """The service is now and then as services are: an answer is lost, a new job is not listed yet."""
        if self.trouble == "lost":
            self.fake.troubles.update({name: ["lost"] for name in _SUBMITS})
        elif self.trouble == "late":
            self.fake.unlisted = 2

    def start(self, order: str) -> Job:
        """Called by the service. A job is started twice when one before it has not failed."""
        self.twice += any(job.status in (None, 0) for job in self.jobs)
        number, at = len(self.jobs), self._in_job
        self._in_job = None
        folder, told = self._place / f"driver-{number}", self._place / f"told-{number}"
        folder.mkdir()
        given = {"order": order, "told": str(told), "at": at, "folder": str(folder)}
        job = Job(self._subject.template.fork("kills_jobs:drive", given, log=self.log), told, folder)
        self.jobs.append(job)
        return job

    def passed(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []

    def killed_in_job(self) -> list[str]:
        dead = [job for job in self.jobs if job.status == -signal.SIGKILL]
        return [f"{job.passed()[-1]}, by the job's driver" for job in dead]

    def judge(self, outcome: Outcome) -> None:
        found, expected = census(self.home), self._subject.expected
        outcome.lost += sorted((expected - found).elements())
        outcome.doubled += sorted((found - expected).elements())
        outcome.started_twice += self.twice

    def close(self) -> None:
        for job in self.jobs:
            job.child.kill()
        self._stack.close()
        shutil.rmtree(self._place, ignore_errors=True)


def service(platform: str) -> Any:
    """The fake of the platform's service."""
    from tests.fakes.dataproc import fake_dataproc
    from tests.fakes.emr import fake_emr
    from tests.fakes.pods import fake_pods

    if platform == "kubernetes":
        return fake_pods()
    return fake_emr() if platform.startswith("emr") else fake_dataproc()


def _drive(world: JobWorld, kind: str, given: Any) -> tuple[Any, Any]:
    """What the fakes take: starts a job for real, and answers with what tells its state and what ends it."""
    order = next(file for file in _files(kind, given) if "/order-" in file)
    job = world.start(order.removeprefix("file://"))
    return partial(_state, job, *_WORDS[kind]), job.child.kill


def _state(job: Job, going: str, good: str, bad: str) -> tuple[str, str]:
    if (status := job.look()) is None:
        return going, "running"
    return (good, "") if status == 0 else (bad, f"ExitCode: {status}")


def _files(kind: str, given: Any) -> list[str]:
    if kind.startswith("emr"):
        words = next(iter(given["jobDriver"].values()))["sparkSubmitParameters"].split()
        return str(words[words.index("--files") + 1]).split(",")
    if kind == "pod":
        words = given["spec"]["containers"][0]["args"]
        return str(words[words.index("--files") + 1]).split(",")
    told = given.pyspark_batch if kind == "batch" else given.pyspark_job
    return list(told.file_uris)


def job_subjects(template: Template, base: Path) -> list[JobSubject]:
    return [JobSubject(name, template=template, base=base) for name in PLATFORMS]
