"""Every seeded fault of the state machine is caught by the rules of a small world that is explored to its end."""

from __future__ import annotations

import pytest

from pressrun.rollout.machine import advance
from tests.rollout.model.exploring import explore
from tests.rollout.model.keys import Advance, Setting
from tests.rollout.model.mutants import MUTANTS, Gone, Mutant, mutated
from tests.rollout.model.rules import Violation

AWAY = frozenset({"a champion's pod is lost", "a candidate's pod fails"})
PEOPLE = frozenset({"pause", "force", "promote", "a check fails", "a candidate's pod fails"})
# The cheapest first: who is caught there is explored no further.
BOUNDS = (
    (Setting("replicas", split="replicas"), 0),
    (Setting("a larger champion", steps=(40, 100), champion_replicas=3), 0),
    (Setting("a large share by replicas", steps=(90, 100), split="replicas"), 0),
    (Setting("a first champion", first=True), 0),
    (Setting("held", hold=True), 0),
    (Setting("people", replicas=1, kinds=PEOPLE), 2),
    (Setting("a cluster that loses all pods", replicas=1, kinds=AWAY), 2),
    (Setting("weights"), 1),
    (Setting("baseline", steps=(10, 50, 100), baseline=True), 1),
    (Setting("one by replicas", split="replicas", replicas=1), 1),
)


def _explore(advance: Advance) -> None:
    for setting, faults in BOUNDS:
        explore(setting, faults=faults, advance=advance)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.module}: {mutant.harm}")
def test_a_fault_in_the_machine_is_caught(mutant: Mutant) -> None:
    with mutated(mutant) as changed, pytest.raises(Violation) as caught:
        _explore(changed)
    print(f"{mutant.harm}: caught by «{caught.value.rule}»")


def test_the_machine_as_it_is_passes_where_its_mutants_fail() -> None:
    _explore(advance)


def test_there_are_enough_mutants_and_no_two_are_the_same() -> None:
    assert len({(mutant.module, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS) >= 50


def test_a_mutant_whose_source_has_changed_fails_and_says_so() -> None:
    with pytest.raises(Gone, match="holds this 0 times"), mutated(Mutant("split", "no such text", "", "none")):
        pass
