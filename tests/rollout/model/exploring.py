"""Every world that can be reached within the bounds, breadth first, and from each a fair world's way to its end."""

from __future__ import annotations

import gc
from collections import deque
from dataclasses import dataclass

from pressrun.rollout.machine import advance
from tests.rollout.model.deciding import Decider
from tests.rollout.model.keys import Advance, Setting
from tests.rollout.model.rules import Violation
from tests.rollout.model.world import Rules, World, alone, begun, fair, right_end


@dataclass(frozen=True)
class Explored:
    """How much was seen: worlds reached, moves between them, distinct decisions, ways back and promotions."""

    worlds: int
    moves: int
    decisions: int
    rolled_back: int
    promoted: int


def explore(setting: Setting, *, faults: int, advance: Advance = advance, careless: str = "") -> Explored:
    """Visits every world with at most `faults` faults on the way. Raises Violation with the way that led there."""
    gc.disable()  # Worlds are tuples without cycles, and half the time would go into looking for some.
    try:
        return _explore(Rules(setting, Decider(setting, advance), faults, careless=careless))
    finally:
        gc.enable()


def _explore(rules: Rules) -> Explored:
    start = begun(rules.setting)
    came: dict[World, tuple[World, str] | None] = {start: None}
    moves = 0
    queue = deque([start])
    while queue:
        world = queue.popleft()
        try:
            for label, after in rules.moves(world):
                moves += 1
                if after not in came:
                    came[after] = (world, label)
                    queue.append(after)
        except Violation as violation:
            raise Violation(violation.rule, f"{violation}\n{_way(came, world)}") from None
    for lame in (False, True):
        _ends(rules, came, lame=lame)
    ends = [world.state.phase.value for world in came if world.state.ended]
    return Explored(len(came), moves, len(rules.decide.made), ends.count("rolled_back"), ends.count("promoted"))


def _ends(rules: Rules, came: dict[World, tuple[World, str] | None], *, lame: bool) -> None:
    """In a fair world each comes to its right end. Each world is followed until one that is known to."""
    good: set[World] = set()
    for world in came:
        path: list[World] = []
        seen: set[World] = set()
        at = alone(world)
        while at not in good:
            if at in seen:
                raise Violation("it always ends", f"in a fair world it stays at {at}\n{_way(came, world)}")
            path.append(at)
            seen.add(at)
            after = fair(rules, at, lame=lame)
            if after == at:
                _end(rules, at, came, world)
                break
            at = after
        good.update(path)


def _end(rules: Rules, at: World, came: dict[World, tuple[World, str] | None], world: World) -> None:
    if not at.state.ended:
        raise Violation("it always ends", f"in a fair world it stays at {at}\n{_way(came, world)}")
    if not right_end(rules.setting, at):
        raise Violation("it ends where it belongs", f"{at}\n{_way(came, world)}")


def _way(came: dict[World, tuple[World, str] | None], world: World) -> str:
    """The shortest way there, a line a moment."""
    lines: list[str] = []
    at: World | None = world
    while at is not None and (step := came.get(at)) is not None:
        lines.append(f"{step[1]}: {at.state.phase} pods={at.pods} weights={at.weights}")
        at = step[0]
    return "\n".join(reversed(lines))
