"""Keeps one model's arms and traffic in a cluster as its record wants them: looks, asks the state machine, acts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from pressrun.config.environment import Deploy
from pressrun.rollout import changes
from pressrun.rollout.kubernetes import acting
from pressrun.rollout.kubernetes.cluster import ClusterApi, Stale
from pressrun.rollout.kubernetes.last_words import last_words
from pressrun.rollout.kubernetes.measuring import absorbed, checks, measure, requests
from pressrun.rollout.kubernetes.names import arm_name, role_of
from pressrun.rollout.kubernetes.records import ClusterRecords
from pressrun.rollout.kubernetes.route import as_written, traffic_object, weights_of
from pressrun.rollout.kubernetes.seeing import Look, generations_of, hard_checks, look
from pressrun.rollout.machine import advance
from pressrun.rollout.record import StaleRecord
from pressrun.rollout.seen import Action, Observed, RemoveArm, ScaleArm, SetWeights, SwitchChampion
from pressrun.rollout.split import in_words
from pressrun.rollout.types import (
    BASELINE,
    CANDIDATE,
    CHAMPION,
    EventKind,
    Phase,
    RolloutPlan,
    RolloutRecord,
    RolloutState,
)
from pressrun.verdict import Assertion, Check, Decision

_EDITED = "edited by others"
MOST_OF_ERROR = 300
MOST_LOOKS = 3
_log = logging.getLogger(__name__)


class ClusterKeeper:
    """One model. Nothing of it is lost with the process: what it knows stands in the record."""

    def __init__(self, api: ClusterApi, records: ClusterRecords, model: str) -> None:
        self.model, self.seen, self.record = model, None, None
        self._api, self._records = api, records

    seen: Look | None
    record: RolloutRecord | None

    def tick(self) -> bool:
        """One look and one step towards what the record wants; whether a rollout is under way.

        Traffic and pods are read first and the record last, so that what an older record decided meets newer objects
        and is refused. Raises Unreachable, Refused and StaleRecord.
        """
        found = self._look()
        if found is None:
            # Servers of a Rollout that is gone must not go on by its last word.
            self.seen = self.record = None
            return False
        seen, record = self.seen, self.record = found
        try:
            if record.active and record.plan and record.state:
                self._advance(seen, record, record.plan)
            else:
                self._rest(seen, record)
        except Stale as error:
            _log.info("%s: %s", self.model, error)
        return record.active

    def _look(self) -> tuple[Look, RolloutRecord] | None:
        """What is there, and the record for it. A record that moved on while we looked is looked at again.

        Else what was seen before a rollout's last step would be judged by the next one's rules.
        """
        for _ in range(MOST_LOOKS):
            found = self._records.found(self.model)
            deploy = _deploy(found[0]) if found else None
            if found is None or deploy is None:
                return None
            before, owner = found
            seen = look(self._api, self.model, split=deploy.split, owner=owner)
            record = self._records.update(self.model, lambda record: _upkept(record, _now()))
            if _stands(before) == _stands(record):
                return seen, record
        raise StaleRecord(f"the Rollout of {self.model} moved on whenever it was looked at; the next tick looks again")

    def _advance(self, seen: Look, before: RolloutRecord, plan: RolloutPlan) -> None:
        state = before.state
        assert state is not None
        if state.phase is Phase.STARTING and seen.traffic is not None and not acting.fenced(seen, plan.generation):
            # A write that the rollout before has still on its way is refused from now on.
            self._divide(seen, before, plan, state.weights, asked_before=False)
            return
        record, found = self._measured(seen, before, plan, state)
        observed = self._observed(seen, record, plan, state, found)
        after, actions = advance(plan, observed, state, _now())
        self._save(before, record, after)
        self._sweep(seen, record)
        if record.champion_deploy and state.phase is Phase.STARTING:
            generation = record.champion_generation
            acting.steady(self._api, seen, self.model, record.champion_deploy, generation=generation, under_way=True)
        for action in () if after.ended else actions:
            self._do(action, seen, record, plan, state)

    def _measured(
        self, seen: Look, before: RolloutRecord, plan: RolloutPlan, state: RolloutState
    ) -> tuple[RolloutRecord, tuple[Check, ...]]:
        """The record with what was measured, and what it says. A judge that breaks down has not passed anybody."""
        try:
            measured = measure(self.model, seen, plan, state, generations_of(before), self._api.namespace)
            record = absorbed(before, measured)
            return record, (*checks(record, measured), *hard_checks(seen, plan.generation))
        except Exception as error:
            _log.exception("%s: this rollout cannot be judged", self.model)
            said = f"{type(error).__name__}: {str(error)[:MOST_OF_ERROR]}"
            reason = f"it could not be judged: {said}; the controller's log has more"
            return before, (Assertion(metric="analysis", decision=Decision.ERROR, reason=reason),)

    def _observed(
        self, seen: Look, record: RolloutRecord, plan: RolloutPlan, state: RolloutState, found: tuple[Check, ...]
    ) -> Observed:
        generations = generations_of(record)
        return Observed(
            generation=plan.generation,
            arms={arm: seen.arm(generation, arm) for arm, generation in generations.items()},
            weights=self._weights(seen, plan, state, generations),
            champion_digest=record.champion.digest if record.champion else None,
            champion_generation=record.champion_generation if record.champion else -1,
            intents=record.intents,
            checks=found,
            requests=requests(record.evidence),
        )

    def _weights(
        self, seen: Look, plan: RolloutPlan, state: RolloutState, generations: dict[str, int]
    ) -> dict[str, int]:
        """The split that the cluster has; one that others edited never looks like ours."""
        assert plan.deploy is not None
        wanted = traffic_object(self.model, state.weights, generations, plan.deploy, self._api.namespace)
        if state.weights and as_written(seen.traffic, wanted):
            return dict(state.weights)
        found = weights_of(seen.traffic, self.model, generations)
        return {**found, _EDITED: 0} if found == state.weights else found

    def _save(self, before: RolloutRecord, record: RolloutRecord, after: RolloutState) -> None:
        """State and evidence in one write. Raises Stale when another controller moved this rollout meanwhile."""
        if (before.state, before.readings, before.evidence) == (after, record.readings, record.evidence):
            return

        def change(present: RolloutRecord) -> RolloutRecord:
            if (present.plan, present.state, present.readings) != (before.plan, before.state, before.readings):
                return present
            entered = before.state is None or (before.state.phase, before.state.step) != (after.phase, after.step)
            evidence = record.evidence.entered() if record.evidence and entered else record.evidence
            told = {"evidence": evidence, "readings": record.readings, "traffic": record.traffic}
            return changes.ended(changes.moved(present.model_copy(update=told), after, _now()), _now())

        written = self._records.update(self.model, change)
        generation = before.plan.generation if before.plan else 0
        ended = any(outcome.generation == generation for outcome in written.outcomes)
        if written.state != after and not (after.ended and ended):
            raise Stale("another controller moved this rollout meanwhile")

    def _do(self, action: Action, seen: Look, record: RolloutRecord, plan: RolloutPlan, before: RolloutState) -> None:
        match action:
            case SetWeights(weights):
                self._divide(seen, record, plan, weights, asked_before=before.weights == weights)
            case ScaleArm(arm, replicas):
                self._grow(seen, record, plan, arm, replicas)
            case RemoveArm(arm):
                self._remove(seen, record, plan, arm)
            case SwitchChampion():
                self._records.update(self.model, lambda present: changes.switched(present, plan, _now()))

    def _divide(
        self, seen: Look, record: RolloutRecord, plan: RolloutPlan, weights: Mapping[str, int], *, asked_before: bool
    ) -> None:
        """With no arm ready the champion's pods are waited for there, since nothing else may serve."""
        generations = generations_of(record)
        wanted = weights or ({CHAMPION: 100} if CHAMPION in generations else {})
        if not wanted or plan.deploy is None:
            return
        changed = acting.divide(self._api, seen, self.model, wanted, generations, plan.deploy)
        if changed and asked_before:
            self._tell("mended", f"the route did not divide as it should; it does again: {in_words(wanted)}")

    def _grow(self, seen: Look, record: RolloutRecord, plan: RolloutPlan, arm: str, replicas: int) -> None:
        champion = record.champion if arm in (CHAMPION, BASELINE) else plan.candidate
        deploy = record.champion_deploy if arm == CHAMPION else plan.deploy
        generation = generations_of(record)[arm]
        if champion is None or deploy is None:
            return
        acting.grow(
            self._api, seen, self.model, arm, champion, deploy, generation=generation, replicas=replicas
        )  # fmt: skip
        if not seen.arm(generation, arm).replicas:
            self._tell("started", f"{arm}, version {champion.version}: {replicas} replicas")

    def _remove(self, seen: Look, record: RolloutRecord, plan: RolloutPlan, arm: str) -> None:
        generation = generations_of(record)[arm]
        if arm == CANDIDATE and not record.last_words:
            self._keep_last_words(seen, plan)
        acting.remove(self._api, seen, self.model, generation, arm)
        self._tell("stopped", f"{arm}, generation {generation}")

    def _keep_last_words(self, seen: Look, plan: RolloutPlan) -> None:
        """Before the pods go: without them nobody could say why."""
        mine = [pod for pod in seen.pods if (pod.generation, pod.role) == (plan.generation, "model")]
        words = last_words(self._api, mine, arm_name(self.model, plan.generation))
        self._records.update(self.model, lambda record: record.model_copy(update={"last_words": words}))

    def _rest(self, seen: Look, record: RolloutRecord) -> None:
        """No rollout: the champion serves alone, and what older generations left is removed."""
        generations = generations_of(record)
        deploy = record.champion_deploy
        if record.champion and deploy:
            if not seen.arm(record.champion_generation, CHAMPION).replicas:
                self._restore(seen, record, deploy)
            acting.steady(
                self._api, seen, self.model, deploy, generation=record.champion_generation, under_way=False
            )  # fmt: skip
            wanted = traffic_object(self.model, {CHAMPION: 100}, generations, deploy, self._api.namespace)
            if not as_written(seen.traffic, wanted):
                acting.divide(self._api, seen, self.model, {CHAMPION: 100}, generations, deploy)
                return
        self._sweep(seen, record)

    def _sweep(self, seen: Look, record: RolloutRecord) -> None:
        """Arms of generations that have no part any more are removed, where the route does not name them."""
        generations = {**generations_of(record), **({"present": record.champion_generation} if record.champion else {})}
        kept = {(generation, role_of(arm)) for arm, generation in generations.items()}
        routed = set(weights_of(seen.traffic, self.model, {}))
        for generation, role in seen.deployments:
            if (generation, role) not in kept and arm_name(self.model, generation, role) not in routed:
                acting.remove(self._api, seen, self.model, generation, role)

    def _restore(self, seen: Look, record: RolloutRecord, deploy: Deploy) -> None:
        assert record.champion is not None
        acting.grow(
            self._api, seen, self.model, CHAMPION, record.champion, deploy,
            generation=record.champion_generation, replicas=deploy.replicas,
        )  # fmt: skip
        self._tell("mended", f"the champion's Deployment was gone; version {record.champion.version} is started again")

    def _tell(self, kind: EventKind, text: str) -> None:
        self._records.update(self.model, lambda record: changes.told(record, kind, text, _now()))


def _upkept(record: RolloutRecord, now: datetime) -> RolloutRecord:
    """With an outcome that is due, or else the next plan begun: never both in one write (see `changes.ended`)."""
    concluded = changes.ended(record, now)
    return changes.noticed(concluded if concluded != record else changes.begun(record, now), now)


def _stands(record: RolloutRecord) -> tuple[object, ...]:
    """What a look is judged by."""
    return record.plan, record.state, record.champion_generation


def _deploy(record: RolloutRecord) -> Deploy | None:
    """How the traffic is divided now: by the plan under way, else as the champion was deployed."""
    if not record.active and record.champion_deploy:
        return record.champion_deploy
    plans = [record.plan, *record.queue]
    return next((plan.deploy for plan in plans if plan and plan.deploy), None)


def _now() -> datetime:
    return datetime.now(UTC)
