"""Every world of a small model, to the end: arms of one to three replicas, two or three steps and a bake.

Between any two moments of the controller a pod gets ready, time passes, or a fault or a person's command comes: twenty
kinds, each at most once on a way. At most one of them in each plan, and two of twelve kinds in one; with
PRESSRUN_MODEL=deep two of all kinds in each (4.7 million worlds, ten minutes, 4 GB). Seconds are kept as what has
passed. From every world that is reached a fair one comes to its right end, and so does one in which the candidate's
pods never get ready.
"""

from __future__ import annotations

import os

import pytest

from tests.rollout.model.exploring import explore
from tests.rollout.model.keys import Setting
from tests.rollout.model.rules import Violation
from tests.rollout.model.world import BLIND, KINDS, LAZY, LOOSE, SECOND

DEEP = os.environ.get("PRESSRUN_MODEL") == "deep"
# Two at once are usually of these: who writes what when, and what it is that must be written.
TWO = frozenset(KINDS[:7]) | {"the candidate crashes", "a check fails", "force", "abort", KINDS[-1]}
RACES = frozenset({SECOND, "a candidate's pod fails", "a check fails", KINDS[-1]})
# Each plan with its usual bound, and the worlds that it has at the least: fewer would mean that something is not tried.
PLANS = {
    "weights": (Setting("weights"), 1, 10_000),
    "two faults": (Setting("two faults", kinds=None if DEEP else TWO), 2, 150_000),
    "one replica": (Setting("one replica", replicas=1, steps=(10, 100)), 1, 8_000),
    "an odd size": (Setting("an odd size", replicas=3, steps=(40, 100)), 1, 10_000),
    "replicas": (Setting("replicas", split="replicas"), 1, 8_000),
    "one by replicas": (Setting("one by replicas", split="replicas", replicas=1), 1, 8_000),
    "baseline": (Setting("baseline", steps=(10, 50, 100), baseline=True), 1, 15_000),
    "impatient": (Setting("impatient", patient=False), 1, 10_000),
    "held": (Setting("held", hold=True), 1, 10_000),
    "a larger champion": (Setting("a larger champion", champion_replicas=3), 1, 10_000),
    "a first champion": (Setting("a first champion", first=True), 1, 2_500),
}


@pytest.mark.parametrize("name", PLANS)
def test_no_order_of_events_breaks_an_invariant_and_every_rollout_ends_where_it_belongs(name: str) -> None:
    setting, faults, least = PLANS[name]
    explored = explore(setting, faults=2 if DEEP else faults)
    print(f"{name}: {explored}")
    assert explored.worlds >= least
    assert explored.rolled_back > 100
    assert explored.promoted > 100


def test_twenty_kinds_of_faults_and_commands_are_tried() -> None:
    assert len(KINDS) == 20


@pytest.mark.parametrize("careless", [LAZY, BLIND, LOOSE])
def test_what_is_asked_of_a_target_is_needed(careless: str) -> None:
    setting = Setting("two controllers", kinds=RACES)
    explore(setting, faults=2)
    with pytest.raises(Violation):
        explore(setting, faults=2, careless=careless)
