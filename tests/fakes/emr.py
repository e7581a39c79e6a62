"""A local server that speaks EMR Serverless, EMR on EKS and Service Quotas, with the trouble that services make.

It is held against botocore's own service models: every request is read and checked by its operation's input shape
(names, types, lengths, patterns), every answer by its output shape. moto has them, and is no help here: it keeps a
`clientToken` and starts another job for it, its jobs never get anywhere, and of quotas it knows those of VPCs alone.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import botocore.session
from botocore.validate import ParamValidator

from tests.fakes.loopback import on_loopback

Trouble = Literal["throttled", "lost", "expired", "broken", "denied", "refused"]
"""`lost`: the request is obeyed, then the connection breaks with no answer."""
_SERVICES = ("emr-serverless", "emr-containers", "service-quotas")
_TROUBLES = {
    "throttled": (429, "TooManyRequestsException", "Rate exceeded"),
    "expired": (403, "ExpiredTokenException", "The security token included in the request is expired"),
    "broken": (500, "InternalServerException", "Internal error"),
    "denied": (403, "AccessDeniedException", "User is not authorized to perform this action"),
    "refused": (400, "ValidationException", "The role cannot be assumed"),
}
ENDED = ("SUCCESS", "COMPLETED", "FAILED", "CANCELLED")
ACCOUNT = "123456789012"


class WireError(Exception):
    """An answer that is an error of the service."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


_APPLICATION: dict[str, Any] = {
    "applicationId": "00abc123",
    "name": "news",
    "arn": f"arn:aws:emr-serverless:eu-west-1:{ACCOUNT}:/applications/00abc123",
    "releaseLabel": "emr-spark-8.0.0",
    "type": "Spark",
    "state": "STARTED",
    "autoStartConfiguration": {"enabled": True},
    "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
    "updatedAt": datetime(2026, 1, 1, tzinfo=UTC),
}
_CLUSTER: dict[str, Any] = {
    "id": "vc0abc",
    "name": "news",
    "arn": f"arn:aws:emr-containers:eu-west-1:{ACCOUNT}:/virtualclusters/vc0abc",
    "state": "RUNNING",
    "containerProvider": {"type": "EKS", "id": "news", "info": {"eksInfo": {"namespace": "spark"}}},
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A right that a call needed: an action of IAM on a resource, with what conditions are about.

    By the Service Authorization Reference of each service,
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonemrserverless.html.
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


def _needs(service: str, operation: str, given: dict[str, Any], told: dict[str, Any]) -> list[Asked]:
    serverless = service == "emr-serverless"
    place = given["applicationId"] if serverless else given.get("virtualClusterId", given.get("id"))
    root = f"arn:aws:{service}:eu-west-1:{ACCOUNT}:/{'applications' if serverless else 'virtualclusters'}/{place}"
    run = given.get("jobRunId") or told.get("jobRunId") or told.get("id") or given.get("id")
    if operation in ("GetJobRun", "DescribeJobRun", "CancelJobRun"):
        return [Asked(action=f"{service}:{operation}", resource=f"{root}/jobruns/{run}")]
    if operation != "StartJobRun":
        return [Asked(action=f"{service}:{operation}", resource=root)]
    role = given["executionRoleArn"]
    # The reference names both kinds of resource, and does not say which one a start with tags is about.
    tags = [Asked(action=f"{service}:TagResource", resource=of) for of in (root, f"{root}/jobruns/{run}")]
    if serverless:
        passed = (("iam:PassedToService", "emr-serverless.amazonaws.com"),)
        start = Asked(action=f"{service}:StartJobRun", resource=root)
        return [start, *tags, Asked(action="iam:PassRole", resource=role, context=passed)]
    names = (("emr-containers:ExecutionRoleArn", role),)
    return [Asked(action=f"{service}:StartJobRun", resource=root, context=names), *tags]


@dataclass(kw_only=True)
class Run:
    """One job run. `states` are those still to come: each look goes one further; the last one stays."""

    service: str
    request: dict[str, Any]
    states: list[str]
    id: str = field(default_factory=lambda: f"00{uuid4().hex[:18]}")
    detail: str = ""
    reason: str | None = None
    looks_until_seen: int = 0
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    on_cancel: Callable[[], None] = lambda: None
    follows: Callable[[], tuple[str, str]] | None = None

    @property
    def state(self) -> str:
        return self.states[0]

    def look(self) -> None:
        if self.follows is not None and self.state not in ENDED:
            state, self.detail = self.follows()
            self.states = [state]
        elif len(self.states) > 1:
            self.states.pop(0)


@dataclass
class FakeEmr:
    """The account. `troubles` holds, by operation, what happens to its next calls; `script` what jobs will go through.

    `places` are its applications and virtual clusters; `asked` is what each call needs a right to. `quotas` are those
    that were changed for it, by code; the others are every account's.

    `unlisted`: for so many looks a new job is not there yet. `driver`: starts a job for real; answers with what tells
    its state.
    """

    url: str = ""
    runs: list[Run] = field(default_factory=list)
    places: dict[str, dict[str, Any]] = field(default_factory=lambda: {"00abc123": _APPLICATION, "vc0abc": _CLUSTER})
    quotas: dict[str, float] = field(default_factory=dict)
    default_quotas: dict[str, float] = field(default_factory=lambda: {"L-D05C8A75": 16.0})
    calls: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    script: dict[str, list[str]] = field(
        default_factory=lambda: {
            "emr-serverless": ["SUBMITTED", "SCHEDULED", "RUNNING", "SUCCESS"],
            "emr-containers": ["PENDING", "SUBMITTED", "RUNNING", "COMPLETED"],
        }
    )
    detail: str = ""
    reason: str | None = None
    unlisted: int = 0
    driver: Callable[[str, dict[str, Any]], tuple[Callable[[], tuple[str, str]], Callable[[], None]]] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def obey(self, service: str, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        handlers = {
            "StartJobRun": self._start,
            "GetJobRun": self._get,
            "DescribeJobRun": self._get,
            "ListJobRuns": self._list,
            "CancelJobRun": self._cancel,
            "GetApplication": self._application,
            "DescribeVirtualCluster": self._cluster,
            "GetServiceQuota": self._changed_quota,
            "GetAWSDefaultServiceQuota": self._default_quota,
        }
        if service == "service-quotas":
            # It takes a right to hear that there is none, too.
            self.asked.append(Asked(action=f"servicequotas:{operation}", resource="*"))
            return handlers[operation](service, given)
        told = handlers[operation](service, given)
        self.asked += _needs(service, operation, given, told)
        return told

    def _application(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        return {"application": self._place(given["applicationId"])}

    def _cluster(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        return {"virtualCluster": self._place(given["id"])}

    def _changed_quota(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        return _quota(given, self.quotas)

    def _default_quota(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        return _quota(given, self.default_quotas)

    def _place(self, name: str) -> dict[str, Any]:
        if name not in self.places:
            raise WireError(404, "ResourceNotFoundException", f"{name} doesn't exist")
        return self.places[name]

    def _start(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        same = [
            run for run in self.runs if run.service == service and run.request["clientToken"] == given["clientToken"]
        ]
        if same and same[0].request != given:
            raise WireError(400, "ValidationException", "clientToken was used with other parameters")
        run = same[0] if same else self._started(service, given)
        arn = f"arn:aws:{service}:eu-west-1:{ACCOUNT}:/jobruns/{run.id}"
        if service == "emr-serverless":
            return {"applicationId": given["applicationId"], "jobRunId": run.id, "arn": arn}
        return {"id": run.id, "name": given.get("name", ""), "arn": arn, "virtualClusterId": given["virtualClusterId"]}

    def _started(self, service: str, given: dict[str, Any]) -> Run:
        run = Run(service=service, request=given, states=list(self.script[service]), looks_until_seen=self.unlisted)
        run.detail, run.reason = self.detail, self.reason
        if self.driver is not None:
            run.follows, run.on_cancel = self.driver(service, given)
            run.states = ["SUBMITTED"]
        self.runs.append(run)
        return run

    def _seen(self, run: Run) -> bool:
        run.looks_until_seen -= 1
        return run.looks_until_seen < 0

    def _one(self, service: str, given: dict[str, Any]) -> Run:
        wanted = given.get("jobRunId", given.get("id"))
        for run in self.runs:
            if (run.service, run.id) == (service, wanted) and self._seen(run):
                return run
        if service == "emr-containers":
            raise WireError(400, "ResourceNotFoundException", f"Job run {wanted} doesn't exist.")
        raise WireError(404, "ResourceNotFoundException", f"JobRun {wanted} doesn't exist")

    def _get(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        run = self._one(service, given)
        run.look()
        return {"jobRun": _serverless(run) if service == "emr-serverless" else _containers(run)}

    def _list(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        place = {"emr-serverless": "applicationId", "emr-containers": "virtualClusterId"}[service]
        here = [run for run in reversed(self.runs) if run.service == service and run.request[place] == given[place]]
        found = [run for run in here if self._seen(run)]
        if "name" in given:
            found = [run for run in found if run.request.get("name") == given["name"]]
        # A page is short, so that whoever asks has to turn it.
        first = int(given.get("nextToken", 0))
        page, more = found[first : first + 2], first + 2 < len(found)
        told = [_summary(run) if service == "emr-serverless" else _containers(run) for run in page]
        return {"jobRuns": told, **({"nextToken": str(first + 2)} if more else {})}

    def _cancel(self, service: str, given: dict[str, Any]) -> dict[str, Any]:
        run = self._one(service, given)
        if run.state in (*ENDED, "CANCELLING", "CANCEL_PENDING"):
            raise WireError(400, "ValidationException", f"Job run {run.id} is in state {run.state}")
        self.end(run, "CANCELLED")
        run.on_cancel()
        if service == "emr-serverless":
            return {"applicationId": given["applicationId"], "jobRunId": run.id}
        return {"id": run.id, "virtualClusterId": given["virtualClusterId"]}

    def end(self, run: Run, state: str, detail: str = "") -> None:
        """What the service, or somebody else, does to a job."""
        going = {"CANCELLED": {"emr-serverless": ["CANCELLING"], "emr-containers": ["CANCEL_PENDING"]}}
        run.states = [*going.get(state, {}).get(run.service, []), state]
        run.detail, run.follows = detail, None


def _quota(given: dict[str, Any], known: dict[str, float]) -> dict[str, Any]:
    service, code = given["ServiceCode"], given["QuotaCode"]
    if service != "emr-serverless" or code not in known:
        raise WireError(400, "NoSuchResourceException", "The request failed because the specified quota does not exist")
    arn = f"arn:aws:servicequotas:eu-west-1:{ACCOUNT}:{service}/{code}"
    told = {"ServiceCode": service, "ServiceName": "Amazon EMR Serverless", "QuotaArn": arn, "QuotaCode": code}
    told |= {"QuotaName": "Max concurrent vCPUs per account", "Unit": "None", "Adjustable": True, "GlobalQuota": False}
    return {"Quota": {**told, "Value": known[code]}}


def _serverless(run: Run) -> dict[str, Any]:
    given = run.request
    return {
        "applicationId": given["applicationId"],
        "jobRunId": run.id,
        "name": given.get("name", ""),
        "arn": f"arn:aws:emr-serverless:eu-west-1:{ACCOUNT}:/applications/{given['applicationId']}/jobruns/{run.id}",
        "createdBy": f"arn:aws:iam::{ACCOUNT}:role/airflow",
        "createdAt": run.at,
        "updatedAt": run.at,
        "executionRole": given["executionRoleArn"],
        "state": run.state,
        "stateDetails": run.detail or f"JobRun is {run.state}",
        "releaseLabel": "emr-spark-8.0.0",
        "jobDriver": given["jobDriver"],
        "tags": given.get("tags", {}),
        "billedResourceUtilization": {"vCPUHour": 1.5, "memoryGBHour": 6.0, "storageGBHour": 0.0}
        if run.state in ENDED
        else {},
    }


def _summary(run: Run) -> dict[str, Any]:
    told = _serverless(run)
    names = ("applicationId", "name", "arn", "createdBy", "createdAt", "updatedAt", "executionRole", "state")
    return {name: told[name] for name in (*names, "stateDetails", "releaseLabel")} | {"id": run.id}


def _containers(run: Run) -> dict[str, Any]:
    given = run.request
    told = {name: given[name] for name in ("name", "virtualClusterId", "clientToken", "releaseLabel") if name in given}
    told |= {"id": run.id, "state": run.state, "createdAt": run.at, "executionRoleArn": given["executionRoleArn"]}
    failed = {"failureReason": run.reason or "USER_ERROR"} if run.state == "FAILED" else {}
    detail = {"stateDetails": run.detail} if run.detail else {}
    return told | failed | detail | {"tags": given.get("tags", {})}


@cache
def wire() -> Wire:
    return Wire()


class Wire:
    """botocore's models of the services, turned around: from a request to an operation, from an answer to JSON."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        self.models = {name: session.get_service_model(name) for name in _SERVICES}
        self.routes = [
            (service, model.operation_model(name))
            for service, model in self.models.items()
            for name in model.operation_names
            if "targetPrefix" not in model.metadata
        ]
        self.targets = {
            f"{model.metadata['targetPrefix']}.{name}": (service, model.operation_model(name), dict[str, str]())
            for service, model in self.models.items()
            for name in model.operation_names
            if "targetPrefix" in model.metadata
        }

    def operation(self, method: str, path: str, target: str) -> tuple[str, Any, dict[str, str]]:
        """By method and path; of a service that has one path for all, by the header `X-Amz-Target`."""
        if target in self.targets and (method, path) == ("POST", "/"):
            return self.targets[target]
        for service, operation in self.routes:
            template = operation.http["requestUri"].partition("?")[0]
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))
            if operation.http["method"] == method and (found := re.fullmatch(pattern, path)):
                return service, operation, {name: unquote(value) for name, value in found.groupdict().items()}
        raise WireError(404, "UnknownOperationException", f"{method} {path}")

    def read(self, operation: Any, named: dict[str, str], query: dict[str, str], body: bytes) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(body) if body else {}
        for name, shape in operation.input_shape.members.items():
            wire = shape.serialization.get("name", name)
            value = {"uri": named, "querystring": query}.get(shape.serialization.get("location", ""), {}).get(wire)
            if value is not None:
                given[name] = int(value) if shape.type_name in ("integer", "long") else value
        self._check(given, operation.input_shape, "request")
        _check_bounds(given, operation.input_shape, operation.name)
        return given

    def write(self, operation: Any, answer: dict[str, Any]) -> bytes:
        self._check(answer, operation.output_shape, "answer")
        return json.dumps(answer, default=lambda at: at.timestamp()).encode()

    def _check(self, told: dict[str, Any], shape: Any, what: str) -> None:
        unknown = told.keys() - shape.members.keys()
        report = ParamValidator().validate(told, shape)
        if unknown or report.has_errors():
            raise WireError(
                400, "ValidationException", f"the {what} is not in the model: {unknown} {report.generate_report()}"
            )


def _check_bounds(value: Any, shape: Any, where: str) -> None:
    """Patterns and greatest lengths, which botocore leaves to the service."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            _check_bounds(inner, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            _check_bounds(inner, shape.member, where)
    elif shape.type_name == "map":
        for key, inner in value.items():
            _check_bounds(key, shape.key, f"{where} key")
            _check_bounds(inner, shape.value, f"{where}.{key}")
    elif shape.type_name == "string":
        pattern, most = shape.metadata.get("pattern"), shape.metadata.get("max", float("inf"))
        if len(value) > most or (pattern and not re.fullmatch(pattern, value, re.DOTALL)):
            raise WireError(
                400, "ValidationException", f"{where} is {value!r}; it must match {pattern}, at most {most} long"
            )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def _answer(self) -> None:
        fake, spoken = self.server.fake, wire()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        try:
            service, operation, named = spoken.operation(self.command, split.path, self.headers.get("x-amz-target", ""))
            with fake.lock:
                fake.calls.append(f"{service}:{operation.name}")
                trouble = next(iter(fake.troubles.get(operation.name, [])), None)
                if trouble:
                    fake.troubles[operation.name].pop(0)
                if trouble and trouble != "lost":
                    raise WireError(*_TROUBLES[trouble])
                told = spoken.write(
                    operation, fake.obey(service, operation.name, spoken.read(operation, named, query, body))
                )
            if trouble == "lost":
                self.close_connection = True
                self.connection.shutdown(2)
                return
            self._send(200, told)
        except WireError as error:
            self._fail(error)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def _fail(self, error: WireError) -> None:
        """REST names an error in a header, the protocol with one path in the answer itself."""
        if "x-amz-target" in self.headers:
            return self._send(error.status, json.dumps({"__type": error.code, "message": str(error)}).encode())
        return self._send(error.status, json.dumps({"message": str(error)}).encode(), code=error.code)

    def _send(self, status: int, body: bytes, *, code: str = "") -> None:
        with suppress(OSError):
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            if code:
                self.send_header("x-amzn-ErrorType", code)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *given: object) -> None: ...


@contextmanager
def fake_emr() -> Iterator[FakeEmr]:
    """The server on a free port of this machine's loopback."""
    fake = FakeEmr()
    with on_loopback(_Handler, fake) as address:
        fake.url = f"http://{address}"
        yield fake
