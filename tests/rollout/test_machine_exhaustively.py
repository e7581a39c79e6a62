"""Every world of a small model: arms of two or three replicas, two or three steps and a bake, one controller and its
stale double, and between any two of its moments a fault or a person's command.

Bounds: at most one fault of each of the seventeen kinds along a path, and at most two altogether (three in the first
plan when PRESSRUN_MODEL_FAULTS=3, and so on); seconds are kept as what has passed. From every world that is reached, a
fair world without further faults comes to its right end.
"""

from __future__ import annotations

import os

import pytest

from tests.rollout.model.exploring import explore
from tests.rollout.model.keys import Setting
from tests.rollout.model.rules import Violation
from tests.rollout.model.world import BLIND, LATE, LAZY

FAULTS = int(os.environ.get("PRESSRUN_MODEL_FAULTS", "2"))
PLANS = {
    "weights": (Setting("weights"), FAULTS, 240_000),
    "one replica": (Setting("one replica", replicas=1, steps=(10, 100)), FAULTS - 1, 5_000),
    "replicas": (Setting("replicas", split="replicas"), FAULTS - 1, 5_000),
    "baseline": (Setting("baseline", steps=(10, 50, 100), baseline=True), FAULTS - 1, 10_000),
    "impatient": (Setting("impatient", patient=False), FAULTS - 1, 5_000),
    "a larger champion": (Setting("a larger champion", champion_replicas=3), FAULTS - 1, 5_000),
    "a first champion": (Setting("a first champion", first=True), FAULTS - 1, 500),
}


@pytest.mark.parametrize("name", PLANS)
def test_no_order_of_events_breaks_an_invariant_and_every_rollout_ends_where_it_belongs(name: str) -> None:
    setting, faults, least = PLANS[name]
    explored = explore(setting, faults=faults)
    print(f"{name}, at most {faults} faults: {explored}")
    assert explored.worlds >= least
    assert explored.rolled_back
    assert explored.promoted


@pytest.mark.parametrize("careless", [LAZY, LATE, BLIND])
def test_what_is_asked_of_a_target_is_needed(careless: str) -> None:
    with pytest.raises(Violation):
        explore(Setting("careless"), faults=2, careless=careless)
