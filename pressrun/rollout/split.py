"""How much traffic each arm shall have, how many replicas that takes, and what those that are ready can carry."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from pressrun.rollout.seen import Observed
from pressrun.rollout.types import BASELINE, CANDIDATE, CHAMPION, Phase, RolloutPlan, RolloutState

ALL = 100


def candidate_share(plan: RolloutPlan, state: RolloutState) -> int:
    """The candidate's share of traffic in percent that the phase asks for."""
    if state.phase is Phase.STEPPING:
        return plan.policy.steps[state.step]
    return ALL if state.phase in (Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED) else 0


def full_size(plan: RolloutPlan, observed: Observed) -> int:
    """The replicas of an arm that carries everything: the plan's, or the champion's where others have scaled it up."""
    return max(plan.replicas, observed.arm(CHAMPION).replicas)


def replicas_for(plan: RolloutPlan, observed: Observed, share: int) -> int:
    """How many replicas carry `share` percent of the traffic beside a champion of full size; one to the full size.

    With weights that share of the full size. By replicas every one gets the same traffic, so k of k + full are k's
    share: k = full x share / (100 - share), to the nearest. The champion keeps its size, so by replicas a share between
    half and all is half: nine tenths would take nine times the full size.
    """
    full = full_size(plan, observed)
    if share >= ALL:
        return full
    if plan.split == "replicas":
        return min(full, max(1, round(full * share / (ALL - share))))
    return max(1, ceil(full * share / ALL))


def shares_within(plan: RolloutPlan, observed: Observed, ready: int, share: int) -> int:
    """The most percent of `share` that `ready` replicas can carry without more load than the champion's have each."""
    full = full_size(plan, observed)
    if plan.split == "replicas":
        return share if ready and (share < ALL or ready >= full) else 0
    return min(share, ALL * ready // full)


def baseline_share(plan: RolloutPlan, share: int) -> int:
    """The baseline's share: the candidate's own, while some of the traffic is left for the champion."""
    return share if plan.arm(BASELINE) and 2 * share < ALL else 0


def sizes(plan: RolloutPlan, observed: Observed, state: RolloutState) -> dict[str, int]:
    """How many replicas each arm shall have now. The champion has its full size until it is removed."""
    share = plan.policy.steps[min(state.step, len(plan.policy.steps) - 1)] if plan.champion else ALL
    wanted = {CANDIDATE: replicas_for(plan, observed, max(share, candidate_share(plan, state)))}
    if plan.champion:
        wanted[CHAMPION] = plan.replicas
    if state.phase in (Phase.STARTING, Phase.STEPPING) and baseline_share(plan, share):
        wanted[BASELINE] = wanted[CANDIDATE]
    return wanted


def weights(plan: RolloutPlan, observed: Observed, state: RolloutState) -> dict[str, int]:
    """The split that the phase asks for, as far as the replicas that are ready can carry it.

    What the candidate cannot carry stays with the champion. Where only one arm is ready it has everything, but for a
    candidate that is on its way back.
    """
    share = candidate_share(plan, state)
    if not share:
        return {CHAMPION: ALL} if observed.arm(CHAMPION).ready else {}
    champion = observed.arm(CHAMPION).ready if plan.champion else 0
    if not champion:
        return {CANDIDATE: ALL} if observed.arm(CANDIDATE).ready else {}
    carried = shares_within(plan, observed, observed.arm(CANDIDATE).ready, share)
    fresh = shares_within(plan, observed, observed.arm(BASELINE).ready, baseline_share(plan, share))
    baseline = min(fresh, carried)
    split = {CANDIDATE: carried, BASELINE: baseline, CHAMPION: ALL - carried - baseline}
    return {arm: weight for arm, weight in split.items() if weight}


def in_words(weights: Mapping[str, int]) -> str:
    """The split as people read it: `candidate 5%, champion 95%`."""
    return ", ".join(f"{arm} {weight}%" for arm, weight in weights.items())


def reached(plan: RolloutPlan, observed: Observed, share: int) -> bool:
    """Whether the candidate has all of `share` and the replicas for it."""
    enough = observed.arm(CANDIDATE).ready >= replicas_for(plan, observed, share)
    return enough and observed.weights.get(CANDIDATE, 0) == share
