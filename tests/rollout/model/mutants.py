"""Faults that somebody could write into the state machine: each a change of source, and what it would do to readers."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pressrun.rollout
from tests.rollout.model.keys import Advance

# In the order in which they import each other.
MODULES = ("wishes", "split", "clocks", "machine")
_SOURCES = Path(pressrun.rollout.__file__).parent
_PACKAGE = "mutated"


class Gone(AssertionError):
    """The text that a mutant changes is not in the source any more: write it anew, for what stands there now."""


class Mutant(NamedTuple):
    module: str
    old: str
    new: str
    harm: str


MUTANTS = (
    Mutant(
        "machine",
        "if observed.generation != plan.generation or state.ended:",
        "if state.ended:",
        "a look at another rollout's arms moves this one",
    ),
    Mutant(
        "machine",
        "if observed.generation != plan.generation or state.ended:",
        "if observed.generation != plan.generation:",
        "a rollout that has ended goes on acting",
    ),
    Mutant(
        "machine",
        "    if state.phase is Phase.ROLLING_BACK:\n        return _rolling_back(plan, observed, state, now)\n",
        "    if state.phase is Phase.ROLLING_BACK and wanted(plan, observed, 'abort'):\n"
        "        return _rolling_back(plan, observed, state, now)\n",
        "a candidate that was sent back is tried again when its numbers look well",
    ),
    Mutant(
        "machine",
        "    if observed.champion_generation == plan.generation:\n"
        "        return _promoting(observed, state, now)\n    forced",
        "    forced",
        "the old champion is never removed",
    ),
    Mutant(
        "machine",
        "    if (abort := wanted(plan, observed, \"abort\")) is not None:",
        "    if state.phase is not Phase.PROMOTING and (abort := wanted(plan, observed, \"abort\")) is not None:",
        "an abort is ignored once a promotion was asked for",
    ),
    Mutant(
        "machine",
        "    if forced:\n        return None\n",
        "",
        "a force is not obeyed",
    ),
    Mutant(
        "machine",
        "    if forced:\n        return None\n",
        "    if forced or state.paused_at:\n        return None\n",
        "a paused candidate does harm as long as the pause lasts",
    ),
    Mutant(
        "machine",
        "    if candidate.crashes:\n",
        "    if candidate.crashes and not candidate.ready:\n",
        "a candidate that crashes and comes back is promoted",
    ),
    Mutant(
        "machine",
        ">= plan.unready_within.total_seconds()",
        "< plan.unready_within.total_seconds()",
        "a candidate that nobody reaches stays",
    ),
    Mutant(
        "clocks",
        "return state.phase in _NEEDED and not",
        "return state.phase is Phase.STEPPING and not",
        "a candidate that goes away in the bake is waited for",
    ),
    Mutant(
        "clocks",
        "ready and comparable",
        "ready",
        "a cluster that calls every pod unready ends the rollout",
    ),
    Mutant(
        "machine",
        "if decide(observed.checks) in (Decision.FAIL, Decision.ERROR):",
        "if decide(observed.checks) is Decision.ERROR:",
        "a failed check does not send the candidate back",
    ),
    Mutant(
        "machine",
        "(*observed.checks, recorded(intent))",
        "observed.checks",
        "nobody learns that a person forced it",
    ),
    Mutant(
        "machine",
        "    if state.paused_at or now - state.since < plan.start_within:\n        return state\n    decision",
        "    return state\n    decision",
        "a candidate that never gets ready is waited for without end",
    ),
    Mutant(
        "machine",
        "    if state.paused_at or now - state.since < plan.start_within:",
        "    if now - state.since < plan.start_within:",
        "a paused start is ended by its clock",
    ),
    Mutant(
        "machine",
        "return next((arm for arm in arms if observed.arm(arm).ready < needed.get(arm, 0)), None)",
        "return next((arm for arm in arms if observed.arm(arm).replicas < needed.get(arm, 0)), None)",
        "traffic is counted as evidence before the replicas are ready",
    ),
    Mutant(
        "machine",
        "    arms = (CANDIDATE, BASELINE, CHAMPION)\n    return next",
        "    arms = (CANDIDATE, CHAMPION)\n    return next",
        "the candidate is compared with a baseline that is not there",
    ),
    Mutant(
        "machine",
        "    if state.paused_at:\n        return state\n    if state.phase is Phase.BAKING:",
        "    if state.phase is Phase.BAKING:",
        "a pause is not heard",
    ),
    Mutant(
        "machine",
        "passed = decide(observed.checks) is Decision.PASS and reached(plan, observed, ALL)",
        "passed = decide(observed.checks) is not Decision.FAIL and reached(plan, observed, ALL)",
        "a bake without traffic promotes",
    ),
    Mutant(
        "machine",
        "if baked >= timedelta() and passed:",
        "if passed:",
        "the bake is skipped",
    ),
    Mutant(
        "machine",
        "    if baked < plan.policy.max_step:\n        return state\n",
        "    return state\n",
        "a bake that cannot decide never ends",
    ),
    Mutant(
        "machine",
        "enough = observed.requests >= plan.policy.min_requests and reached(",
        "enough = reached(",
        "a step passes on three requests",
    ),
    Mutant(
        "machine",
        " and reached(plan, observed, plan.policy.steps[state.step])\n",
        "\n",
        "a step passes without its share of the traffic",
    ),
    Mutant(
        "machine",
        "return _enter(state, Phase.BAKING if last else Phase.STEPPING, state.step + 1, now)",
        "return _enter(state, Phase.BAKING, len(plan.policy.steps), now)",
        "the candidate has all the traffic after one step",
    ),
    Mutant(
        "machine",
        "gone = back and not observed.arm(CANDIDATE).replicas and",
        "gone = back and not observed.arm(CANDIDATE).ready and",
        "an aborted candidate keeps its replicas",
    ),
    Mutant(
        "machine",
        " or observed.weights == {CHAMPION: ALL}\n",
        " or True\n",
        "a way back ends while the champion has no traffic",
    ),
    Mutant(
        "machine",
        "    left = observed.arm(CHAMPION).replicas or observed.arm(BASELINE).replicas\n",
        "    left = observed.arm(CHAMPION).replicas\n",
        "a baseline stays behind for good",
    ),
    Mutant(
        "machine",
        "{\"phase\": phase, \"step\": step, \"since\": now, \"paused_at\": paused_at}",
        "{\"phase\": phase, \"step\": step, \"paused_at\": paused_at}",
        "each step is given what is left of the one before",
    ),
    Mutant(
        "machine",
        "moves = (SetWeights(state.weights),) if removed or dict(observed.weights) != state.weights else ()",
        "moves = (SetWeights(state.weights),) if dict(observed.weights) != state.weights else ()",
        "a late write of a second controller sends readers to a candidate that is gone",
    ),
    Mutant(
        "machine",
        "return (*_grown(plan, observed, state), *moves, *_switched(plan, observed, state), *removed)",
        "return (*removed, *_grown(plan, observed, state), *moves, *_switched(plan, observed, state))",
        "replicas go before the traffic has moved",
    ),
    Mutant(
        "machine",
        "if arm in keep and observed.arm(arm).replicas < size",
        "if arm in keep and observed.arm(arm).replicas != size",
        "a champion that an autoscaler has grown is shrunk under full traffic",
    ),
    Mutant(
        "machine",
        "    if state.phase is Phase.ROLLING_BACK:\n        return (CHAMPION,)\n",
        "    if state.phase is Phase.ROLLING_BACK:\n        return (CHAMPION, CANDIDATE)\n",
        "an aborted candidate is never scaled to zero",
    ),
    Mutant(
        "machine",
        "    if observed.champion_generation == plan.generation:\n        return (CANDIDATE,)\n    return _ARMS",
        "    if state.phase is Phase.PROMOTING:\n        return (CANDIDATE,)\n    return _ARMS",
        "the champion is no longer kept up while the candidate is still being promoted",
    ),
    Mutant(
        "machine",
        "return (SwitchChampion(),) if due and reached(plan, observed, ALL) else ()",
        "return (SwitchChampion(),) if due else ()",
        "a candidate is champion before it can carry the traffic",
    ),
    Mutant(
        "machine",
        "    if CHAMPION in gone and not reached(plan, observed, ALL):\n        gone.remove(CHAMPION)\n",
        "",
        "the old champion goes while the new one has too few replicas",
    ),
    Mutant(
        "machine",
        "if observed.arm(arm).replicas and not observed.weights.get(arm, 0))",
        "if observed.arm(arm).replicas)",
        "an arm is removed while readers are sent to it",
    ),
    Mutant(
        "split",
        "return ALL if state.phase in (Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED) else 0",
        "return ALL if state.phase not in (Phase.STARTING, Phase.ROLLED_BACK) else 0",
        "a candidate on its way back has all the traffic",
    ),
    Mutant(
        "split",
        "return max(plan.replicas, observed.arm(CHAMPION).replicas)",
        "return plan.replicas",
        "the candidate takes over with fewer replicas than the champion needed",
    ),
    Mutant(
        "split",
        "    return max(1, ceil(full * share / ALL))",
        "    return max(1, full * share // ALL)",
        "a share's last part has no replica",
    ),
    Mutant(
        "split",
        "        return min(full, max(1, round(full * share / (ALL - share))))",
        "        return min(full, max(1, round(full * share / ALL)))",
        "by replicas the candidate is given less than its step says",
    ),
    Mutant(
        "split",
        "        return min(full, max(1, round(full * share / (ALL - share))))",
        "        return max(1, round(full * share / (ALL - share)))",
        "a step of nine tenths by replicas asks for nine times the champion's replicas",
    ),
    Mutant(
        "split",
        "    return min(share, ALL * ready // full)",
        "    return share if ready else 0",
        "one ready replica is given the traffic of all",
    ),
    Mutant(
        "split",
        "return share if ready and (share < ALL or ready >= full) else 0",
        "return share if share < ALL or ready >= full else 0",
        "traffic goes to replicas that are not ready",
    ),
    Mutant(
        "split",
        "return share if plan.arm(BASELINE) and 2 * share < ALL else 0",
        "return share if plan.arm(BASELINE) else 0",
        "two new arms leave the champion nothing",
    ),
    Mutant(
        "split",
        "max(share, candidate_share(plan, state))",
        "share",
        "a promotion by hand has the replicas of the step that it skipped",
    ),
    Mutant(
        "split",
        "        wanted[CHAMPION] = plan.replicas\n",
        "        wanted[CHAMPION] = max(1, plan.replicas * (ALL - candidate_share(plan, state)) // ALL)\n",
        "the champion is too small to take the traffic back",
    ),
    Mutant(
        "split",
        "return {CHAMPION: ALL} if observed.arm(CHAMPION).ready else {}",
        "return {CHAMPION: ALL} if plan.champion else {}",
        "all traffic goes back to a champion that does not answer",
    ),
    Mutant(
        "split",
        "    if not champion:\n        return {CANDIDATE: ALL} if observed.arm(CANDIDATE).ready else {}\n",
        "    if not champion:\n        return {CANDIDATE: ALL}\n",
        "traffic goes to a candidate of which nothing is ready",
    ),
    Mutant(
        "split",
        "CHAMPION: ALL - carried - baseline}",
        "CHAMPION: ALL - share - baseline}",
        "what the candidate cannot carry goes nowhere",
    ),
    Mutant(
        "split",
        "return enough and observed.weights.get(CANDIDATE, 0) == share",
        "return enough",
        "a candidate without traffic is named champion",
    ),
    Mutant(
        "clocks",
        "paused = held[-1:] == [\"pause\"] and",
        "paused = \"pause\" in held and",
        "a pause cannot be taken back",
    ),
    Mutant(
        "clocks",
        "    since = state.since + (now - (state.paused_at or now))",
        "    since = state.since",
        "a pause uses up the step's time",
    ),
    Mutant(
        "clocks",
        "_NEEDED = (Phase.STEPPING, Phase.BAKING, Phase.PROMOTING)",
        "_NEEDED = (Phase.STEPPING, Phase.BAKING)",
        "the clock of an absent candidate stands still while it is promoted",
    ),
    Mutant(
        "clocks",
        "\"unready_seconds\": absent_for(state, now)}",
        "\"unready_seconds\": 0.0}",
        "a candidate that comes and goes is never absent for long",
    ),
    Mutant(
        "clocks",
        " and state.phase in PAUSABLE",
        "",
        "a rollout that went back is shown as paused",
    ),
    Mutant(
        "machine",
        "    if state.paused_at and wanted(plan, observed, \"promote\", \"force\") is None:\n        return state\n",
        "",
        "a rollout that is paused before it starts sends readers to the candidate",
    ),
    Mutant(
        "machine",
        "    if reached(plan, observed, ALL) or now - state.since < plan.start_within:\n",
        "    if now - state.since >= timedelta():\n",
        "a promotion that finds no room holds the queue for good",
    ),
    Mutant(
        "machine",
        "    if plan.hold and not wanted(plan, observed, \"release\"):\n        return state\n",
        "",
        "a first cluster promotes before the others have tried",
    ),
    Mutant(
        "wishes",
        "return tuple(intent for intent in observed.intents if intent.generation == plan.generation)",
        "return observed.intents",
        "an abort of last night's rollout ends tonight's",
    ),
    Mutant(
        "wishes",
        "decision = Decision.FAIL if intent.wish == \"force\" else Decision.PASS",
        "decision = Decision.PASS",
        "a force looks like any other check that passed",
    ),
)  # fmt: skip


@contextmanager
def mutated(mutant: Mutant) -> Iterator[Advance]:
    """The `advance` of a copy of the modules with the mutant's change. Raises Gone."""
    sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
    try:
        for name in MODULES:
            _load(name, _source(name, mutant))
        yield sys.modules[f"{_PACKAGE}.machine"].advance
    finally:
        for name in (_PACKAGE, *(f"{_PACKAGE}.{each}" for each in MODULES)):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()


def _source(name: str, mutant: Mutant) -> str:
    source = (_SOURCES / f"{name}.py").read_text(encoding="utf-8")
    if name != mutant.module:
        return source
    if source.count(mutant.old) != 1:
        raise Gone(f"{name}.py holds this {source.count(mutant.old)} times, not once: {mutant.old!r}")
    return source.replace(mutant.old, mutant.new)


def _load(name: str, source: str) -> None:
    module = ModuleType(f"{_PACKAGE}.{name}")
    sys.modules[module.__name__] = module
    source = re.sub(rf"from pressrun\.rollout\.({'|'.join(MODULES)}) import", rf"from {_PACKAGE}.\1 import", source)
    exec(compile(source, f"<{module.__name__}>", "exec"), module.__dict__)
