"""The records of rollouts in a cluster: custom resources, each write preconditioned on the version that was read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from pressrun.rollout.kubernetes.cluster import ClusterApi, Object, Stale
from pressrun.rollout.kubernetes.names import MANAGED, model_name
from pressrun.rollout.kubernetes.resource import (
    API_VERSION,
    KIND,
    annotated,
    record_of,
    resource_of,
    spec_of,
    status_of,
)
from pressrun.rollout.record import MOST_EVENTS, MOST_OUTCOMES, StaleRecord
from pressrun.rollout.types import RolloutRecord

MOST_TRIES = 8
# A resource may have about a megabyte: the logs of a failed candidate are kept of the newest rollouts alone.
MOST_LAST_WORDS = 3


class ClusterRecords:
    """The records of one namespace.

    `controls` is true for the controller alone: it writes the status. Whoever submits writes only what is asked for.
    """

    def __init__(self, api: ClusterApi, *, controls: bool = False) -> None:
        self.api, self._controls = api, controls

    def models(self) -> list[str]:
        """The models that have a record."""
        return sorted(found["spec"]["model"] for found in self.api.find(KIND, MANAGED, version=API_VERSION))

    def read(self, model: str) -> RolloutRecord | None:
        """The record as it stands in the cluster, or None. Raises Unreachable and Refused."""
        found = self.api.get(KIND, model_name(model), version=API_VERSION)
        return record_of(found) if found else None

    def update(self, model: str, change: Callable[[RolloutRecord], RolloutRecord]) -> RolloutRecord:
        """Reads, changes and writes, and begins anew when somebody else wrote meanwhile; `change` must be pure.

        Raises StaleRecord when others kept writing, Unreachable and Refused.
        """
        for _ in range(MOST_TRIES):
            try:
                return self._update(model, change)
            except Stale:
                continue
        raise StaleRecord(f"the Rollout of {model} changed under {MOST_TRIES} attempts to write it; try again")

    def _update(self, model: str, change: Callable[[RolloutRecord], RolloutRecord]) -> RolloutRecord:
        found = self.api.get(KIND, model_name(model), version=API_VERSION)
        before = record_of(found) if found else RolloutRecord(model=model)
        now, wanted = datetime.now(UTC), found
        asked = before
        if found and self._controls:
            wanted, asked = annotated(found, before, now)
        after = change(asked)
        found = self._write_spec(found, wanted, after)
        if self._controls and found and after != before:
            self._write_status(found, after, now)
        return after

    def _write_spec(self, found: Object | None, wanted: Object | None, after: RolloutRecord) -> Object | None:
        """The resource with what is asked for; the spec and the annotations change in one write."""
        if found is None or wanted is None:
            return self.api.create(resource_of(after, self.api.namespace)) if after.plan or after.queue else None
        spec = spec_of(after)
        same = found["spec"] == spec and (found["metadata"].get("annotations") or {}) == _notes(wanted)
        return found if same else self.api.replace({**wanted, "spec": spec})

    def _write_status(self, found: Object, after: RolloutRecord, now: datetime) -> None:
        self.api.replace({**found, "status": status_of(_bounded(after), now)}, status=True)


def _bounded(record: RolloutRecord) -> RolloutRecord:
    outcomes = list(record.outcomes[-MOST_OUTCOMES:])
    for at in range(max(0, len(outcomes) - MOST_LAST_WORDS)):
        outcomes[at] = outcomes[at].model_copy(update={"last_words": ()})
    return record.model_copy(update={"history": record.history[-MOST_EVENTS:], "outcomes": tuple(outcomes)})


def _notes(resource: Object) -> Object:
    return resource["metadata"].get("annotations") or {}
