"""Clicks as evidence: joined by impression in a real lake, reported by whoever waits, judged by both keepers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Budgets, Rollout
from pressrun.lake import Lake, rows_of
from pressrun.rollout import carry_on, changes, status
from pressrun.rollout.analysis import judge
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.kubernetes.measuring import Measured, absorbed, checks
from pressrun.rollout.kubernetes.resource import definition, record_of, resource_of, status_of
from pressrun.rollout.machine import advance
from pressrun.rollout.measuring import Measure
from pressrun.rollout.outcomes import LATENESS, SLACK, minute_of, outcome_windows, report
from pressrun.rollout.record import RecordStore
from pressrun.rollout.router import Route
from pressrun.rollout.seen import ArmSeen, Observed
from pressrun.rollout.types import CANDIDATE, CHAMPION, Phase, RolloutRecord, RolloutState
from pressrun.rollout.windows import CLICKS, ArmWindow, Count, Window
from pressrun.verdict import Comparison, Decision
from tests.rollout.home import model_of, plan_of

BEGAN = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
FIRST = minute_of(BEGAN)
BEFORE, OURS = 3, 7
POLICY = Rollout(steps=[50, 100], shadow=0.0, budgets=Budgets(outcomes={CLICKS: 0.2}))


def at(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def due(minute: int) -> datetime:
    """When the minute is counted, at the earliest."""
    return at(minute + 1) + LATENESS


@dataclass
class Site:
    """Readers of both arms, whose impressions and clicks come into a lake as two streams."""

    lake: Lake
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    shipped: int = 0
    shown: int = 0

    def read(self, minute: float, *, ours: float, theirs: float, readers: int = 100) -> None:
        """One minute's readers, half of them of each arm, who click with these probabilities."""
        answers, interactions = [], []
        for generation, share in ((OURS, ours), (BEFORE, theirs)):
            for _ in range(readers // 2):
                self.shown += 1
                answers.append(self.answer(f"i{self.shown}", generation, minute))
                interactions.append(self.impression(f"i{self.shown}", minute, clicked=bool(self.rng.random() < share)))
        self.ship("predictions", answers)
        self.ship("interactions", interactions)

    def answer(self, impression: str, generation: int, minute: float, **more: Any) -> dict[str, Any]:
        # A champion that was started as a candidate calls itself so still.
        row = {"request_id": impression, "model": "topics", "arm": CANDIDATE, "generation": generation, "shadow": False}
        return {**row, "impression_id": impression, "at": at(minute), **more}

    def impression(self, impression: str, minute: float, *, clicked: bool | None) -> dict[str, Any]:
        return {"impression_id": impression, "article_id": "a1", "shown_at": at(minute), "clicked": clicked}

    def ship(self, table: str, rows: list[dict[str, Any]]) -> None:
        self.shipped += 1
        self.lake.append(table, rows_of(table, rows), pipeline="topics", source="site", sequence=self.shipped)

    def windows(self, now: datetime, *, after: int = FIRST) -> tuple[Window, ...]:
        return outcome_windows(
            self.lake, pipeline="topics", generation=OURS, champion_generation=BEFORE, after=after, now=now
        )


@pytest.fixture
def site(lake: Lake) -> Site:
    return Site(lake=lake)


def record_in(folder: Path, policy: Rollout = POLICY, phase: Phase = Phase.STEPPING, step: int = 0) -> RolloutRecord:
    plan = plan_of("d/2/t/-1", model_of(folder, "2"), model_of(folder, "1"), policy)
    return RolloutRecord(
        model="topics", generations=OURS, champion=plan.champion, champion_generation=BEFORE, submitted_at=BEGAN,
        plan=plan.model_copy(update={"generation": OURS}), state=RolloutState(phase=phase, step=step, since=BEGAN),
    )  # fmt: skip


def counted(windows: tuple[Window, ...]) -> list[tuple[int, int, int, int]]:
    """Without a click, of all: the candidate's and the champion's."""
    found = [(w.arm(CANDIDATE).count(CLICKS), w.arm(CHAMPION).count(CLICKS)) for w in windows]
    return [(ours.bad, ours.of, theirs.bad, theirs.of) for ours, theirs in found]


def clicks_of(found: Any) -> Comparison:
    return next(check for check in found if check.metric == CLICKS)


def judged(windows: tuple[Window, ...], policy: Rollout = POLICY, *, step: int = 0) -> Comparison:
    found = clicks_of(judge(Evidence().caught_up(windows, policy), policy, final=step > 0, step=step))
    assert isinstance(found, Comparison)
    return found


def test_equal_arms_pass(site: Site) -> None:
    for minute in range(1, 31):
        site.read(minute, ours=0.3, theirs=0.3, readers=400)
    check = judged(site.windows(due(30)))
    assert (check.decision, check.samples) == (Decision.PASS, 6000)
    assert re.match(r"clicks on 1\d+ of 6000 impressions against 1\d+ of 6000, 20% fewer allowed: shown", check.reason)


def test_a_candidate_that_halves_clicks_fails(site: Site) -> None:
    for minute in range(1, 16):
        site.read(minute, ours=0.2, theirs=0.4)
    windows = site.windows(due(15))
    assert [w.sequence for w in windows] == list(range(FIRST + 1, FIRST + 16))
    assert all(w.concurrent and w.source == CLICKS for w in windows)
    check = judged(windows)
    assert check.decision is Decision.FAIL
    assert check.difference == pytest.approx(0.5, abs=0.1)
    assert check.low == 0.2


def test_a_minute_is_counted_when_it_is_over_and_clicks_had_their_time(site: Site) -> None:
    site.read(1, ours=0.1, theirs=0.1)
    site.read(2, ours=0.1, theirs=0.1)
    assert site.windows(due(1) - timedelta(seconds=1)) == ()
    assert [w.sequence for w in site.windows(due(1))] == [FIRST + 1]
    assert [w.sequence for w in site.windows(due(2), after=FIRST + 1)] == [FIRST + 2]


def test_what_comes_later_is_not_counted_for_either_arm(site: Site) -> None:
    site.read(1, ours=0.0, theirs=0.0)
    first = site.windows(due(1))
    seen = Evidence().caught_up(first, POLICY)
    site.ship("interactions", [site.impression("i1", 1, clicked=True)])
    site.read(2, ours=0.0, theirs=0.0)
    later = site.windows(due(2), after=FIRST + 1)
    assert counted(first) == [(50, 50, 50, 50)]
    assert counted(later) == [(50, 50, 50, 50)]
    assert seen.caught_up((*site.windows(due(1)), *later), POLICY).total.count(CLICKS, CANDIDATE).bad == 100


def test_an_impression_counts_once_in_the_minute_it_was_first_shown(site: Site) -> None:
    site.ship(
        "predictions", [site.answer("mine", OURS, 1), site.answer("mine", OURS, 1), site.answer("its", BEFORE, 1)]
    )
    seen = [site.impression("mine", 1, clicked=False), site.impression("mine", 1.5, clicked=True)]
    again = [site.impression(name, minute, clicked=False) for name in ("mine", "its") for minute in (2, 1, 2)]
    site.ship("interactions", [*seen, *again])
    assert counted(site.windows(due(2))) == [(0, 1, 1, 1), (0, 0, 0, 0)]
    assert counted(site.windows(due(2), after=FIRST + 1)) == [(0, 0, 0, 0)]


def test_who_saw_no_answer_of_one_arm_alone_is_not_counted(site: Site) -> None:
    answers = [
        site.answer("ours", OURS, 1),
        site.answer("theirs", BEFORE, 1, shadow=None),
        site.answer("shadowed", OURS, 1, shadow=True),
        site.answer("both", OURS, 1),
        site.answer("both", BEFORE, 1),
        site.answer("of an older rollout", BEFORE - 1, 1),
        site.answer("answered long ago", OURS, 1.5 - SLACK / timedelta(minutes=1) - 1),
        site.answer("nobody knows", OURS, 1),
        site.answer("never shown", OURS, 1),
        {**site.answer("nameless", OURS, 1), "impression_id": None},
    ]
    site.ship("predictions", answers)
    told = [site.impression(row["request_id"], 1.5, clicked=False) for row in answers[:7]]
    site.ship("interactions", [*told, site.impression("nobody knows", 1.5, clicked=None)])
    assert counted(site.windows(due(1))) == [(1, 1, 1, 1)]


def test_a_fresh_baseline_stands_for_the_champion(site: Site) -> None:
    fresh = [site.answer(f"b{n}", OURS, 1, arm="baseline") for n in range(3)]
    site.ship("predictions", [site.answer("ours", OURS, 1), site.answer("theirs", BEFORE, 1), *fresh])
    names = ("ours", "theirs", "b0", "b1", "b2")
    site.ship("interactions", [site.impression(name, 1, clicked=name == "b1") for name in names])
    assert counted(site.windows(due(1))) == [(1, 1, 2, 3)]


def test_minutes_without_readers_of_both_arms_say_nothing_and_are_not_missing(site: Site) -> None:
    site.read(1, ours=0.1, theirs=0.1)
    site.ship("predictions", [site.answer("alone", OURS, 2)])
    site.ship("interactions", [site.impression("alone", 2, clicked=False)])
    site.read(5, ours=0.1, theirs=0.1)
    windows = site.windows(due(5))
    assert [bool(w.arms) for w in windows] == [True, False, False, False, True]
    seen = Evidence().caught_up(windows, POLICY)
    assert (seen.missing, seen.tracks[CLICKS].number) == (0, 2)
    assert seen.total.count(CLICKS, CANDIDATE).of == 100


def test_two_looks_give_the_same_windows_and_a_restart_counts_none_twice(site: Site) -> None:
    for minute in range(1, 5):
        site.read(minute, ours=0.2, theirs=0.2)
    windows = site.windows(due(4))
    assert site.windows(due(4)) == windows
    assert site.windows(due(4), after=FIRST + 2) == windows[2:]
    once = Evidence().caught_up(windows, POLICY)
    again = Evidence.model_validate_json(Evidence().caught_up(windows[:3], POLICY).model_dump_json())
    assert again.caught_up(windows, POLICY) == once
    assert once.caught_up(windows, POLICY) is once


def test_no_more_than_an_hour_is_read_at_once(site: Site) -> None:
    site.read(1, ours=0.2, theirs=0.2)
    windows = site.windows(due(200))
    assert (len(windows), windows[-1].sequence) == (60, FIRST + 200)


def test_without_interactions_clicks_are_insufficient(site: Site) -> None:
    site.ship("predictions", [site.answer(f"i{n}", OURS, 1) for n in range(100)])
    windows = site.windows(due(3))
    assert len(windows) == 3
    assert judged(windows).decision is Decision.INSUFFICIENT


def test_the_last_step_with_both_arms_decides_and_after_it_that_stands(site: Site) -> None:
    three = POLICY.model_copy(update={"steps": [10, 50, 100]})
    for minute in range(1, 31):
        site.read(minute, ours=0.3, theirs=0.3, readers=100 if minute < 3 else 400)

    def at_step(seen: Evidence, step: int) -> Decision:
        return Decision(clicks_of(judge(seen, three, final=step > 1, step=step)).decision)

    few = Evidence().caught_up(site.windows(due(2)), three)
    assert [at_step(few, step) for step in (0, 1)] == [Decision.PASS, Decision.INSUFFICIENT]
    assert [at_step(few.entered(), step) for step in (1, 2, 3)] == [Decision.INSUFFICIENT] * 3
    many = few.caught_up(site.windows(due(30), after=FIRST + 2), three).entered()
    alone = many.caught_up(site.windows(due(40), after=FIRST + 30), three)
    assert [at_step(alone, step) for step in (1, 2, 3)] == [Decision.INSUFFICIENT, Decision.PASS, Decision.PASS]


def test_whoever_waits_reports_each_minute_once_and_looks_into_the_lake_no_oftener(
    environment: Environment, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Environment] = []
    monkeypatch.setattr("pressrun.rollout.outcomes.open_lake", lambda asked: opened.append(asked) or site.lake)
    store = RecordStore(environment)
    store.update("topics", lambda _: record_in(tmp_path))
    site.read(1, ours=0.2, theirs=0.2)

    def look(now: datetime) -> RolloutRecord:
        before = store.read("topics")
        assert before is not None
        report(environment, store, before, now)
        after = store.read("topics")
        assert after is not None
        return after

    assert look(due(1) - timedelta(seconds=1)).reported == ()
    first = look(due(1))
    assert counted(first.reported)[0][1::2] == (50, 50)
    site.read(2, ours=0.2, theirs=0.2)
    assert look(due(1) + timedelta(seconds=30)).version == first.version
    second = look(due(2))
    assert [w.sequence for w in second.reported] == [FIRST + 1, FIRST + 2]
    assert second.reported[0] == first.reported[0]
    evidence = Evidence().caught_up(second.reported, POLICY)
    store.update("topics", lambda record: record.model_copy(update={"evidence": evidence, "reported": ()}))
    assert look(due(2)).reported == ()
    assert len(opened) == 2


def test_waiting_for_the_step_itself_reports_and_waiting_for_another_does_not(
    environment: Environment, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pressrun.rollout.api._now", lambda: due(1))
    RecordStore(environment).update("topics", lambda _: record_in(tmp_path))
    site.read(1, ours=0.2, theirs=0.2)
    for step_key, reported in (("d/another/t/-1", 0), ("d/2/t/-1", 1), ("d/2/t/-1", 1)):
        carry_on(environment, "topics", step_key)
        record = status(environment, "topics")
        assert record is not None
        assert len(record.reported) == reported


@pytest.mark.parametrize(
    "update",
    [
        {"plan": plan_of("d/2/t/-1", model_of(Path("/tmp"), "2"), None, POLICY)},
        {"state": RolloutState(since=BEGAN)},
        {"submitted_at": None},
    ],
)
def test_nothing_is_reported_where_nothing_is_compared(
    update: dict[str, Any], environment: Environment, site: Site, tmp_path: Path
) -> None:
    site.read(1, ours=0.2, theirs=0.2)
    store = RecordStore(environment)
    record = store.update("topics", lambda _: record_in(tmp_path).model_copy(update=update))
    report(environment, store, record, due(1))
    assert store.read("topics") == record


def test_a_lake_that_cannot_be_read_is_no_end_of_waiting(
    environment: Environment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = environment.lake.model_copy(update={"root": "s3://nobody-has-this"})
    store = RecordStore(environment)
    record = store.update("topics", lambda _: record_in(tmp_path))
    report(environment.model_copy(update={"lake": place}), store, record, due(1))
    assert "clicks cannot be read; the next look tries again" in caplog.text


def window(sequence: int) -> Window:
    arms = {arm: ArmWindow(outcomes={CLICKS: Count(bad=1, of=2)}) for arm in (CANDIDATE, CHAMPION)}
    return Window(source=CLICKS, sequence=sequence, arms=arms)


def test_reports_bind_the_generation_under_way_and_stay_few(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    told = changes.reported(record, [window(n) for n in range(100)], generation=OURS)
    assert [w.sequence for w in told.reported] == list(range(40, 100))
    assert changes.reported(told, [window(99)], generation=OURS) is told
    assert changes.reported(record, [window(1)], generation=OURS - 1) is record
    unasked = record_in(tmp_path, Rollout())
    assert changes.reported(unasked, [window(1)], generation=OURS) is unasked
    ended = record_in(tmp_path, phase=Phase.ROLLED_BACK)
    assert changes.reported(ended, [window(1)], generation=OURS) is ended
    assert changes.fresh(BEGAN)["reported"] == ()


def test_what_was_reported_is_asked_for_and_survives_the_cluster(tmp_path: Path) -> None:
    record = changes.reported(record_in(tmp_path), [window(n) for n in range(60)], generation=OURS)
    resource = resource_of(record, "pressrun")
    said = {**status_of(record, BEGAN), "generation": OURS}
    back = record_of({**resource, "metadata": {**resource["metadata"], "generation": 1}, "status": said})
    assert back.reported == record.reported
    assert "reported" not in said["record"]
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert schema["reported"]["maxItems"] == len(record.reported)


def observed(record: RolloutRecord, found: Any) -> Observed:
    assert record.champion is not None
    return Observed(
        generation=OURS, arms={arm: ArmSeen(replicas=1, ready=1) for arm in (CANDIDATE, CHAMPION)},
        weights={CANDIDATE: 50, CHAMPION: 50}, champion_digest=record.champion.digest, champion_generation=BEFORE,
        intents=(), checks=found, requests=1000,
    )  # fmt: skip


def test_both_keepers_take_the_candidate_out_when_clicks_fall(site: Site, tmp_path: Path) -> None:
    for minute in range(1, 16):
        site.read(minute, ours=0.2, theirs=0.4)
    record = changes.reported(record_in(tmp_path), site.windows(due(15)), generation=OURS)
    plan, state = record.plan, record.state
    assert plan is not None
    assert state is not None
    measure = Measure(Route())
    measure.enter(plan, state)
    for _ in range(2):
        measure.hear(record.reported, plan, state)
    nothing = Measured({}, {})
    inside = absorbed(absorbed(record, nothing), nothing)
    assert inside.evidence is not None
    assert inside.evidence == measure.evidence
    for found in (measure.checks(plan, state), checks(inside, nothing)):
        after, _ = advance(plan, observed(record, found), state, due(15))
        assert after.phase is Phase.ROLLING_BACK
        assert clicks_of(after.checks).decision is Decision.FAIL


def test_what_is_reported_while_nothing_is_measured_waits(tmp_path: Path) -> None:
    record = record_in(tmp_path, phase=Phase.STARTING).model_copy(update={"reported": (window(1),)})
    assert record.plan is not None
    assert record.state is not None
    measure = Measure(Route())
    measure.hear(record.reported, record.plan, record.state)
    assert measure.evidence == Evidence()
    assert absorbed(record, Measured({}, {})).evidence == Evidence()
