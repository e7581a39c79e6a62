"""What a rollout measures of its route: windows of counts, taken into evidence that outlives its controller."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from pressrun.rollout.analysis import judge
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.router import Route
from pressrun.rollout.traffic import Counts
from pressrun.rollout.types import CANDIDATE, CHAMPION, MEASURED, Phase, RolloutPlan, RolloutState
from pressrun.rollout.windows import ArmWindow, Window
from pressrun.verdict import Check

WINDOW_SECONDS = 1.0
# A busy route's windows end earlier: so many requests of both arms say enough.
MOST_IN_WINDOW = 1000
MOST_KEPT = 600


class Measure:
    """One route under one rollout after the other. `evidence` is to be persisted, and given back after a restart."""

    def __init__(self, route: Route, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.evidence = Evidence()
        self._route, self._clock, self._cut_at = route, clock, clock()
        self._entered: tuple[int, str, int] = (-1, "", -1)
        self._champions: deque[ArmWindow] = deque(maxlen=MOST_KEPT)

    def enter(self, plan: RolloutPlan, state: RolloutState, evidence: Evidence | None = None) -> None:
        """Starts a step's counts when a step or phase begins, and new evidence with a rollout.

        `evidence` is what was persisted of this rollout, for a controller that has just begun.
        """
        entered = (plan.generation, state.phase.value, state.step)
        if entered == self._entered:
            return
        if self._entered[0] != plan.generation:
            self.evidence = evidence or Evidence()
            self._champions.clear()
        elif self._entered[1] in MEASURED:
            self._cut(plan)
        if self._route.generation != plan.generation:
            self._route.counts, self._route.generation = Counts(), plan.generation
        self._entered, self._cut_at = entered, self._clock()
        self._route.counts.next_step()
        self.evidence = self.evidence.entered()
        self._route.shadow = plan.policy.shadow if state.phase in MEASURED else 0.0
        self._route.declines_below = plan.policy.budgets.declines_below

    def hear(self, windows: Iterable[Window], plan: RolloutPlan, state: RolloutState) -> None:
        """Takes in what others counted and the route cannot know, each window once."""
        if state.phase in MEASURED:
            self.evidence = self.evidence.caught_up(windows, plan.policy)

    def checks(self, plan: RolloutPlan, state: RolloutState | None) -> tuple[Check, ...]:
        """What all windows so far say; nothing where nothing is measured."""
        if state is None or state.phase not in MEASURED:
            return ()
        counts = self._route.counts
        if self._clock() - self._cut_at >= WINDOW_SECONDS or counts.open_requests >= MOST_IN_WINDOW:
            self._cut(plan)
        last = state.phase is Phase.BAKING or state.step + 1 >= len(plan.policy.steps)
        return judge(self.evidence, plan.policy, final=last, step=state.step, expected=plan.expected)

    def _cut(self, plan: RolloutPlan) -> None:
        self._cut_at = self._clock()
        window = self._beside(self._route.counts.cut())
        self.evidence = self.evidence.take(window, plan.policy)

    def _beside(self, window: Window) -> Window:
        """Where the candidate has all traffic, an earlier window of the champion stands beside it, each once."""
        ours, theirs = window.arm(CANDIDATE), window.arm(CHAMPION)
        if ours.requests and theirs.requests:
            self._champions.append(theirs)
        if theirs.requests or not ours.requests or not self._champions:
            return window
        arms = {**window.arms, CHAMPION: self._champions.popleft()}
        return window.model_copy(update={"arms": arms, "concurrent": False})
