"""The real state machine behind keys: each distinct decision is made once, held against every rule, and remembered."""

from __future__ import annotations

from dataclasses import dataclass, field

from pressrun.rollout.machine import advance
from tests.rollout.model.keys import (
    GENERATION,
    NOW,
    OLDER,
    Advance,
    Do,
    Key,
    Setting,
    Sight,
    do_of,
    key_of,
    observed_of,
    state_of,
)
from tests.rollout.model.rules import Violation, held

Decided = tuple[Key, tuple[Do, ...]]


@dataclass
class Decider:
    """What the machine does in one setting. Raises Violation when a decision breaks a rule."""

    setting: Setting
    advance: Advance = advance
    made: dict[tuple[Sight, Key], Decided] = field(default_factory=dict)

    def __call__(self, sight: Sight, key: Key) -> Decided:
        known = self.made.get((sight, key))
        if known is None:
            known = self.made[sight, key] = self._decide(sight, key)
        return known

    def _decide(self, sight: Sight, key: Key) -> Decided:
        plan, observed, state = self.setting.plan, observed_of(sight, self.setting), state_of(key)
        after, actions = self.advance(plan, observed, state, NOW)
        done, to = tuple(do_of(action) for action in actions), key_of(after)
        for rule, holds in held(self.setting, sight, key, to, after, done):
            if not holds:
                raise Violation(rule, f"{key} and {sight} became {to}, {after.weights}, {done}")
        if to.ended and self.advance(plan, observed_of(sight, self.setting), after, NOW) != (after, ()):
            raise Violation("an ended rollout stays as it is", f"{to} and {sight}")
        for generation in (OLDER, GENERATION + 1):
            other = observed_of(sight, self.setting)
            object.__setattr__(other, "generation", generation)
            if self.advance(plan, other, state, NOW) != (state, ()):
                raise Violation("nothing of another generation takes effect", f"{generation}: {key} and {sight}")
        return to, done
