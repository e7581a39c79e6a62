"""One controller acts at a time: it holds a Lease, by the client's own leader election."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import urllib3
from kubernetes import client
from kubernetes.client.rest import ApiException
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.leaderelectionrecord import LeaderElectionRecord

LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 15, 10, 2
_UNREACHABLE = (urllib3.exceptions.HTTPError, OSError)
_log = logging.getLogger(__name__)


class Leading:
    """Whether this process may act. It may no longer some seconds before another one may."""

    def __init__(self, api: client.ApiClient, *, name: str, namespace: str, identity: str) -> None:
        self._lock = LeaseLock(api, name, namespace, identity)
        self._leads = threading.Event()
        threading.Thread(target=self._run, name="leading", daemon=True).start()

    @property
    def leads(self) -> bool:
        return self._leads.is_set() and time.monotonic() - self._lock.renewed < RENEW_SECONDS

    def _run(self) -> None:
        while True:
            config = Config(
                self._lock, LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS, self._leads.set, self._leads.clear
            )  # fmt: skip
            try:
                LeaderElection(config).run()
            except Exception:
                _log.exception("the election failed; it begins anew")
            self._leads.clear()
            time.sleep(RETRY_SECONDS)


class LeaseLock:
    """The election's lock as a Lease; each write is refused when another one wrote since it was read.

    The election takes an API server that does not answer for a lock that it could not read, and tries again.
    """

    def __init__(self, api: client.ApiClient, name: str, namespace: str, identity: str) -> None:
        self.name, self.namespace, self.identity = name, namespace, identity
        self.renewed = float("-inf")
        self._api = client.CoordinationV1Api(api)
        self._found: Any = None

    def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        """(True, its record), or (False, why not)."""
        try:
            self._found = self._api.read_namespaced_lease(name, namespace, _request_timeout=RETRY_SECONDS)
        except ApiException as error:
            error.body = json.dumps({"code": error.status})
            return False, error
        except _UNREACHABLE:
            unreachable = HTTPStatus.SERVICE_UNAVAILABLE
            return False, ApiException(http_resp=_NoAnswer(unreachable))
        return True, _record(self._found.spec)

    def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Whether it was made."""
        lease = client.V1Lease(metadata=client.V1ObjectMeta(name=name), spec=_spec(election_record))
        return self._held(self._api.create_namespaced_lease, namespace, lease)

    def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Whether it was written over the version that was read last."""
        self._found.spec = _spec(updated_record)
        return self._held(self._api.replace_namespaced_lease, name, namespace, self._found)

    def _held(self, write: Any, *given: Any) -> bool:
        asked = time.monotonic()
        try:
            self._found = write(*given, _request_timeout=RETRY_SECONDS)
        except (ApiException, *_UNREACHABLE) as error:
            _log.info("the lease %s was not written: %s", self.name, error)
            return False
        self.renewed = asked
        return True


class _NoAnswer:
    """An answer that never came, in the form that the client's exception reads."""

    def __init__(self, status: HTTPStatus) -> None:
        self.status, self.reason, self.data = int(status), status.phrase, json.dumps({"code": int(status)})

    def getheaders(self) -> dict[str, str]:
        return {}


def _record(spec: Any) -> LeaderElectionRecord:
    times = [at.isoformat() if at else None for at in (spec.acquire_time, spec.renew_time)]
    return LeaderElectionRecord(spec.holder_identity, spec.lease_duration_seconds, *times)


def _spec(record: LeaderElectionRecord) -> client.V1LeaseSpec:
    return client.V1LeaseSpec(
        holder_identity=record.holder_identity,
        lease_duration_seconds=int(record.lease_duration),
        acquire_time=_time(record.acquire_time),
        renew_time=_time(record.renew_time),
    )


def _time(said: str) -> datetime:
    """The election writes this machine's local time without its zone."""
    at = datetime.fromisoformat(said)
    return at.astimezone(UTC)
