"""Overrides in the lake: kept once, found by their verdict, and of no effect when their time is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pressrun.lake import Lake
from pressrun.lake.overrides import in_force, keep_override, overrides_of
from pressrun.verdict import Override

NOW = datetime(2026, 1, 5, 2, tzinfo=UTC)


def override(verdict_id: str = "v1", *, actor: str = "ann", hours: int = 2, at: datetime = NOW) -> Override:
    expiry = at + timedelta(hours=hours)
    return Override(verdict_id=verdict_id, actor=actor, reason="the gold is wrong", at=at, expiry=expiry)


def test_an_override_is_kept_once_and_comes_back_whole(lake: Lake) -> None:
    first = override()
    for _ in range(2):
        keep_override(lake, first, pipeline="topics")
    later = override("v2", at=NOW + timedelta(hours=1))
    keep_override(lake, later, pipeline="topics")
    assert overrides_of(lake, pipeline="topics") == (first, later)
    assert overrides_of(lake, pipeline="other") == ()


def test_it_holds_for_its_verdict_until_it_expires(lake: Lake) -> None:
    keep_override(lake, override(), pipeline="topics")
    for verdict_id, after, holds in (
        ("v1", timedelta(), True),
        ("v1", timedelta(minutes=119), True),
        ("v1", timedelta(hours=2), False),
        ("v1", timedelta(seconds=-1), False),
        ("v2", timedelta(), False),
    ):
        found = in_force(lake, pipeline="topics", verdict_id=verdict_id, now=NOW + after)
        assert (found is not None) == holds, (verdict_id, after)


def test_of_several_that_hold_the_newest_counts(lake: Lake) -> None:
    for actor, minutes in (("ann", 0), ("bob", 10)):
        keep_override(lake, override(actor=actor, at=NOW + timedelta(minutes=minutes)), pipeline="topics")
    found = in_force(lake, pipeline="topics", verdict_id="v1", now=NOW + timedelta(minutes=20))
    assert found is not None
    assert found.actor == "bob"


def test_before_any_override_none_holds(lake: Lake) -> None:
    assert in_force(lake, pipeline="topics", verdict_id="v1", now=NOW) is None
