"""A whole site to take things away from: Airflow and Pressrun on PostgreSQL, MLflow, a bucket, a router.

It is the demo's stack with three changes: Airflow's components are started again when they end, one PostgreSQL holds
Airflow's metadata and Pressrun's operational database, and something that spoils answers stands before the bucket.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
import yaml

from pressrun.buckets import BucketServer
from pressrun.buckets.servers import free_port
from pressrun.demo import stack as demo_stack
from pressrun.demo.places import HOST, InBucket
from pressrun.demo.services import Service
from pressrun.demo.stack import Ports, Stack, start_stack
from pressrun.demo.stock import Stock, simulated_stock
from tests.chaos.components import LAID_OVER
from tests.fakes.buckets import Troubled, troubled
from tests.fakes.postgresql import Server, postgresql_server
from tests.processes import standing_still, tree

DAG = "topics_retrain"
# Set by start_stack for its children; put back afterwards.
_SET = (
    "PRESSRUN_HOME", "PRESSRUN_ENVIRONMENT", "PRESSRUN_ROUTER_PORT", "PRESSRUN_AIRFLOW_URL", "MLFLOW_TRACKING_URI",
    "PRESSRUN_LAKE", "PRESSRUN_DATABASE",
)  # fmt: skip


class InTrouble(InBucket):
    """The demo's place with its lake in a bucket, which is reached through something that spoils answers."""

    def __init__(self, *, router_port: int, bucket_port: int, before: BucketServer, database: Server) -> None:
        super().__init__("s3", port=router_port)
        self._server_port, self._server, self._database = bucket_port, before, database

    def settings(self, home: Path) -> Mapping[str, str]:
        """Airflow waits as long as a test can for what has died."""
        _job_of_its_own(home / "config" / "environments" / "s3.yaml")
        airflow = {
            "DATABASE__SQL_ALCHEMY_CONN": self._database.url("airflow"),
            # What it is for needs a driver of its own.
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": "",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        }
        over = {f"{LAID_OVER}AIRFLOW__{name}": value for name, value in airflow.items()}
        return {**super().settings(home), **over, "PRESSRUN_DATABASE": self._database.url()}


def _job_of_its_own(environment: Path) -> None:
    """Spark jobs outlive the worker that started them, as on any cluster."""
    said = yaml.safe_load(environment.read_text())
    said["spark"]["platform"] = {"kind": "local", "process": "own"}
    environment.write_text(yaml.safe_dump(said))


@dataclass(frozen=True, kw_only=True)
class Site:
    """The stack, and what can be taken from it."""

    stack: Stack
    stock: Stock
    bucket: Troubled
    database: Server
    landed: list[int] = field(default_factory=list)

    def land(self, night: int) -> None:
        """The night's articles, where the next run finds them."""
        self.stock.land(night, landing=self.stack.landing)
        self.landed.append(night)

    @contextmanager
    def without(self, component: str) -> Iterator[None]:
        """Airflow's component and all its processes die by SIGKILL; it comes back at the end."""
        airflow = self.stack.home / "airflow"
        away = airflow / "away" / component
        away.touch()
        pid = json.loads((airflow / "components.json").read_text())[component]
        for process in tree(pid):
            process.kill()
        try:
            yield
        finally:
            away.unlink()

    @contextmanager
    def without_mlflow(self) -> Iterator[None]:
        """MLflow dies by SIGKILL, and is started again at the end."""
        for process in tree(self.stack.services.pid_of("mlflow")):
            process.kill()
        try:
            yield
        finally:
            self.stack.services.start(self._mlflow)

    def wait_for_mlflow(self) -> None:
        """Until it answers again."""
        self.stack.services.wait(self._mlflow)

    @property
    def _mlflow(self) -> Service:
        return demo_stack._mlflow(home=self.stack.home, host=HOST, port=self.stack.ports.mlflow)

    @contextmanager
    def without_postgresql(self) -> Iterator[None]:
        """Both databases are gone as by a crash of their server, and come back at the end."""
        self.database.stop()
        try:
            yield
        finally:
            self.database.start()

    @contextmanager
    def hanging(self, service: str) -> Iterator[None]:
        """A service and all its processes stand still: connections are accepted and never answered."""
        with standing_still(self.stack.services.pid_of(service)):
            yield

    @contextmanager
    def unavailable(self) -> Iterator[None]:
        """The bucket answers every request with 503."""
        self.bucket.spoil(503, "SlowDown", "Please reduce your request rate.")
        try:
            yield
        finally:
            self.bucket.mend()


@contextmanager
def site(home: Path, *, articles: int) -> Iterator[Site]:
    """Everything, on free ports, in `home`."""
    stock = simulated_stock(articles_per_night=articles)
    with ExitStack() as undone, pytest.MonkeyPatch.context() as patch:
        for name in _SET:
            patch.setenv(name, "")
        database = undone.enter_context(postgresql_server())
        _make_database(database, "airflow")
        port = free_port()
        bucket = undone.enter_context(troubled(BucketServer(kind="s3", endpoint=f"http://{HOST}:{port}")))
        for name in bucket.server.environment:
            patch.setenv(name, "")
        ports = Ports(airflow=free_port(), mlflow=free_port(), router=free_port())
        place = InTrouble(router_port=ports.router, bucket_port=port, before=bucket.server, database=database)
        keeper = [sys.executable, str(Path(__file__).with_name("components.py"))]
        patch.setattr(demo_stack, "airflow_command", lambda: keeper)
        before = set(os.environ)
        running = start_stack(home=home, ports=ports, place=place, stock=stock, told=lambda name, seconds: None)
        try:
            yield Site(stack=running, stock=stock, bucket=bucket, database=database)
        finally:
            running.services.stop()
            for name in set(os.environ) - before:
                del os.environ[name]


def _make_database(server: Server, name: str) -> None:
    connection = psycopg2.connect(host=str(server.folder), user="pressrun", dbname="postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
