"""What must hold of every decision of the state machine, whatever led to it: said anew, not taken from its code."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from pressrun.rollout.types import Phase, RolloutState
from pressrun.verdict import Decision
from tests.rollout.model.keys import ARMS, Do, Key, Setting, Sight, Triple

CHAMPION, BASELINE, CANDIDATE = range(3)
_ORDER = (Phase.STARTING, Phase.STEPPING, Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED)
_MEASURING = (Phase.STEPPING, Phase.BAKING)


class Violation(AssertionError):
    """An invariant does not hold; `rule` names it."""

    def __init__(self, rule: str, text: object = "") -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


def full(setting: Setting, sight: Sight) -> int:
    """The replicas that carry everything."""
    return max(setting.replicas, sight.pods[CHAMPION][0])


def needed(setting: Setting, sight: Sight, share: int) -> int:
    """The replicas that carry `share` percent."""
    whole = full(setting, sight)
    if share >= 100:
        return whole
    if setting.split == "replicas":
        return min(whole, max(1, round(whole * share / (100 - share))))
    return ceil(whole * share / 100)


def asked(setting: Setting, key: Key) -> int:
    """The share that the phase asks for."""
    if key.phase is Phase.STEPPING:
        return setting.steps[key.step]
    return 100 if key.phase in (Phase.BAKING, Phase.PROMOTING, Phase.PROMOTED) else 0


def held(
    setting: Setting, sight: Sight, before: Key, after: Key, state: RolloutState, actions: tuple[Do, ...]
) -> Iterator[tuple[str, bool]]:
    """Every rule's name with whether it holds of this decision."""
    weights: Triple = tuple(state.weights.get(arm, 0) for arm in ARMS)  # type: ignore[assignment]
    if after.ended and before.ended:
        yield "an ended rollout stays as it is", before == after and not actions
        return
    yield from _of_weights(setting, sight, after, weights, state)
    yield from _of_capacity(setting, sight, after, weights)
    yield from _of_actions(setting, sight, after, weights, actions)
    yield from _of_back(before, after, weights, actions)
    yield from _of_harm(setting, sight, before, after, state)
    yield from _of_progress(setting, sight, before, after, state)
    yield from _of_people(setting, sight, before, after, state)


def _of_weights(
    setting: Setting, sight: Sight, after: Key, weights: Triple, state: RolloutState
) -> Iterator[tuple[str, bool]]:
    ready = [pods[1] for pods in sight.pods]
    serves = ready[CHAMPION] or (ready[CANDIDATE] and asked(setting, after))
    yield "weights add up to 100", sum(weights) == (100 if serves else 0)
    yield "no weight is negative", min(weights) >= 0
    yield "weights go to arms that exist", set(state.weights) <= set(ARMS)
    yield "weights go to ready arms only", all(ready[arm] for arm in range(3) if weights[arm])


def _of_capacity(setting: Setting, sight: Sight, after: Key, weights: Triple) -> Iterator[tuple[str, bool]]:
    if not sight.pods[CHAMPION][1] or setting.first:
        return
    share, whole = asked(setting, after), full(setting, sight)
    for arm in (CANDIDATE, BASELINE):
        ready = sight.pods[arm][1]
        carried = 100 * ready // whole if setting.split == "weights" else 100 if ready >= whole else 99 * min(1, ready)
        yield "no arm is given more than its ready replicas carry", weights[arm] <= carried
        yield "no arm is given more than its phase asks for", weights[arm] <= share
    yield "the baseline has no more traffic than the candidate", weights[BASELINE] <= weights[CANDIDATE]
    enough = sight.pods[CANDIDATE][1] >= needed(setting, sight, share)
    yield "a candidate with its replicas ready has its share", not enough or weights[CANDIDATE] == share
    beside = setting.baseline and after.phase is Phase.STEPPING and 2 * share < 100
    fresh = beside and enough and sight.pods[BASELINE][1] >= needed(setting, sight, share)
    yield "a ready baseline has as much traffic as the candidate", not fresh or weights[BASELINE] == share
    yield "a baseline has traffic only beside a candidate in its steps", beside or not weights[BASELINE]


def _of_actions(
    setting: Setting, sight: Sight, after: Key, weights: Triple, actions: tuple[Do, ...]
) -> Iterator[tuple[str, bool]]:
    kinds = [kind for kind, _ in actions]
    order = [("scale", "weights", "switch", "remove").index(kind) for kind in kinds]
    yield "replicas grow first, traffic moves, the record follows, replicas go", order == sorted(order)
    moved = sight.weights != weights or "remove" in kinds
    yield "a split that differs is written, and one behind which an arm goes", moved == ("weights" in kinds)
    for kind, what in actions:
        if kind == "scale":
            arm, replicas = what  # type: ignore[misc]
            yield "an arm is never made smaller", replicas > sight.pods[arm][0]
            yield "an arm grows to what it carries and no further", replicas <= full(setting, sight)
        if kind == "remove":
            yield "only an arm that is seen to carry nothing is removed", not sight.weights[what]  # type: ignore[call-overload]
    whole = sight.weights == (0, 0, 100) and sight.pods[CANDIDATE][1] >= full(setting, sight)
    gone = ("remove", CHAMPION) in actions
    yield "the champion goes only after the record names the candidate", not gone or (sight.switched and not after.back)
    yield "the champion goes only when the candidate carries everything at full size", not gone or whole
    switch = "switch" in kinds
    due = after.phase is Phase.PROMOTING and not sight.switched
    yield "the record names a promoted candidate only", not switch or due
    yield "the record names a candidate that carries everything at full size", not switch or whole
    yield "a promoted candidate that carries everything is named", switch or not (due and whole)
    yield from _of_sizes(setting, sight, after, actions)


def _of_sizes(setting: Setting, sight: Sight, after: Key, actions: tuple[Do, ...]) -> Iterator[tuple[str, bool]]:
    if after.ended:
        yield "an ended rollout touches no replicas", not {"scale", "remove"} & {kind for kind, _ in actions}
        return
    size = [max([sight.pods[arm][0], *(w[1] for k, w in actions if k == "scale" and w[0] == arm)]) for arm in range(3)]  # type: ignore[index]
    removed = [what for kind, what in actions if kind == "remove"]
    if not setting.first and not sight.switched:
        yield "the champion keeps its full size", size[CHAMPION] >= setting.replicas and CHAMPION not in removed
    if not after.back:
        step = setting.steps[min(after.step, len(setting.steps) - 1)] if not setting.first else 100
        share = max(asked(setting, after), step)
        yield "the candidate has the replicas that its share needs", size[CANDIDATE] >= needed(setting, sight, share)
        yield "the candidate stays while it is tried", CANDIDATE not in removed
    over = after.back or sight.switched or (after.phase not in (Phase.STARTING, Phase.STEPPING))
    left = sight.pods[BASELINE][0] and not sight.weights[BASELINE]
    yield "a baseline that has no part any more goes", not (over and left) or BASELINE in removed
    left = after.back and sight.pods[CANDIDATE][0] and not sight.weights[CANDIDATE]
    yield "a candidate on its way back goes when it carries nothing", not left or CANDIDATE in removed
    due = not after.back and sight.switched and sight.pods[CHAMPION][0] and sight.weights == (0, 0, 100)
    due = due and sight.pods[CANDIDATE][1] >= full(setting, sight)
    yield "the old champion goes when the new one carries everything", not due or CHAMPION in removed


def _of_back(before: Key, after: Key, weights: Triple, actions: tuple[Do, ...]) -> Iterator[tuple[str, bool]]:
    yield "who goes back does not come again", not before.back or after.back
    if not after.back:
        return
    yield "who goes back carries nothing", not weights[CANDIDATE] and not weights[BASELINE]
    grown = {what[0] for kind, what in actions if kind == "scale"}  # type: ignore[index]
    yield "who goes back is not grown", not grown & {CANDIDATE, BASELINE}
    yield "who goes back is not made champion", ("switch", None) not in actions


def _of_harm(
    setting: Setting, sight: Sight, before: Key, after: Key, state: RolloutState
) -> Iterator[tuple[str, bool]]:
    if before.back or sight.switched:
        return
    harm = sight.crashed or sight.check in (Decision.FAIL, Decision.ERROR)
    away = before.phase is not Phase.STARTING and _away(setting, sight)
    lost = away and (after.worn or not setting.patient)
    stopped = sight.intents.abort or ((harm or lost) and not sight.intents.force)
    yield "harm, absence and an abort send the candidate back", after.back or not stopped
    yield "an abort is on the record", sight.intents.abort == after.aborted or not after.back
    if not after.back:
        return
    late = before.phase is Phase.STARTING and before.age == 2 and not _started(setting, sight, before)
    thin = before.phase in _MEASURING and before.age == 2 and not _passed(setting, sight, before)
    slow = before.phase is Phase.PROMOTING and before.age == 2 and not _carries(setting, sight, 100)
    waits = _paused(sight) or _held(setting, sight, before)
    patience = slow or ((late or thin) and not waits)
    yield "nobody goes back without a cause", bool(stopped or patience)
    told = [c for c in state.checks if c.decision is not Decision.PASS and c.required]
    yield "who goes back is told why", bool(told)


def _of_progress(
    setting: Setting, sight: Sight, before: Key, after: Key, state: RolloutState
) -> Iterator[tuple[str, bool]]:
    if after.back:
        if not before.back:
            yield "a way back is not ended before it has begun", after.phase is Phase.ROLLING_BACK
            return
        clean = not sight.weights[CANDIDATE] and not sight.weights[BASELINE]
        gone = clean and not sight.pods[CANDIDATE][0] and not sight.pods[BASELINE][0]
        gone = gone and (setting.first or sight.weights == (100, 0, 0))
        yield "a way back ends when the champion has all and nothing else is left", gone == after.ended
        return
    at, to = _ORDER.index(before.phase), _ORDER.index(after.phase)
    moved = (to, after.step) > (at, before.step)
    yield "phases go forward", to >= at and after.step >= before.step
    yield "steps go one by one", after.step <= before.step + 1
    yield "a promotion ends when the old champion is gone", after.ended == _cleared(sight)
    named = wanted(sight) is not None
    if sight.switched:
        return
    if before.phase is Phase.PROMOTING:
        yield "a promotion that cannot be done ends", before.age < 2 or _carries(setting, sight, 100)
        return
    if before.phase is Phase.STARTING:
        ready = _started(setting, sight, before) and (named or not _paused(sight))
        yield "a start waits for its replicas and for people", moved == ready
        yield "a late start ends", moved or before.age < 2 or _paused(sight)
        return
    if named:
        yield "a person's promotion is done at once", after.phase is Phase.PROMOTING
        return
    passed = _passed(setting, sight, before) and not _paused(sight)
    yield "a step needs evidence", moved == passed
    waits = _paused(sight) or _held(setting, sight, before)
    yield "a step without evidence ends", moved or before.age < 2 or waits
    yield "a step's clock begins anew", not moved or after.age == 0
    yield "a promotion keeps its evidence", not moved or before.phase is Phase.STEPPING or bool(state.checks)


def _of_people(
    setting: Setting, sight: Sight, before: Key, after: Key, state: RolloutState
) -> Iterator[tuple[str, bool]]:
    done = after.phase is Phase.PROMOTING and before.phase in _MEASURING
    forced = [c for c in state.checks if c.metric == "forced"]
    if done and sight.intents.force:
        yield "a force is never silent", [c.decision for c in forced] == [Decision.FAIL]
    if done and sight.intents.promote and not sight.intents.force:
        yield "a person's promotion is told", any(c.metric == "promoted" for c in state.checks)
    if before.forced and not (after.back and not before.back):
        yield "a force stays told", bool(forced)
    yield "what is decided is not paused", not after.paused or after.phase in (Phase.STARTING, *_MEASURING)
    if not after.back and not sight.switched:
        decided = after.phase is Phase.PROMOTING
        yield "a pause holds the clock", decided or after.paused == _paused(sight)
        same = (after.phase, after.step) == (before.phase, before.step)
        yield "a pause given or taken back moves no clock", not same or after.age == before.age
        clocked = before.phase in (*_MEASURING, Phase.PROMOTING)
        yield "the candidate's absence is clocked", after.absent == (clocked and _away(setting, sight))
        yield "an absence is not forgotten", after.worn or not before.worn


def _away(setting: Setting, sight: Sight) -> bool:
    """The candidate's pods are unready and not the champion's: with all of them so, the cluster is at fault."""
    return not sight.pods[CANDIDATE][1] and (setting.first or bool(sight.pods[CHAMPION][1]))


def wanted(sight: Sight) -> str | None:
    """What a person wants done at once."""
    return "force" if sight.intents.force else "promote" if sight.intents.promote else None


def _paused(sight: Sight) -> bool:
    return sight.intents.held == "pause"


def _cleared(sight: Sight) -> bool:
    return sight.switched and not sight.pods[CHAMPION][0] and not sight.pods[BASELINE][0]


def _started(setting: Setting, sight: Sight, before: Key) -> bool:
    share = setting.steps[min(before.step, len(setting.steps) - 1)] if not setting.first else 100
    fresh = needed(setting, sight, share) if setting.baseline and 2 * share < 100 else 0
    champion = 0 if setting.first else setting.replicas
    wanted_ = (champion, fresh, needed(setting, sight, share))
    return all(pods[1] >= size for pods, size in zip(sight.pods, wanted_, strict=True))


def _passed(setting: Setting, sight: Sight, before: Key) -> bool:
    share = asked(setting, before)
    if not _carries(setting, sight, share) or sight.check is not Decision.PASS:
        return False
    if before.phase is Phase.STEPPING:
        return sight.enough
    return before.age >= 1 and not _held(setting, sight, before)


def _carries(setting: Setting, sight: Sight, share: int) -> bool:
    return sight.weights[CANDIDATE] == share and sight.pods[CANDIDATE][1] >= needed(setting, sight, share)


def _held(setting: Setting, sight: Sight, before: Key) -> bool:
    """Whether the plan keeps the bake until it is released."""
    return setting.hold and before.phase is Phase.BAKING and not sight.intents.release
