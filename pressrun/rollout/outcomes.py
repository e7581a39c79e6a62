"""What readers did with a rollout's answers: clicks, joined to predictions by impression, as windows of whole minutes.

A minute counts once, `LATENESS` after it is over: a click that reaches the lake later is not counted, for either arm.
An impression belongs to the minute in which it was first shown and to the arm that answered it; one that both arms
answered belongs to neither, and shadowed answers were shown to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from pressrun.config.environment import Environment
from pressrun.lake.lake import Lake
from pressrun.rollout.changes import MOST_REPORTED, reported
from pressrun.rollout.records import Records
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, MEASURED, RolloutRecord
from pressrun.rollout.windows import CLICKS, ArmWindow, Count, Window
from pressrun.step import open_lake

MINUTE = timedelta(minutes=1)
LATENESS = timedelta(minutes=2)
# How long an answer may lie before its reader sees it, and how far the clocks of a site may be apart.
SLACK = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# There are no latencies to put into buckets.
_NO_BOUNDS = (1.0,)
_log = logging.getLogger(__name__)

Counts = Mapping[tuple[int, str], Count]


def report(environment: Environment, records: Records, record: RolloutRecord, now: datetime) -> None:
    """Adds the clicks of the minutes that are due to the record of the rollout under way; mostly none is.

    A lake that cannot be read leaves the metric insufficient: the next poll tries again.
    """
    last, plan = _last_taken(record), record.plan
    if plan is None or last is None or last >= newest_minute(now):
        return
    try:
        windows = outcome_windows(
            open_lake(environment),
            pipeline=plan.pipeline,
            generation=plan.generation,
            champion_generation=record.champion_generation,
            after=last,
            now=now,
        )
    except Exception:
        _log.warning("%s: clicks cannot be read; the next look tries again", plan.model, exc_info=True)
        return
    records.update(plan.model, partial(reported, windows=windows, generation=plan.generation))


def outcome_windows(
    lake: Lake, *, pipeline: str, generation: int, champion_generation: int, after: int, now: datetime
) -> tuple[Window, ...]:
    """A window for each minute after the minute `after` (since the epoch) that is due; at most the newest 60.

    A minute without impressions of both arms is an empty window: it says nothing, and nothing of it is missing.
    """
    newest = newest_minute(now)
    minutes = range(max(after + 1, newest - MOST_REPORTED + 1), newest + 1)
    if not minutes:
        return ()
    start, end = _time(minutes.start), _time(minutes.stop)
    shown = _shown(lake, pipeline, start, end)
    # Nobody has told of a reader, as where no interactions come in at all: the longer table is left unread.
    counts = _counts(shown, _answered(lake, pipeline, generation, champion_generation, start)) if len(shown) else {}
    return tuple(_window(minute, counts) for minute in minutes)


def newest_minute(now: datetime) -> int:
    """The newest minute that is due, as its number since the epoch."""
    return minute_of(now - LATENESS) - 1


def minute_of(time: datetime) -> int:
    return (time - _EPOCH) // MINUTE


def _time(minute: int) -> datetime:
    return _EPOCH + minute * MINUTE


def _last_taken(record: RolloutRecord) -> int | None:
    """The last minute that was reported, at first the one the rollout began in; None where clicks are not asked for."""
    plan, state = record.plan, record.state
    if plan is None or state is None or record.submitted_at is None or state.phase not in MEASURED:
        return None
    if CLICKS not in plan.policy.budgets.outcomes or plan.champion is None:
        return None
    known = [window.sequence for window in record.reported if window.source == CLICKS]
    taken = record.evidence.sequences.get(CLICKS, -1) if record.evidence else -1
    return max([minute_of(record.submitted_at), taken, *known])


def _shown(lake: Lake, pipeline: str, start: datetime, end: datetime) -> pa.Table:
    """Impressions first shown from `start` to before `end`: impression_id, at, clicked (whether any row says so)."""
    early = start - SLACK
    at, clicked = pc.field("shown_at"), pc.field("clicked")
    rows = lake.read(
        lake.snapshot("interactions", pipeline=pipeline),
        ["impression_id", "shown_at", "clicked"],
        where=(at >= early) & (at < end) & clicked.is_valid(),
        since=early,
    )
    each = rows.group_by("impression_id").aggregate([("shown_at", "min"), ("clicked", "max")])
    found = each.rename_columns({"shown_at_min": "at", "clicked_max": "clicked"})
    return found.filter(pc.field("at") >= start)


def _answered(lake: Lake, pipeline: str, generation: int, champion_generation: int, start: datetime) -> pa.Table:
    """Impressions that one arm answered, from `SLACK` before `start` on: impression_id, arm."""
    at, made_by, early = pc.field("at"), pc.field("generation"), start - SLACK
    rows = lake.read(
        lake.snapshot("predictions", pipeline=pipeline),
        ["impression_id", "generation", "arm"],
        where=(at >= early)
        & made_by.isin([generation, champion_generation])
        & (pc.field("shadow").is_null() | ~pc.field("shadow"))
        & pc.field("impression_id").is_valid(),
        since=early,
    )
    # A server started for the candidate goes on calling itself so as champion: its generation tells.
    fresh = pc.and_(pc.equal(rows["generation"], generation), pc.equal(pc.fill_null(rows["arm"], ""), BASELINE))
    ours = pc.equal(rows["generation"], generation)
    arm = pc.if_else(fresh, BASELINE, pc.if_else(ours, CANDIDATE, CHAMPION))
    arms = pa.table({"impression_id": rows["impression_id"], "arm": arm})
    each = arms.group_by("impression_id").aggregate([("arm", "min"), ("arm", "max")])
    alone = each.filter(pc.field("arm_min") == pc.field("arm_max"))
    return pa.table({"impression_id": alone["impression_id"], "arm": alone["arm_min"]})


def _counts(shown: pa.Table, answered: pa.Table) -> Counts:
    """Impressions without a click, of all, by minute and arm."""
    both = shown.join(answered, "impression_id", join_type="inner")
    minutes = pc.divide(pc.cast(both["at"], pa.int64()), int(MINUTE.total_seconds()) * 1_000_000)
    rows = pa.table({"minute": minutes, "arm": both["arm"], "clicked": pc.cast(both["clicked"], pa.int64())})
    found = rows.group_by(["minute", "arm"]).aggregate([("clicked", "sum"), ("clicked", "count")]).to_pylist()
    return {
        (row["minute"], row["arm"]): Count(bad=row["clicked_count"] - row["clicked_sum"], of=row["clicked_count"])
        for row in found
    }


def _window(minute: int, counts: Counts) -> Window:
    """Only where both arms were shown: readers of another minute are other readers."""
    arms = {arm: counts[minute, arm] for arm in (CANDIDATE, CHAMPION, BASELINE) if (minute, arm) in counts}
    compared = CANDIDATE in arms and len(arms) > 1
    kept = {arm: ArmWindow(outcomes={CLICKS: count}) for arm, count in arms.items()} if compared else {}
    return Window(source=CLICKS, sequence=minute, bounds=_NO_BOUNDS, arms=kept)
