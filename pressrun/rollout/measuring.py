"""What a rollout measures of its route: each step and phase has its own window of counts, and its own looks at them."""

from __future__ import annotations

from pressrun.rollout.analysis import Looks
from pressrun.rollout.router import Route
from pressrun.rollout.traffic import Counts
from pressrun.rollout.types import Phase, RolloutPlan, RolloutState
from pressrun.verdict import Check

MEASURED = (Phase.STEPPING, Phase.BAKING)


class Measure:
    """One route under one rollout after the other."""

    def __init__(self, route: Route) -> None:
        self._route, self._looks, self._window = route, Looks(), (-1, "", -1)

    def enter(self, plan: RolloutPlan, state: RolloutState) -> None:
        """Starts a new window of counts when a step or phase begins, and new totals with a rollout."""
        window = (plan.generation, state.phase.value, state.step)
        if window == self._window:
            return
        if self._route.generation != plan.generation:
            self._route.counts, self._route.generation = Counts(), plan.generation
        self._window, self._looks = window, Looks()
        measuring = state.phase in MEASURED
        self._route.shadow = plan.policy.shadow if measuring else 0.0
        alone = state.phase is Phase.BAKING or (measuring and plan.policy.steps[state.step] == 100)
        self._route.counts.next_window(keep_champion=alone and not plan.policy.shadow)

    def checks(self, plan: RolloutPlan, state: RolloutState | None) -> tuple[Check, ...]:
        """What the window's counts say at the newest look that was due; nothing where nothing is measured."""
        if state is None or state.phase not in MEASURED:
            return ()
        return self._looks.look(self._route.counts, plan.policy)
