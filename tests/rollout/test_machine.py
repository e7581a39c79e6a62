"""The rollout's state machine under every order of events that Hypothesis thinks of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pressrun.config.pipeline import Rollout
from pressrun.registry import ModelRef
from pressrun.rollout.machine import advance, resume
from pressrun.rollout.seen import ArmSeen, Observed, RemoveArm, ScaleArm, SetWeights, SwitchChampion
from pressrun.rollout.types import CANDIDATE, CHAMPION, Arm, Intent, Phase, RolloutPlan, RolloutState, Wish
from pressrun.verdict import Assertion, Decision

T0 = datetime(2026, 1, 5, 2, 0, tzinfo=UTC)
POLICY = Rollout(steps=[10, 50, 100], min_requests=10, max_step=timedelta(seconds=60), bake=timedelta(seconds=5))
OLD = ModelRef(name="topics", version="1", digest="0" * 64, run_id="r1", bundle="/b1")
NEW = ModelRef(name="topics", version="2", digest="1" * 64, run_id="r2", bundle="/b2")


def plan_of(*, first: bool = False) -> RolloutPlan:
    arms = () if first else (Arm(name=CHAMPION, model=OLD),)
    return RolloutPlan(
        model="topics", pipeline="topics", step_key="d/r/t/-1", generation=7, policy=POLICY,
        arms=(*arms, Arm(name=CANDIDATE, model=NEW)), start_within=timedelta(seconds=30),
    )  # fmt: skip


def intent_of(generation: int, wish: Wish = "abort") -> Intent:
    return Intent(generation=generation, wish=wish, actor="ann", reason="no", at=T0)


def check(decision: Decision) -> Assertion:
    return Assertion(metric="error_rate", decision=decision, reason="as the test says")


@dataclass
class World:
    """Does what the machine says, and lets things go wrong in between."""

    plan: RolloutPlan
    state: RolloutState = field(default_factory=lambda: RolloutState(since=T0))
    now: datetime = T0
    running: dict[str, bool] = field(default_factory=dict)
    ready: dict[str, bool] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    crashes: int = 0
    switched: bool = False
    intents: tuple[Intent, ...] = ()
    checks: tuple[Assertion, ...] = (check(Decision.PASS),)
    requests: int = 0
    stuck: bool = False
    stops: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.plan.champion:
            self.running[CHAMPION] = self.ready[CHAMPION] = True
            self.weights = {CHAMPION: 100}

    def seen(self, generation: int | None = None) -> Observed:
        champion = NEW if self.switched else self.plan.champion
        arms = {
            name: ArmSeen(
                replicas=int(self.running.get(name, False)),
                ready=int(self.ready.get(name, False)),
                crashes=self.crashes if name == CANDIDATE else 0,
            )
            for name in (CHAMPION, CANDIDATE)
        }
        return Observed(
            generation=self.plan.generation if generation is None else generation, arms=arms, weights=self.weights,
            champion_digest=champion.digest if champion else None, champion_generation=7 if self.switched else 3,
            intents=self.intents, checks=self.checks, requests=self.requests,
        )  # fmt: skip

    def tick(self, seconds: float = 1.0) -> None:
        self.now += timedelta(seconds=seconds)
        observed, before = self.seen(), self.state
        self.state, actions = advance(self.plan, observed, self.state, self.now)
        assert advance(self.plan, self.seen(generation=6), before, self.now) == (before, ())
        if before.ended:
            assert (self.state, actions) == (before, ())
            return
        self.hold(observed, before, actions)
        for action in actions:
            self.do(action)

    def hold(self, observed: Observed, before: RolloutState, actions: tuple[object, ...]) -> None:
        weights = self.state.weights
        assert not weights or sum(weights.values()) == 100
        assert all(observed.arm(arm).ready for arm in weights)
        if self.state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK):
            assert weights.get(CANDIDATE, 0) == 0
        if RemoveArm(CHAMPION) in actions:
            assert self.switched
            assert self.weights == {CANDIDATE: 100}
        if RemoveArm(CANDIDATE) in actions:
            assert not self.weights.get(CANDIDATE, 0)
            assert not self.switched
        if SwitchChampion() in actions:
            assert observed.arm(CANDIDATE).ready

    def do(self, action: object) -> None:
        match action:
            case ScaleArm(arm, _):
                self.running[arm] = True
                self.ready[arm] = not self.stuck
            case RemoveArm(arm):
                self.running[arm] = self.ready[arm] = False
                self.stops.append(arm)
            case SetWeights(weights):
                self.weights = dict(weights)
            case SwitchChampion():
                self.switched = True


def run(world: World, *, ticks: int = 100) -> World:
    for _ in range(ticks):
        if world.state.ended:
            break
        world.requests += 5
        world.tick()
    return world


def test_a_good_candidate_takes_every_step_bakes_and_replaces_the_champion() -> None:
    world, phases, weights = World(plan_of()), [], []
    for _ in range(60):
        world.requests = 20
        world.tick()
        phases.append(world.state.phase)
        weights.append(world.state.weights.get(CANDIDATE, 0))
    assert list(dict.fromkeys(phases)) == [
        Phase.STARTING, Phase.STEPPING, Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED,
    ]  # fmt: skip
    assert sorted(set(weights)) == [0, 10, 50, 100]
    assert world.switched
    assert world.stops == [CHAMPION]


def test_the_first_champion_is_promoted_as_soon_as_it_is_ready() -> None:
    world = run(World(plan_of(first=True)), ticks=5)
    assert world.state.phase is Phase.PROMOTED
    assert world.switched
    assert world.weights == {CANDIDATE: 100}
    assert [c.reason for c in world.state.checks] == ["first champion, no canary"]


@pytest.mark.parametrize("decision", [Decision.FAIL, Decision.ERROR])
def test_a_failed_check_sends_the_candidate_back_with_that_check_as_the_reason(decision: Decision) -> None:
    world = World(plan_of())
    run(world, ticks=3)
    world.checks = (check(decision),)
    run(world)
    assert world.state.phase is Phase.ROLLED_BACK
    assert world.state.checks == (check(decision),)
    assert world.running == {CHAMPION: True, CANDIDATE: False}


def test_too_few_requests_by_the_end_of_a_step_are_insufficient_and_go_back() -> None:
    world = World(plan_of())
    for _ in range(80):
        world.requests = 3
        world.tick()
    assert world.state.phase is Phase.ROLLED_BACK
    assert world.state.checks[-1].decision is Decision.INSUFFICIENT
    assert world.state.checks[-1].reason == "3 requests of the candidate in 60 s, 10 needed"


def test_a_crash_while_the_counts_look_clean_goes_back() -> None:
    world = run(World(plan_of()), ticks=4)
    world.crashes = 1
    run(world)
    assert world.state.phase is Phase.ROLLED_BACK
    assert world.state.checks[-1].metric == "crashes"


def test_a_regression_in_the_bake_brings_the_old_champion_back() -> None:
    world = World(plan_of())
    while world.state.phase is not Phase.BAKING:
        run(world, ticks=1)
    world.checks = (check(Decision.FAIL),)
    run(world)
    assert world.state.phase is Phase.ROLLED_BACK
    assert world.weights == {CHAMPION: 100}
    assert not world.switched


def test_a_bake_waits_until_its_checks_are_settled() -> None:
    world = World(plan_of())
    while world.state.phase is not Phase.BAKING:
        run(world, ticks=1)
    world.checks = (check(Decision.INSUFFICIENT),)
    for _ in range(10):
        world.tick()
    assert world.state.phase is Phase.BAKING
    world.checks = (check(Decision.PASS),)
    world.tick()
    assert world.state.phase is Phase.PROMOTING


def test_a_bake_that_never_sees_enough_traffic_is_insufficient_and_goes_back() -> None:
    world = World(plan_of())
    while world.state.phase is not Phase.BAKING:
        run(world, ticks=1)
    world.checks = (check(Decision.INSUFFICIENT),)
    for _ in range(80):
        world.tick()
    assert world.state.phase is Phase.ROLLED_BACK
    assert world.state.checks[-1].decision is Decision.INSUFFICIENT


def test_a_champion_that_changed_since_the_gate_makes_the_rollout_insufficient() -> None:
    world = World(plan_of(first=True))
    world.plan = plan_of()
    world.plan = world.plan.model_copy(update={"arms": (Arm(name=CANDIDATE, model=NEW),)})
    observed = Observed(generation=7, champion_digest="another")
    state, _ = advance(world.plan, observed, world.state, T0)
    assert state.phase is Phase.ROLLING_BACK
    assert "run the gate again" in state.checks[-1].reason


def test_a_supervisor_that_comes_back_measures_the_present_step_anew() -> None:
    world = World(plan_of())
    while world.state.step < 1:
        run(world, ticks=1)
    world.state = resume(world.state, world.now)
    world.running[CANDIDATE] = world.ready[CANDIDATE] = False
    world.weights = {}
    world.tick()
    assert world.state.phase is Phase.STARTING
    assert world.weights == {CHAMPION: 100}
    run(world, ticks=1)
    assert world.state.phase is Phase.STEPPING
    assert world.state.step == 1


def test_a_pause_holds_the_step_and_its_clock_until_it_is_taken_back() -> None:
    world = World(plan_of())
    run(world, ticks=2)
    world.intents = (intent_of(7, "pause"),)
    for _ in range(100):
        world.requests = 20
        world.tick()
    assert (world.state.phase, world.state.step) == (Phase.STEPPING, 0)
    world.intents = (intent_of(7, "pause"), intent_of(7, "resume"))
    world.requests = 0
    world.tick()
    assert world.state.phase is Phase.STEPPING
    world.requests = 20
    run(world)
    assert world.state.phase is Phase.PROMOTED


def test_a_paused_candidate_that_does_harm_still_goes_back() -> None:
    world = World(plan_of())
    run(world, ticks=3)
    world.intents = (intent_of(7, "pause"),)
    world.checks = (check(Decision.FAIL),)
    run(world)
    assert world.state.phase is Phase.ROLLED_BACK


def test_a_person_promotes_past_steps_and_bake_and_stays_on_the_verdict() -> None:
    world = World(plan_of())
    run(world, ticks=3)
    world.checks, world.intents = (check(Decision.INSUFFICIENT),), (intent_of(7, "promote"),)
    run(world, ticks=6)
    assert world.state.phase is Phase.PROMOTED
    assert world.state.checks[-1].reason == "promoted by ann: no"


def test_a_promotion_by_a_person_does_not_overrule_a_failed_check() -> None:
    world = World(plan_of())
    run(world, ticks=3)
    world.checks, world.intents = (check(Decision.FAIL),), (intent_of(7, "promote"),)
    run(world)
    assert world.state.phase is Phase.ROLLED_BACK


def test_a_force_overrules_a_failed_check_and_says_so_as_a_failure_for_information() -> None:
    world = World(plan_of())
    run(world, ticks=3)
    world.checks, world.intents = (check(Decision.FAIL),), (intent_of(7, "force"),)
    run(world, ticks=6)
    assert world.state.phase is Phase.PROMOTED
    forced = world.state.checks[-1]
    assert (forced.metric, forced.decision, forced.required) == ("forced", Decision.FAIL, False)


def test_a_cluster_that_moves_the_only_replica_is_given_the_plan_s_patience() -> None:
    world = World(plan_of().model_copy(update={"unready_within": timedelta(seconds=10)}))
    run(world, ticks=2)
    world.requests = 0
    world.ready[CANDIDATE] = False
    for _ in range(5):
        world.tick()
    assert (world.state.phase, world.weights) == (Phase.STEPPING, {CHAMPION: 100})
    world.ready[CANDIDATE] = True
    world.tick()
    assert world.weights == {CHAMPION: 90, CANDIDATE: 10}
    world.ready[CANDIDATE] = False
    for _ in range(7):
        world.tick()
    assert world.state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)


def test_a_cluster_that_calls_every_arm_unready_says_nothing_of_the_candidate() -> None:
    """As one does whose API server comes back from an outage: it has not heard of its nodes, while they serve."""
    world = World(plan_of().model_copy(update={"unready_within": timedelta(seconds=10)}))
    run(world, ticks=2)
    world.requests = 0
    world.ready[CANDIDATE] = world.ready[CHAMPION] = False
    for _ in range(20):
        world.tick()
    assert world.state.phase is Phase.STEPPING
    world.ready[CHAMPION] = True
    for _ in range(12):
        world.tick()
    assert (world.state.phase, world.weights) == (Phase.ROLLED_BACK, {CHAMPION: 100})
    assert world.state.checks[-1].metric == "ready"


def test_a_pause_before_the_first_step_keeps_the_candidate_without_traffic() -> None:
    world = World(plan_of(), intents=(intent_of(7, "pause"),))
    for _ in range(100):
        world.tick()
    assert (world.state.phase, world.weights) == (Phase.STARTING, {CHAMPION: 100})
    world.intents = (*world.intents, intent_of(7, "resume"))
    run(world)
    assert world.state.phase is Phase.PROMOTED


def test_a_step_that_begins_in_a_pause_has_its_own_time_and_no_more() -> None:
    world = World(plan_of(), intents=(intent_of(7, "pause"),))
    for _ in range(50):
        world.tick()
    world.intents = (*world.intents, intent_of(7, "resume"))
    world.tick()
    assert (world.state.phase, world.state.since) == (Phase.STEPPING, world.now)


def test_what_is_decided_is_not_paused_any_more() -> None:
    world = World(plan_of(), intents=(intent_of(7, "pause"), intent_of(7, "abort")))
    run(world)
    assert (world.state.phase, world.state.paused_at) == (Phase.ROLLED_BACK, None)


@pytest.mark.parametrize("wish", ["promote", "force"])
def test_a_promotion_that_finds_no_room_for_its_replicas_ends_and_keeps_the_champion(wish: Wish) -> None:
    world = World(plan_of().model_copy(update={"unready_within": timedelta(hours=1)}))
    run(world, ticks=3)
    world.intents, world.stuck = (intent_of(7, wish),), True
    world.ready[CANDIDATE] = False
    run(world)
    assert (world.state.phase, world.weights) == (Phase.ROLLED_BACK, {CHAMPION: 100})
    assert world.state.checks[-1].reason == "the candidate's 1 replicas were not ready within 30 s: 0 were"


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_supervisor_that_dies_after_the_record_named_the_candidate_keeps_the_evidence(deaths: int) -> None:
    world = World(plan_of())
    while not world.switched:
        run(world, ticks=1)
    for _ in range(deaths):
        world.state = resume(world.state, world.now)
    world.intents = (intent_of(7, "pause"),)
    run(world)
    assert (world.state.phase, world.state.paused_at) == (Phase.PROMOTED, None)
    assert world.state.checks == (check(Decision.PASS),)


def test_by_replicas_a_large_share_takes_no_more_than_the_full_size() -> None:
    policy = POLICY.model_copy(update={"steps": [10, 90, 100]})
    plan = plan_of().model_copy(update={"split": "replicas", "replicas": 3, "policy": policy})
    observed = Observed(generation=7, arms={CHAMPION: ArmSeen(replicas=3, ready=3)}, champion_digest=OLD.digest)
    _, actions = advance(plan, observed, RolloutState(since=T0, step=1, weights={CHAMPION: 100}), T0)
    assert ScaleArm(CANDIDATE, 3) in actions


def test_an_arm_goes_only_behind_a_write_of_the_route_so_that_a_write_on_its_way_is_refused() -> None:
    world = World(plan_of())
    run(world, ticks=2)
    world.weights, world.intents = {CHAMPION: 100}, (intent_of(7),)
    _, actions = advance(world.plan, world.seen(), world.state, world.now)
    assert actions == (SetWeights({CHAMPION: 100}), RemoveArm(CANDIDATE))


EVENTS = st.one_of(
    st.sampled_from(["tick", "tick", "tick", "long", "resume", "crash", "champion_down", "champion_up", "unready"]),
    st.sampled_from(list(Decision)),
    st.sampled_from([6, 7]),
)


def happen(world: World, event: object) -> None:
    match event:
        case Decision():
            world.checks = (check(event),)
        case int():
            world.intents = (*world.intents, intent_of(event))
        case "resume":
            world.state = resume(world.state, world.now)
            world.running = dict.fromkeys(world.running, False)
            world.ready, world.weights = {}, {}
        case "crash" | "unready":
            world.ready[CANDIDATE] = False
            world.crashes += event == "crash"
        case "champion_down" | "champion_up":
            world.ready[CHAMPION] = world.running.get(CHAMPION, False) and event == "champion_up"
        case "long":
            world.tick(45)


@settings(max_examples=100, deadline=None)
@given(events=st.lists(EVENTS, max_size=40), first=st.booleans(), requests=st.integers(0, 8))
def test_whatever_happens_the_invariants_hold_and_the_rollout_ends(
    events: list[object], first: bool, requests: int
) -> None:
    world = World(plan_of(first=first))
    for event in events:
        happen(world, event)
        world.requests += requests
        world.tick()
    world.ready = dict(world.running.items())
    for _ in range(400):
        if world.state.ended:
            break
        world.tick()
    assert world.state.ended
    if world.state.phase is Phase.ROLLED_BACK:
        assert not world.switched
        assert not world.running.get(CANDIDATE, False)
    else:
        assert world.switched
        assert not world.running.get(CHAMPION, False)


@settings(max_examples=30, deadline=None)
@given(ticks=st.integers(0, 12))
def test_after_an_abort_the_candidate_carries_nothing_unless_it_was_champion_already(ticks: int) -> None:
    world = run(World(plan_of()), ticks=ticks)
    was_champion, world.intents = world.switched, (intent_of(7),)
    world.tick()
    world.tick()
    assert was_champion or world.weights.get(CANDIDATE, 0) == 0
