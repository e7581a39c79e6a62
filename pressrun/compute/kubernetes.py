"""Any Kubernetes: we make the driver's pod ourselves, as spark-submit in cluster mode would.

Why not spark-submit: it needs a JVM and a Spark where Airflow runs, signs in by a kubeconfig of its own instead of by
the connection, and gives no answer that can be asked for again. The pod is what it would make: Spark's own image, its
entry point `driver`, the address by the downward API, executors that belong to the driver's pod and end with it.

Submit-once by the pod's name, which is the token: the API server refuses a second one.
https://spark.apache.org/docs/latest/running-on-kubernetes.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from pressrun.compute.driver_pod import driver_pod
from pressrun.compute.outlook import Outlook, unseen
from pressrun.compute.platform import (
    PREFIX,
    ComputeError,
    ConfigurationFailed,
    Handle,
    JobState,
    PollingFailed,
    SparkJob,
    State,
)
from pressrun.config.spark import Kubernetes

_TIMEOUT = 15.0
_LATER = "The job, if it was started, goes on; a retry finds it"
_CANNOT_START = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "ErrImageNeverPull",
)
# A registry may be away for a moment.
_PATIENCE = timedelta(minutes=5)
_LOST = ("Evicted", "NodeLost", "Preempting", "Terminated", "NodeShutdown", "UnexpectedAdmissionError")
# The exit status of a driver in whose place another was started: pressrun.driver.SUPERSEDED.
_SUPERSEDED = 75


class _NotThere(Exception):
    """There is no such pod."""


class _AlreadyThere(Exception):
    """There is a pod of that name."""


class Place(Protocol):
    """What a namespace's pods are made by."""

    @property
    def namespace(self) -> str: ...

    @property
    def context(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of the environment's file that a failed pod's hint names; `too_much` is what kind too much memory is."""

    section: str = "spark.platform"
    image: str = "spark.platform.image"
    memory: str = "spark.platform.resources.driver_memory"
    timeout: str = "spark.platform.timeout_minutes"
    too_much: str = "job"


class PodPlatform:
    """Pods in one namespace, each with the token for its name. `client`: a signed-in ApiClient."""

    name = "kubernetes"
    keys = Keys()

    def __init__(self, place: Place, client: Any) -> None:
        from kubernetes.client import CoreV1Api

        self._where, self._pods = place, CoreV1Api(client)

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        """The manifest of a job's pod."""
        raise NotImplementedError

    def submit(self, request: Mapping[str, Any], token: str) -> Handle:
        namespace = request["metadata"]["namespace"]
        try:
            with _asking("create pods", self.keys):
                self._pods.create_namespaced_pod(namespace, dict(request), _request_timeout=_TIMEOUT)
        except _AlreadyThere:
            pass
        return self._handle(token, namespace)

    def find(self, token: str) -> Handle | None:
        handle = self._handle(token, self._where.namespace)
        try:
            self._get(handle)
        except _NotThere:
            return None
        return handle

    def state(self, handle: Handle) -> JobState:
        """As the platform says. A pod that cannot start is deleted, so that what is told as its end stays its end."""
        try:
            pod = self._get(handle)
        except _NotThere:
            # The API server's answers are not late: what is not there is gone for good.
            return JobState(state=State.CANCELLED, detail="its pod was deleted", logs=_logs(handle))
        if stuck := _stuck(pod):
            self.cancel(handle)
            hint = f"Look at {self.keys.image} and at the events: kubectl describe pod {handle.job_id}"
            return JobState(state=State.FAILED, detail=stuck, failure="configuration", hint=hint, logs=_logs(handle))
        return _told(pod, handle, self.keys)

    def cancel(self, handle: Handle) -> None:
        try:
            with _asking("delete pods", self.keys):
                self._pods.delete_namespaced_pod(
                    handle.job_id, handle.place["namespace"], grace_period_seconds=10, _request_timeout=_TIMEOUT
                )
        except _NotThere:
            return

    def remove(self, handle: Handle) -> None:
        """Deletes the pod, and its log with it."""
        self.cancel(handle)

    def page(self, handle: Handle) -> str:
        return ""

    def _get(self, handle: Handle) -> Any:
        with _asking("get pods", self.keys):
            return self._pods.read_namespaced_pod(handle.job_id, handle.place["namespace"], _request_timeout=_TIMEOUT)

    def _handle(self, token: str, namespace: str) -> Handle:
        place = {"namespace": namespace, "context": self._where.context or ""}
        return Handle(platform=self.name, job_id=token, place=place)


class KubernetesPlatform(PodPlatform):
    """Pods of Spark drivers."""

    def __init__(self, place: Kubernetes, client: Any) -> None:
        super().__init__(place, client)
        self._place = place

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        return driver_pod(job, token, self._place)

    def outlook(self) -> Iterator[Outlook]:
        """By a dry run: rights, namespace, service account, admission and quotas are looked at, and no pod is made."""
        pod, what = self.request(SparkJob(name="doctor", entry="/doctor.py"), f"{PREFIX}doctor"), "driver's pod"
        try:
            with _asking("create pods", self.keys):
                self._pods.create_namespaced_pod(self._place.namespace, pod, dry_run="All", _request_timeout=_TIMEOUT)
        except ConfigurationFailed as refused:
            yield Outlook(what=what, state="bad", words=refused.reason, remedy=refused.hint)
        except ComputeError as error:
            yield unseen(what, error)
        else:
            yield Outlook(what=what, words=f"the namespace {self._place.namespace} would take it")


@contextmanager
def _asking(right: str, keys: Keys) -> Iterator[None]:
    """Translates what the client raises while something that needs `right` (verb and resource) is asked for."""
    from kubernetes.client.rest import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise _translated(error, right, keys) from error
    except (HTTPError, OSError) as error:
        raise PollingFailed(f"the cluster's API does not answer: {error}", hint=_LATER) from error


def _translated(error: Any, right: str, keys: Keys) -> Exception:
    said = f"{error.status} {error.reason}: {(error.body or '')[:300]}"
    if error.status == 404 and "namespaces" not in (error.body or ""):
        return _NotThere(said)
    if error.status == 409:
        return _AlreadyThere(said)
    return _trouble(error.status, right, said, keys)


def _trouble(status: int, right: str, said: str, keys: Keys) -> ComputeError:
    if status == 401:
        hint = "Renew the connection's token, or use the pod's own service account; the job, if started, goes on"
        return PollingFailed(f"the credentials do not hold: {said}", hint=hint)
    if status == 403:
        hint = f"Allow the connection to {right} in the namespace, as docs/compute.md lists; or raise the quota"
        return ConfigurationFailed(f"the cluster's API denied it: {said}", hint=hint)
    if status in (400, 404, 422):
        hint = f"Mend {keys.section} in the environment's file"
        return ConfigurationFailed(f"the cluster's API refused it: {said}", hint=hint)
    return PollingFailed(f"the cluster's API answered {said}", hint=_LATER)


def _stuck(pod: Any) -> str:
    """Why its container cannot be started, once that is no passing trouble."""
    waiting = [one.state.waiting for one in pod.status.container_statuses or [] if one.state and one.state.waiting]
    for reason in waiting:
        old = datetime.now(UTC) - pod.metadata.creation_timestamp > _PATIENCE
        if reason.reason == "InvalidImageName" or (reason.reason in _CANNOT_START and old):
            return f"{reason.reason}: {reason.message or ''}"
    return ""


def _told(pod: Any, handle: Handle, keys: Keys) -> JobState:
    status, logs = pod.status, _logs(handle)
    going = pod.metadata.deletion_timestamp is not None
    if status.phase == "Succeeded":
        return JobState(state=State.SUCCEEDED, logs=logs)
    if status.phase == "Failed":
        return _failed(status, logs, keys)
    if status.phase == "Running":
        return JobState(state=State.RUNNING, logs=logs, cancelling=going)
    return JobState(state=State.QUEUED, detail=_why_it_waits(status), logs=logs, cancelling=going)


def _why_it_waits(status: Any) -> str:
    told = [one.message or one.reason or "" for one in status.conditions or [] if one.status == "False"]
    told += [
        one.state.waiting.reason or "" for one in status.container_statuses or [] if one.state and one.state.waiting
    ]
    return "; ".join(filter(None, told))


def _failed(status: Any, logs: str, keys: Keys) -> JobState:
    ended = [one.state.terminated for one in status.container_statuses or [] if one.state and one.state.terminated]
    code, why = (ended[0].exit_code, ended[0].reason or "") if ended else (None, "")
    if code == _SUPERSEDED:
        return JobState(state=State.CANCELLED, detail="another job has taken its place", logs=logs)
    disrupted = any(one.type == "DisruptionTarget" and one.status == "True" for one in status.conditions or [])
    if disrupted or status.reason in _LOST:
        hint = "Its node went away or was needed for something else; a retry helps"
        detail = f"{status.reason or 'disrupted'}: {status.message or ''}"
        return JobState(state=State.FAILED, detail=detail, failure="platform", hint=hint, logs=logs)
    hint, failure = "Read the last lines of its log", "job"
    if "OOMKilled" in why:
        hint, failure = f"Raise {keys.memory}", keys.too_much
    elif status.reason == "DeadlineExceeded":
        hint = f"It ran longer than {keys.timeout}"
    detail = " ".join(filter(None, [status.reason, why, f"exit status {code}" if code is not None else ""]))
    return JobState(state=State.FAILED, detail=detail, failure=failure, hint=hint, logs=logs)


def _logs(handle: Handle) -> str:
    context = f"--context {handle.place['context']} " if handle.place.get("context") else ""
    return f"kubectl {context}logs --namespace {handle.place['namespace']} {handle.job_id}"
