"""A small world: a cluster's arms and route, a record, a controller, a second one that is out of date, and faults.

A controller reads the record, looks at pods and route, reads the record again and decides if it is the same, writes
the state if the record is still that one, and does the actions one by one. A route is written only if it is still the
one that was seen. An arm that had no traffic is marked before it is given some, so that it must be there, and is
removed only if it was not marked since it was seen. Whoever is refused begins anew. Between any two of these moments
anything else may happen. Versions are kept as who still holds the newest one, so that the worlds are finitely many.

Whoever writes the route makes it a newer one, also where the split stays the same: a write that is still on its way,
decided by an older record, is then refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pressrun.rollout.machine import resume
from pressrun.rollout.types import Phase
from pressrun.verdict import Decision
from tests.rollout.model.deciding import Decider
from tests.rollout.model.keys import NOW, Do, Intents, Key, Pods, Setting, Sight, Triple, key_of, state_of
from tests.rollout.model.rules import BASELINE, CANDIDATE, CHAMPION, Violation

SECOND = "a second controller goes on with what it knew"
# One of each along a path, and no more altogether than the exploration's bound.
KINDS = (
    "the controller dies",
    SECOND,
    "pods are read from a cache that lags",
    "a response is lost",
    "a write is refused",
    "a champion's pod is lost",
    "a candidate's pod fails",
    "others shrink the champion",
    "others grow the champion",
    "the supervisor dies with its servers",
    "the candidate crashes",
    "a check fails",
    "the route is edited by hand",
    "pause",
    "resume",
    "promote",
    "force",
    "abort",
    "older",
    "a newer generation is submitted",
)
# Ways for a target to be careless, each of which the exploration must find out.
LAZY = "the route is not written where the split looks right"
BLIND = "an arm is removed though it was given traffic since it was seen"
LOOSE = "the record names a candidate although it was sent back meanwhile"

BIT = {kind: 1 << at for at, kind in enumerate(KINDS)}


class Memory(NamedTuple):
    """What a controller carries from one moment to the next; `stage` is what it does next."""

    stage: str
    pods: Pods = ((0, 0), (0, 0), (0, 0))
    weights: Triple = (0, 0, 0)
    route_fresh: bool = True
    record_fresh: bool = True
    arms_fresh: bool = True
    before: Key | None = None
    after: Key | None = None
    actions: tuple[Do, ...] = ()


class World(NamedTuple):
    """Everything there is. `queue` is 0 without a newer plan, 1 while one waits, 2 once it has begun, 3 once it has
    written the route, which is what it does first.

    `fenced` says that the route was written since the record went back.
    """

    pods: Pods
    weights: Triple
    fenced: bool = False
    crashed: bool = False
    state: Key = Key()
    switched: bool = False
    intents: Intents = Intents()
    mine: Memory | None = None
    other: Memory | None = None
    cache: Pods | None = None
    queue: int = 0
    used: int = 0


Move = tuple[str, World]


def begun(setting: Setting) -> World:
    """The world when the plan is submitted: the champion carries everything, if there is one."""
    size = setting.champion_size
    return World(pods=((size, size), (0, 0), (0, 0)), weights=(100, 0, 0) if size else (0, 0, 0))


class Rules:
    """Which worlds may follow a world."""

    def __init__(
        self, setting: Setting, decide: Decider, most: int, *, careless: str = "", again: bool = False
    ) -> None:
        self.setting, self.decide, self.most, self.careless = setting, decide, most, careless
        self.kinds, self.again = setting.kinds or frozenset(KINDS), again

    def moves(self, world: World) -> Iterator[Move]:
        """Every world that one moment more may bring."""
        yield from self.controller(world)
        if world.other is not None:
            yield from self._second(world)
        yield from self._time(world)
        if world.used.bit_count() < self.most:
            yield from self._faults(world)

    # The controller.

    def controller(self, world: World, *, fair: bool = False) -> Iterator[Move]:
        """What the controller does next; in a fair world everything that it reads is good."""
        memory = world.mine
        if memory is None:
            yield "looks", world._replace(mine=self._look(world, world.cache or world.pods), cache=None)
        elif memory.stage == "decide":
            for decided in self._decided(world, memory, fair=fair):
                yield "decides", world._replace(mine=decided)
        else:
            yield memory.stage, self._done(world, memory, mine=True)

    def _second(self, world: World) -> Iterator[Move]:
        memory = world.other
        assert memory is not None
        if memory.stage == "decide":
            for decided in self._decided(world, memory):
                yield "the second decides", world._replace(other=decided)
        else:
            yield f"the second: {memory.stage}", self._done(world, memory, mine=False)

    def _look(self, world: World, pods: Pods) -> Memory:
        return Memory("decide", pods=pods, weights=world.weights)

    def _decided(self, world: World, memory: Memory, *, fair: bool = False) -> Iterator[Memory | None]:
        key = world.state
        if not memory.record_fresh:
            yield None
            return
        if key.ended:
            yield self._resting(world, memory)
            return
        sight = Sight(memory.pods, memory.weights, world.switched, world.crashed, world.intents)
        for look in self._measured(world, sight, fair=fair):
            after, actions = self.decide(look, key)
            yield memory._replace(
                stage="save", pods=_NO_PODS, weights=(0, 0, 0), record_fresh=True,
                before=key, after=after, actions=actions,
            )  # fmt: skip

    def _measured(self, world: World, sight: Sight, *, fair: bool) -> Iterator[Sight]:
        good = sight._replace(check=Decision.PASS, enough=True)
        if fair:
            yield good
            return
        yield sight
        if world.state.phase in (Phase.STEPPING, Phase.BAKING):
            yield good
            yield sight._replace(check=Decision.PASS)

    def _resting(self, world: World, memory: Memory) -> Memory | None:
        """No rollout is under way, or a newer one begins: who is champion has everything, and the others go."""
        arm = CANDIDATE if world.switched else CHAMPION
        size = self.setting.replicas if world.switched or not self.setting.first else 0
        there = memory.pods[arm][0]
        wanted: Triple = tuple(100 * (each == arm and there > 0) for each in range(3))  # type: ignore[assignment]
        grow: tuple[Do, ...] = (("scale", (arm, size)),) if there < size else ()
        rest = [each for each in range(3) if each != arm and memory.pods[each][0]]
        first = world.queue == 2
        moves: tuple[Do, ...] = (("weights", wanted),) if rest or first or memory.weights != wanted else ()
        actions = (*grow, *moves, *(("remove", each) for each in rest))
        return memory._replace(
            stage="act", pods=_NO_PODS, weights=(0, 0, 0), after=world.state, actions=actions
        ) if actions else None  # fmt: skip

    # Writes.

    def _done(self, world: World, memory: Memory, *, mine: bool) -> World:
        """The world after the controller's next write; a refused one ends its round."""
        written = self._written(world, memory, mine=mine)
        if written is None:
            return _remember(world, None, mine=mine)
        return _remember(written, _next(memory), mine=mine)

    def _written(self, world: World, memory: Memory, *, mine: bool) -> World | None:
        if memory.stage == "save":
            return self._saved(world, memory, mine=mine)
        kind, what = memory.actions[0]
        if kind == "weights":
            return self._split(world, memory, what, mine=mine) if memory.route_fresh else None  # type: ignore[arg-type]
        if kind == "switch":
            ok = (memory.record_fresh and world.state.phase is Phase.PROMOTING) or self.careless == LOOSE
            return _record_written(world._replace(switched=True), mine=mine) if ok else None
        blind = kind == "remove" and not memory.arms_fresh and self.careless != BLIND
        return None if blind or _outdated(world, memory) else self._resized(world, kind, what)

    def _saved(self, world: World, memory: Memory, *, mine: bool) -> World | None:
        if memory.after == memory.before:
            return world
        if not memory.record_fresh:
            return None
        assert memory.after is not None
        queue = 2 if memory.after.ended and world.queue == 1 else world.queue
        return _record_written(world._replace(state=memory.after, queue=queue), mine=mine)

    def _split(self, world: World, memory: Memory, weights: Triple, *, mine: bool) -> World | None:
        old = world.queue == 3 and _outdated(world, memory) and weights != world.weights
        _hold("nothing of an older generation takes effect", world, not old)
        if world.state.back and weights[CANDIDATE] > world.weights[CANDIDATE]:
            racing = world.used & BIT[SECOND] and not world.fenced
            _hold("no write after the way back began raises the candidate", world, racing and not world.state.ended)
        raised = [arm for arm in range(3) if weights[arm] and not world.weights[arm]]
        gone = not all(world.pods[arm][0] for arm in raised)
        if gone and self.careless != BLIND:
            return None
        _hold("no traffic goes to an arm that was removed", world, not gone)
        assert memory.after is not None
        if self.careless == LAZY and weights == world.weights:
            return world
        queue = 3 if world.queue == 2 and memory.after.ended else world.queue
        world = world._replace(weights=weights, fenced=memory.after.back, queue=queue)
        return _route_written(world, mine=mine, raised=bool(raised))

    def _resized(self, world: World, kind: str, what: object) -> World:
        arm, size = (what, 0) if kind == "remove" else what  # type: ignore[misc]
        replicas, ready = world.pods[arm]
        if kind == "scale":
            return world._replace(pods=_with(world.pods, arm, (max(size, replicas), ready)))
        edited = world.used & BIT["the route is edited by hand"]
        _hold("no arm that carries traffic is removed", world, edited or not world.weights[arm])
        if arm == CHAMPION and not world.state.ended:
            _hold("the champion goes only after the record names the candidate", world, world.switched)
            _hold(
                "the champion goes only when the candidate carries all", world, edited or world.weights == (0, 0, 100)
            )
        return world._replace(pods=_with(world.pods, arm, (0, 0)))

    # The world.

    def _time(self, world: World) -> Iterator[Move]:
        for arm, (replicas, ready) in enumerate(world.pods):
            if ready < replicas:
                yield (
                    f"a pod of the {_NAMES[arm]} is ready",
                    world._replace(pods=_with(world.pods, arm, (replicas, ready + 1))),
                )
        yield from self._clocks(world)

    def _clocks(self, world: World) -> Iterator[Move]:
        key = world.state
        if not key.ended and not key.back and not world.switched and key.age < 2 and not key.paused:
            age = key.age + 1 if key.phase is Phase.BAKING else 2
            yield "time passes", world._replace(state=key._replace(age=age))
        if self.setting.hold and key.phase is Phase.BAKING and not world.intents.release:
            yield "release", _told(world._replace(intents=world.intents._replace(release=True)))
        if key.absent and not key.worn and self.setting.patient:
            yield "the candidate is away for long", world._replace(state=key._replace(worn=True))

    def _faults(self, world: World) -> Iterator[Move]:
        for kind, after in (*self._of_controllers(world), *self._of_pods(world), *self._of_people(world)):
            if kind in self.kinds and (self.again or not world.used & BIT[kind]):
                yield kind, after._replace(used=world.used | BIT[kind])

    def _of_controllers(self, world: World) -> Iterator[Move]:
        memory = world.mine
        if memory is not None:
            yield "the controller dies", world._replace(mine=None)
            if world.other is None:
                yield SECOND, world._replace(mine=None, other=memory)
            if (
                memory.stage == "decide"
                and memory.record_fresh
                and world.state.phase in (Phase.STARTING, Phase.STEPPING, Phase.BAKING)
            ):
                yield from self._check_fails(world, memory)
            if memory.stage in ("save", "act"):
                yield "a write is refused", world._replace(mine=None)
                yield from self._response_lost(world, memory)
        if world.cache is None and not world.state.ended:
            yield "pods are read from a cache that lags", world._replace(cache=world.pods)

    def _check_fails(self, world: World, memory: Memory) -> Iterator[Move]:
        key = world.state
        sight = Sight(memory.pods, memory.weights, world.switched, world.crashed, world.intents)
        after, actions = self.decide(sight._replace(check=Decision.FAIL, enough=True), key)
        yield "a check fails", world._replace(mine=memory._replace(
            stage="save", pods=_NO_PODS, weights=(0, 0, 0), before=key, after=after, actions=actions
        ))  # fmt: skip

    def _response_lost(self, world: World, memory: Memory) -> Iterator[Move]:
        """The write took effect and the controller believes that it did not: it writes once more."""
        if (written := self._written(world, memory, mine=True)) is not None and written != world:
            again = memory._replace(route_fresh=False) if written.weights != world.weights else memory
            again = again._replace(record_fresh=False) if written.state != world.state else again
            yield "a response is lost", written._replace(mine=again)

    def _of_pods(self, world: World) -> Iterator[Move]:
        kinds = ((CHAMPION, "a champion's pod is lost"), (CANDIDATE, "a candidate's pod fails"))
        for arm, kind in (*kinds, (CANDIDATE, "the candidate crashes")):
            replicas, ready = world.pods[arm]
            if ready:
                crashed = world.crashed or kind == "the candidate crashes"
                yield kind, world._replace(pods=_with(world.pods, arm, (replicas, ready - 1)), crashed=crashed)
        yield from self._of_others(world)

    def _of_others(self, world: World) -> Iterator[Move]:
        replicas, ready = world.pods[CHAMPION]
        if replicas > 1:
            shrunk = (replicas - 1, min(ready, replicas - 1))
            yield "others shrink the champion", world._replace(pods=_with(world.pods, CHAMPION, shrunk))
        if replicas:
            grown = (replicas + 1, ready)
            yield "others grow the champion", world._replace(pods=_with(world.pods, CHAMPION, grown))
        if not world.state.ended:
            key = key_of(resume(state_of(world.state), NOW))
            _hold("a force stays told", world, key.forced == world.state.forced or not world.switched)
            gone = world._replace(pods=_NO_PODS, weights=(0, 0, 0), state=key, mine=None, other=None)
            yield "the supervisor dies with its servers", gone

    def _of_people(self, world: World) -> Iterator[Move]:
        for weights in ((0, 0, 100), (100, 0, 0)):
            if weights != world.weights:
                edited = world._replace(weights=weights)
                yield "the route is edited by hand", _route_written(_route_written(edited, mine=True), mine=False)
        if world.state.ended:
            return
        for kind, intents in _wishes(world.intents):
            yield kind, _told(world._replace(intents=intents))
        if not world.queue:
            yield "a newer generation is submitted", _told(world._replace(queue=1))


_NAMES = ("champion", "baseline", "candidate")
_NO_PODS: Pods = ((0, 0), (0, 0), (0, 0))


def _outdated(world: World, memory: Memory) -> bool:
    """Whether it was decided for this generation, and a newer one has begun since."""
    return world.queue >= 2 and memory.after is not None and not memory.after.ended


def _wishes(intents: Intents) -> Iterator[tuple[str, Intents]]:
    if intents.held != "pause":
        yield "pause", intents._replace(held="pause")
    else:
        yield "resume", intents._replace(held="resume")
    for wish in ("promote", "force", "abort", "older"):
        if not getattr(intents, wish):
            yield wish, intents._replace(**{wish: True})


def _hold(rule: str, world: World, holds: object) -> None:
    if not holds:
        raise Violation(rule, world)


def _with(pods: Pods, arm: int, pod: tuple[int, int]) -> Pods:
    return (*pods[:arm], pod, *pods[arm + 1 :])  # type: ignore[return-value]


def _next(memory: Memory) -> Memory | None:
    """The controller's memory after a write that it knows to be done."""
    actions = memory.actions if memory.stage == "save" else memory.actions[1:]
    return memory._replace(stage="act", before=None, actions=actions) if actions else None


def _remember(world: World, memory: Memory | None, *, mine: bool) -> World:
    return world._replace(mine=memory) if mine else world._replace(other=memory)


def _told(world: World) -> World:
    return _record_written(_record_written(world, mine=True), mine=False)


def _record_written(world: World, *, mine: bool) -> World:
    """Whoever read the record before holds an old one now."""
    if mine:
        return world._replace(other=world.other and world.other._replace(record_fresh=False))
    return world._replace(mine=world.mine and world.mine._replace(record_fresh=False))


def _route_written(world: World, *, mine: bool, raised: bool = False) -> World:
    """Whoever saw the route before saw an old one, and old arms too if one is given traffic that had none."""
    memory = world.other if mine else world.mine
    if memory is not None:
        memory = memory._replace(route_fresh=False, arms_fresh=memory.arms_fresh and not raised)
    return _remember(world, memory, mine=not mine)


def alone(world: World) -> World:
    """The world without what a fair one has not: a second controller, a cache, and the count of its faults."""
    used = world.used & BIT["the route is edited by hand"] | BIT[SECOND]
    return world._replace(other=None, cache=None, fenced=False, used=used)


def fair(rules: Rules, world: World, *, lame: bool = False) -> World:
    """The world after one round of a fair one: a lone controller, no faults, pods ready, people done, checks passed.

    In a `lame` one the candidate's pods that are not ready never will be, until the record names it.
    """
    lost = lame and not world.switched
    pods = tuple((n, ready if lost and arm != CHAMPION else n) for arm, (n, ready) in enumerate(world.pods))
    world = world._replace(pods=pods)  # type: ignore[arg-type]
    if world.intents.held == "pause":
        world = _told(world._replace(intents=world.intents._replace(held="resume")))
    before = world
    for _ in range(12):
        (_, world), *_ = list(rules.controller(world, fair=True)) or [("", world)]
        if world.mine is None:
            break
    if world != before or before.mine is not None:
        return world
    later = [after for _, after in rules._clocks(world)]
    return later[0] if later else world


def right_end(setting: Setting, world: World) -> bool:
    """Whether nothing is left to do and everything is where it belongs."""
    if not world.state.ended:
        return False
    arm = CANDIDATE if world.switched else CHAMPION
    size = 0 if setting.first and not world.switched else setting.replicas
    others = [world.pods[each][0] for each in (CHAMPION, BASELINE, CANDIDATE) if each != arm]
    weights = tuple(100 * (each == arm and size > 0) for each in range(3))
    named = world.switched == (world.state.phase is Phase.PROMOTED)
    return named and not any(others) and world.weights == weights and world.pods[arm][0] >= size
