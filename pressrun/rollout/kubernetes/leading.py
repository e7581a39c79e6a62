"""One controller acts at a time: it holds a Lease, by the client's own leader election."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import urllib3
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

LEASE_SECONDS, RENEW_SECONDS, RETRY_SECONDS = 15, 10, 2
_log = logging.getLogger(__name__)


class Leading:
    """Whether this process may act. It may no longer some seconds before another one may."""

    def __init__(self, *, name: str, namespace: str, identity: str) -> None:
        self._lock = _PatientLock(name, namespace, identity)
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


class _PatientLock(LeaseLock):  # type: ignore[misc]
    """An API server that is away for a moment is no reason to end the election."""

    renewed = float("-inf")

    def get(self, name: str, namespace: str) -> Any:
        try:
            return super().get(name, namespace)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return False, _NoAnswer(error)

    def create(self, name: str, namespace: str, election_record: Any) -> bool:
        return self._held(super().create, name, namespace, election_record)

    def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        return self._held(super().update, name, namespace, updated_record)

    def _held(self, write: Any, *given: Any) -> bool:
        asked = time.monotonic()
        try:
            held = bool(write(*given))
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        if held:
            self.renewed = asked
        return held


class _NoAnswer:
    """Looks to the election like an answer without a body: it is tried again."""

    def __init__(self, error: Exception) -> None:
        self.reason, self.body = type(error).__name__, None
