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
    reference_to,
    resource_of,
    spec_of,
    status_of,
)
from pressrun.rollout.record import MOST_EVENTS, MOST_OUTCOMES, StaleRecord
from pressrun.rollout.types import RolloutRecord

MOST_TRIES = 8
# A resource may have about a megabyte. So many events, outcomes, and outcomes with the candidate's last words are kept
# of the newest, fewer where that would be too much.
MOST_BYTES = 900_000
_KEPT = ((MOST_EVENTS, MOST_OUTCOMES, 3), (MOST_EVENTS, 50, 1), (100, 20, 1), (50, 5, 1), (50, 5, 0))
# The API's own encoding writes each of these as six characters.
_ESCAPED = "<>&"


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
        found = self.found(model)
        return found[0] if found else None

    def found(self, model: str) -> tuple[RolloutRecord, Object] | None:
        """The record, and what its objects say of their owner; None where there is none."""
        found = self.api.get(KIND, model_name(model), version=API_VERSION)
        return (record_of(found), reference_to(found)) if found else None

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
            found = self._write_status(found, after, now)
        return after.model_copy(update={"version": found["metadata"]["generation"]}) if found else after

    def _write_spec(self, found: Object | None, wanted: Object | None, after: RolloutRecord) -> Object | None:
        """The resource with what is asked for; the spec and the annotations change in one write."""
        if found is None or wanted is None:
            return self.api.create(resource_of(after, self.api.namespace)) if after.plan or after.queue else None
        spec = spec_of(after)
        same = found["spec"] == spec and (found["metadata"].get("annotations") or {}) == _notes(wanted)
        return found if same else self.api.replace({**wanted, "spec": spec})

    def _write_status(self, found: Object, after: RolloutRecord, now: datetime) -> Object:
        return self.api.replace({**found, "status": status_of(_bounded(after), now)}, status=True)


def _bounded(record: RolloutRecord) -> RolloutRecord:
    """As much of the record as a resource takes, the newest first."""
    kept = record
    for events, outcomes, words in _KEPT:
        kept = _cut(record, events, outcomes, words)
        text = kept.model_dump_json()
        if len(text.encode()) + 5 * sum(text.count(one) for one in _ESCAPED) <= MOST_BYTES:
            break
    return kept


def _cut(record: RolloutRecord, events: int, outcomes: int, words: int) -> RolloutRecord:
    ended = list(record.outcomes[-outcomes:])
    for at in range(max(0, len(ended) - words)):
        ended[at] = ended[at].model_copy(update={"last_words": ()})
    # What the outcome holds need not stand beside it once more.
    said = () if record.plan and any(one.generation == record.plan.generation for one in ended) else record.last_words
    kept = {"history": record.history[-events:], "outcomes": tuple(ended), "last_words": said if words else ()}
    return record.model_copy(update=kept)


def _notes(resource: Object) -> Object:
    return resource["metadata"].get("annotations") or {}
