"""Beyond what can be explored to its end: more replicas and steps, and faults of every kind again and again."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rollout.model.deciding import Decider
from tests.rollout.model.keys import Setting
from tests.rollout.model.world import Rules, World, alone, begun, fair, right_end

# What comes next: the controller, the pods and the clock for the most part, else whatever may happen.
NEXT = st.one_of(st.sampled_from(["controller", "controller", "controller", "pod"]), st.integers(0, 1000))


@st.composite
def plans(draw: st.DrawFn) -> Setting:
    """A plan of up to nine replicas and six steps."""
    rising = draw(st.sets(st.integers(1, 99), max_size=5))
    replicas = draw(st.integers(1, 9))
    first = draw(st.booleans()) and draw(st.booleans())
    return Setting(
        "random",
        steps=(*sorted(rising), 100),
        replicas=replicas,
        split=draw(st.sampled_from(["weights", "replicas"])),
        baseline=draw(st.booleans()) and not first,
        first=first,
        patient=draw(st.booleans()),
        hold=draw(st.booleans()),
        champion_replicas=draw(st.none() | st.integers(replicas, 12)),
    )


def after(rules: Rules, world: World, event: str | int) -> World:
    """The world after what comes next."""
    if event == "controller":
        return next(iter(rules.controller(world, fair=True)))[1]
    moves = [move for _, move in rules.moves(world)]
    ready = [move for label, move in rules.moves(world) if label.endswith("is ready")]
    return (ready or moves)[0] if event == "pod" else moves[int(event) % len(moves)]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(setting=plans(), rounds=st.integers(0, 9), events=st.lists(NEXT, min_size=20, max_size=200), lame=st.booleans())
def test_whatever_happens_how_often_the_invariants_hold_and_the_rollout_ends(
    setting: Setting, rounds: int, events: list[str | int], lame: bool
) -> None:
    rules = Rules(setting, Decider(setting), most=1000, again=True)
    world = begun(setting)
    for _ in range(rounds):
        world = fair(rules, world)
    for event in events:
        world = after(rules, world, event)
    world = alone(world)
    for _ in range(400):
        world, before = fair(rules, world, lame=lame), world
        if world == before:
            break
    assert right_end(setting, world)
