"""The time limit of a job on a service that knows none: whoever looks at the job holds it to that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pressrun.compute.platform import ConfigurationFailed, JobState, State

_HINT = "It ran longer than spark.platform.timeout_minutes"


def held_to(
    minutes: int, told: JobState, *, since: datetime | None, until: datetime | None, end: Callable[[], None]
) -> JobState:
    """How the job stands that was created `since` and ended `until`; `end` is called for one that is too old.

    What was ended for that is a failure of the job, as on services that end it by themselves.
    """
    if since is None or (until or datetime.now(UTC)) - since <= timedelta(minutes=minutes):
        return told
    if told.state is State.CANCELLED:
        return replace(told, state=State.FAILED, failure="job", hint=_HINT)
    if told.ending:
        return told
    with suppress(ConfigurationFailed):
        end()
    return replace(told, detail=f"{_HINT}, and is being cancelled", cancelling=True)
