"""A local server that speaks Dataproc's gRPC API (batches, jobs, operations), with the trouble that services make.

It is held against Google's own protos, those of google-cloud-dataproc: requests and answers are its messages, fields of
the wrong name or type cannot be sent. What the proto's comments demand beyond types (ids, labels) is checked here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import grpc
from google.cloud import dataproc_v1 as api
from google.cloud.dataproc_v1.services.batch_controller.transports import BatchControllerGrpcTransport
from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport
from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerGrpcTransport
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from tests.fakes.compute_engine import FakeCompute, fake_compute

Trouble = Literal["throttled", "lost", "expired", "broken", "denied", "refused"]
"""`lost`: the request is obeyed, then the call ends as if the connection had broken."""
_TROUBLES = {
    "throttled": (grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded for quota metric 'Job requests'"),
    "lost": (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
    "expired": (grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials"),
    "broken": (grpc.StatusCode.INTERNAL, "Internal error encountered."),
    "denied": (grpc.StatusCode.PERMISSION_DENIED, "Permission denied on resource project"),
    "refused": (grpc.StatusCode.INVALID_ARGUMENT, "Subnetwork does not support Private Google Access"),
}
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
ENDED = ("SUCCEEDED", "DONE", "FAILED", "ERROR", "CANCELLED")
Follows = Callable[[], tuple[str, str]]


class Refused(Exception):
    """An answer that is an error of the service."""

    def __init__(self, status: grpc.StatusCode, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass(kw_only=True)
class Run:
    """A batch or a job. `states` are those still to come: each look goes one further; the last one stays."""

    kind: Literal["batch", "job"]
    id: str
    told: Any
    request_id: str
    states: list[str]
    detail: str = ""
    looks_until_seen: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    follows: Follows | None = None
    on_cancel: Callable[[], None] = lambda: None

    @property
    def state(self) -> str:
        return self.states[0]

    def look(self) -> None:
        if self.follows is not None and self.state not in ENDED:
            state, self.detail = self.follows()
            self.states = [state]
        elif len(self.states) > 1:
            self.states.pop(0)


def _cluster() -> Any:
    config = {
        "software_config": {"image_version": "3.0.2-debian12"},
        "worker_config": {"num_instances": 2, "machine_type_uri": "n2-standard-4"},
        "autoscaling_config": {"policy_uri": "projects/news-prod/regions/europe-west1/autoscalingPolicies/night"},
    }
    return api.Cluster(cluster_name="spark", config=config, status={"state": "RUNNING"})


@dataclass
class FakeDataproc:
    """The project. `troubles` holds, by method, what happens to its next calls; `script` what runs will go through.

    `unlisted`: for so many looks a new one is not there yet. `driver`: starts it for real, and tells its state.
    `compute`: its quotas.
    """

    address: str = ""
    compute: FakeCompute = field(default_factory=FakeCompute)
    runs: list[Run] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    script: dict[str, list[str]] = field(
        default_factory=lambda: {
            "batch": ["PENDING", "RUNNING", "SUCCEEDED"],
            "job": ["PENDING", "SETUP_DONE", "RUNNING", "DONE"],
        }
    )
    clusters: dict[str, Any] = field(default_factory=lambda: {"spark": _cluster()})
    unlisted: int = 0
    driver: Callable[[str, Any], tuple[Follows, Callable[[], None]]] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def batches(self) -> api.BatchControllerClient:
        """A client as Airflow's hook makes one, but for the channel."""
        channel = grpc.insecure_channel(self.address)
        return api.BatchControllerClient(transport=BatchControllerGrpcTransport(channel=channel))

    def jobs(self) -> api.JobControllerClient:
        channel = grpc.insecure_channel(self.address)
        return api.JobControllerClient(transport=JobControllerGrpcTransport(channel=channel))

    def cluster_controller(self) -> api.ClusterControllerClient:
        channel = grpc.insecure_channel(self.address)
        return api.ClusterControllerClient(transport=ClusterControllerGrpcTransport(channel=channel))

    def get_cluster(self, asked: Any) -> Any:
        if asked.cluster_name not in self.clusters:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Not found: Cluster {asked.cluster_name}")
        return self.clusters[asked.cluster_name]

    def create_batch(self, asked: Any) -> operations_pb2.Operation:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]", asked.batch_id):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"batch_id {asked.batch_id}")
        labels = asked.batch.labels
        run = self._same("batch", asked.batch_id, asked.request_id) or self._add(
            "batch", asked.batch_id, asked.batch, asked.request_id, labels
        )
        name = f"{asked.parent}/batches/{run.id}"
        run.told.name, run.told.operation = name, f"{asked.parent.replace('locations', 'regions')}/operations/{run.id}"
        operation = operations_pb2.Operation(name=run.told.operation)
        metadata = api.BatchOperationMetadata(batch=name, operation_type="BATCH")
        operation.metadata.Pack(api.BatchOperationMetadata.pb(metadata))
        return operation

    def get_batch(self, asked: Any) -> Any:
        run = self._one("batch", asked.name.rpartition("/")[2])
        run.look()
        told = api.Batch(run.told)
        told.state, told.state_message = api.Batch.State[run.state], run.detail
        told.runtime_info.output_uri = f"gs://staging/google-cloud-dataproc-metainfo/{run.id}/driveroutput"
        if run.state in ENDED:
            told.runtime_info.approximate_usage.milli_dcu_seconds = 7_200_000
            told.runtime_info.approximate_usage.shuffle_storage_gb_seconds = 3600
        return told

    def cancel_operation(self, asked: Any) -> empty_pb2.Empty:
        run = self._one("batch", asked.name.rpartition("/")[2])
        if run.state in (*ENDED, "CANCELLING"):
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"the operation is {run.state}")
        self.end(run, "CANCELLED")
        return empty_pb2.Empty()

    def submit_job(self, asked: Any) -> Any:
        given = asked.job.reference.job_id
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", given):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"job_id {given}")
        run = self._same("job", given, asked.request_id) or self._add(
            "job", given, asked.job, asked.request_id, asked.job.labels
        )
        return self._job(run)

    def get_job(self, asked: Any) -> Any:
        run = self._one("job", asked.job_id)
        run.look()
        return self._job(run)

    def cancel_job(self, asked: Any) -> Any:
        run = self._one("job", asked.job_id)
        if run.state in ENDED:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f"the job is {run.state}")
        self.end(run, "CANCELLED")
        return self._job(run)

    def end(self, run: Run, state: str, detail: str = "") -> None:
        """What the service, or somebody else, does to it."""
        going = {"batch": ["CANCELLING"], "job": ["CANCEL_STARTED"]}[run.kind] if state == "CANCELLED" else []
        run.states, run.detail, run.follows = [*going, state], detail, None
        if state == "CANCELLED":
            run.on_cancel()

    def _same(self, kind: str, given: str, request_id: str) -> Run | None:
        for run in self.runs:
            if run.kind == kind and request_id and run.request_id == request_id:
                return run
            if run.kind == kind and run.id == given:
                raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"Already exists: {given}")
        return None

    def _add(self, kind: Any, given: str, told: Any, request_id: str, labels: Mapping[str, str]) -> Run:
        wrong = [word for pair in labels.items() for word in pair if not _LABEL.fullmatch(word)]
        if wrong or len(request_id) > 40 or not re.fullmatch(r"[A-Za-z0-9_-]*", request_id):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"labels {wrong}, request_id {request_id}")
        run = Run(kind=kind, id=given, told=told, request_id=request_id, states=list(self.script[kind]))
        run.looks_until_seen = self.unlisted
        if self.driver is not None:
            run.follows, run.on_cancel = self.driver(kind, told)
            run.states = ["PENDING"]
        self.runs.append(run)
        return run

    def _one(self, kind: str, given: str) -> Run:
        for run in self.runs:
            if (run.kind, run.id) == (kind, given):
                run.looks_until_seen -= 1
                if run.looks_until_seen < 0:
                    return run
        raise Refused(grpc.StatusCode.NOT_FOUND, f"Not found: {kind} {given}")

    def _job(self, run: Run) -> Any:
        told = api.Job(run.told)
        told.status.state, told.status.details = api.JobStatus.State[run.state], run.detail
        told.status.state_start_time = run.at if run.state == "PENDING" else datetime.now(UTC)
        if run.state != "PENDING":
            told.status_history = [{"state": api.JobStatus.State.PENDING, "state_start_time": run.at}]
        told.driver_output_resource_uri = f"gs://staging/google-cloud-dataproc-metainfo/{run.id}/driveroutput"
        if run.state in ("RUNNING", *ENDED):
            shares = {"progress": 0.5 if run.state == "RUNNING" else 1.0, "vcore_seconds": 3600, "memory_mb_seconds": 1}
            told.yarn_applications = [{"name": "pressrun", "state": "RUNNING", **shares}]
        return told


_BATCHES, _JOBS = "google.cloud.dataproc.v1.BatchController", "google.cloud.dataproc.v1.JobController"
_CLUSTERS = "google.cloud.dataproc.v1.ClusterController"
_METHODS: dict[str, tuple[str, Any, Any]] = {
    f"/{_BATCHES}/CreateBatch": ("create_batch", api.CreateBatchRequest, None),
    f"/{_BATCHES}/GetBatch": ("get_batch", api.GetBatchRequest, api.Batch),
    f"/{_JOBS}/SubmitJob": ("submit_job", api.SubmitJobRequest, api.Job),
    f"/{_JOBS}/GetJob": ("get_job", api.GetJobRequest, api.Job),
    f"/{_CLUSTERS}/GetCluster": ("get_cluster", api.GetClusterRequest, api.Cluster),
    f"/{_JOBS}/CancelJob": ("cancel_job", api.CancelJobRequest, api.Job),
    "/google.longrunning.Operations/CancelOperation": (
        "cancel_operation",
        operations_pb2.CancelOperationRequest,
        None,
    ),
}


class _Served(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeDataproc) -> None:
        self.fake = fake

    def service(self, details: Any) -> Any:
        if details.method not in _METHODS:
            return None
        name, asked, answer = _METHODS[details.method]
        reads = asked.deserialize if hasattr(asked, "deserialize") else asked.FromString
        writes = answer.serialize if answer else (lambda told: told.SerializeToString())
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._obeyed(name, request, context),
            request_deserializer=reads,
            response_serializer=writes,
        )

    def _obeyed(self, name: str, request: Any, context: grpc.ServicerContext) -> Any:
        with self.fake.lock:
            self.fake.calls.append(name)
            waiting = self.fake.troubles.get(name, [])
            trouble = waiting.pop(0) if waiting else None
            try:
                told = getattr(self.fake, name)(request) if trouble in (None, "lost") else None
            except Refused as refused:
                context.abort(refused.status, str(refused))
            if trouble:
                context.abort(*_TROUBLES[trouble])
            return told


@contextmanager
def fake_dataproc() -> Iterator[FakeDataproc]:
    """The server on a free port of this machine's loopback."""
    with fake_compute() as compute:
        fake = FakeDataproc(compute=compute)
        server = grpc.server(ThreadPoolExecutor(4), handlers=[_Served(fake)])
        fake.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield fake
        finally:
            server.stop(None).wait(5)
