"""What a rollout measures of its route, and what is left of it after a restart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pressrun.config.pipeline import Rollout
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.measuring import MOST_IN_WINDOW, WINDOW_SECONDS, Measure
from pressrun.rollout.router import Route
from pressrun.rollout.types import CANDIDATE, CHAMPION, Phase, RolloutPlan, RolloutState
from tests.rollout.foreign import Clock
from tests.rollout.home import model_of, plan_of

POLICY = Rollout(steps=[50, 100], shadow=0.0)


def state_of(phase: Phase = Phase.STEPPING, step: int = 0) -> RolloutState:
    return RolloutState(phase=phase, step=step, since=datetime.now(UTC))


def plan_in(folder: Path, generation: int = 1) -> RolloutPlan:
    plan = plan_of("d/2/t/-1", model_of(folder, "2"), model_of(folder, "1"), POLICY)
    return plan.model_copy(update={"generation": generation})


def answer(route: Route, requests: int, *arms: str) -> None:
    for arm in arms:
        for _ in range(requests):
            route.counts.answered(arm, failed=False, milliseconds=20.0)


def test_a_window_ends_with_its_second_or_when_it_is_full(tmp_path: Path) -> None:
    clock, route, plan = Clock(), Route(), plan_in(tmp_path)
    measure = Measure(route, clock=clock)
    measure.enter(plan, state_of())
    answer(route, 30, CANDIDATE, CHAMPION)
    measure.checks(plan, state_of())
    assert measure.evidence.total.windows == 0
    clock.seconds += WINDOW_SECONDS
    measure.checks(plan, state_of())
    assert measure.evidence.total.windows == 1
    answer(route, MOST_IN_WINDOW // 2, CANDIDATE, CHAMPION)
    measure.checks(plan, state_of())
    assert measure.evidence.total.windows == 2


def test_evidence_outlives_its_controller_and_not_its_rollout(tmp_path: Path) -> None:
    clock, route, plan = Clock(), Route(), plan_in(tmp_path)
    before = Measure(route, clock=clock)
    before.enter(plan, state_of())
    answer(route, 30, CANDIDATE, CHAMPION)
    clock.seconds += WINDOW_SECONDS
    before.checks(plan, state_of())
    kept = Evidence.model_validate_json(before.evidence.model_dump_json())
    after = Measure(Route(), clock=clock)
    after.enter(plan, state_of(), kept)
    assert after.evidence.tracks == before.evidence.tracks
    assert after.evidence.step.windows == 0
    before.enter(plan_in(tmp_path, generation=2), state_of(), None)
    assert before.evidence == Evidence()


def test_in_the_bake_earlier_windows_of_the_champion_stand_beside_the_candidate_once_each(tmp_path: Path) -> None:
    clock, route, plan = Clock(), Route(), plan_in(tmp_path)
    measure = Measure(route, clock=clock)
    measure.enter(plan, state_of())
    for _ in range(2):
        answer(route, 30, CANDIDATE, CHAMPION)
        clock.seconds += WINDOW_SECONDS
        measure.checks(plan, state_of())
    baking = state_of(Phase.BAKING, 2)
    measure.enter(plan, baking)
    for _ in range(4):
        answer(route, 30, CANDIDATE)
        clock.seconds += WINDOW_SECONDS
        measure.checks(plan, baking)
    assert measure.evidence.apart == 2
    assert measure.evidence.tracks["error_rate"].number == 4
