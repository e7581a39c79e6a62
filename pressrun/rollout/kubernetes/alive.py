"""Whether a cluster's controller is at work, told by the Lease that it renews."""

from __future__ import annotations

from datetime import UTC, datetime

from pressrun.config.environment import Cluster
from pressrun.rollout.kubernetes.cluster import Refused, Unreachable
from pressrun.rollout.kubernetes.names import CONTROLLER
from pressrun.rollout.records import api_of

# Several renewals, and some difference between two machines' clocks.
SILENT_SECONDS = 60.0


def silence(place: Cluster) -> str:
    """Empty while the cluster's controller renews its Lease; else what is wrong, in words."""
    try:
        lease = api_of(place).get("Lease", CONTROLLER, version="coordination.k8s.io/v1")
    except (Unreachable, Refused) as error:
        return str(error)
    renewed = (lease or {}).get("spec", {}).get("renewTime")
    if renewed is None:
        return f"no controller has ever run in namespace {place.namespace}"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds()
    return f"its controller was last heard of {seconds:.0f} s ago" if seconds > SILENT_SECONDS else ""
