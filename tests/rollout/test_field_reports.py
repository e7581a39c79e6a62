"""What has hurt users of other tools, from their public trackers, replayed against this machine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pressrun.rollout.changes import aborted, wished
from pressrun.rollout.machine import advance
from pressrun.rollout.seen import RemoveArm, ScaleArm, SetWeights, SwitchChampion
from pressrun.rollout.types import CANDIDATE, CHAMPION, Phase, RolloutRecord
from pressrun.verdict import Decision
from tests.rollout.model.cluster import Cluster
from tests.rollout.model.keys import GENERATION, NEW, Setting, check

ENDS = (Phase.PROMOTED, Phase.ROLLED_BACK)


def at_step(step: int, **setting: object) -> Cluster:
    """A rollout that has just come to a step, counted from 0."""
    cluster = Cluster(Setting("story", **{"steps": (5, 70, 100), "replicas": 4, **setting}))  # type: ignore[arg-type]
    while cluster.state.phase is not Phase.STEPPING or cluster.state.step < step:
        cluster.round()
    cluster.requests = 0
    cluster.round()
    return cluster


def test_an_aborted_candidate_comes_to_zero_whatever_keeps_its_replicas_up() -> None:
    """argo-rollouts 4841: the weight was derived from replicas that a minimum kept up, and never came to zero."""
    cluster = at_step(1)
    cluster.wish("abort")
    for _ in range(5):
        cluster.round()
        assert cluster.weights == {CHAMPION: 100}
        cluster.pods[CANDIDATE] = [2, 2]
    del cluster.pods[CANDIDATE]
    cluster.until(Phase.ROLLED_BACK)


def test_an_abort_without_a_rollout_changes_nothing() -> None:
    """argo-rollouts 1292: an abort when no rollout was under way scaled the stable version to zero."""
    cluster = at_step(2)
    cluster.requests = 1000
    cluster.until(Phase.PROMOTED)
    record = RolloutRecord(
        model="topics", plan=cluster.setting.plan, state=cluster.state, champion=NEW, champion_generation=GENERATION
    )
    assert wished(record, "abort", actor="ann", reason="x", now=cluster.now) == record
    assert aborted(record, actor="ann", reason="x", step_key="d/r/t/-1", now=cluster.now) == record
    cluster.wish("abort")
    assert advance(cluster.setting.plan, cluster.seen(), cluster.state, cluster.now) == (cluster.state, ())


def test_an_abort_never_makes_the_champion_smaller() -> None:
    """argo-rollouts 1292, while a rollout is under way: the stable version is what everything goes back to."""
    for step in range(3):
        cluster = at_step(step)
        cluster.wish("abort")
        cluster.until(Phase.ROLLED_BACK)
        assert (cluster.pods, cluster.removed) == ({CHAMPION: [4, 4]}, [CANDIDATE])


def test_the_old_champion_goes_last_when_record_and_route_have_moved() -> None:
    """argo-rollouts 2235: the selector was switched after the old replicas were gone, four minutes of outage."""
    cluster = Cluster(Setting("story", steps=(50, 100), replicas=4))
    cluster.until(Phase.PROMOTED)
    last = [index for index, action in enumerate(cluster.done) if action == RemoveArm(CHAMPION)]
    switched = cluster.done.index(SwitchChampion())
    carried = cluster.done.index(SetWeights({CANDIDATE: 100}))
    assert carried < switched < last[0] == len(cluster.done) - 1


def test_a_candidate_is_given_no_more_than_its_ready_replicas_carry_however_it_is_hurried() -> None:
    """argo-rollouts 4612: 70% of the traffic while the canary was scaled for 5%, its replicas not ready yet."""
    cluster = at_step(0, replicas=20)
    cluster.slow = True
    cluster.wish("promote")
    for ready in range(1, 21):
        cluster.pods[CANDIDATE][1] = ready
        cluster.round()
        assert cluster.tried == 5 * ready
    cluster.until(Phase.PROMOTED)


def test_an_abort_is_heard_after_a_promotion_that_waits_for_replicas() -> None:
    """argo-rollouts 4461: after a full promotion whose pods never came, the abort was ignored."""
    cluster = at_step(0)
    cluster.slow = True
    cluster.wish("promote")
    cluster.round(times=3)
    assert cluster.state.phase is Phase.PROMOTING
    cluster.wish("abort")
    cluster.until(Phase.ROLLED_BACK)
    assert (cluster.weights, cluster.pods) == ({CHAMPION: 100}, {CHAMPION: [4, 4]})


def test_a_promotion_whose_replicas_never_come_ends_by_itself() -> None:
    """argo-rollouts 4461, with nobody there to abort it."""
    cluster = at_step(0)
    cluster.slow = True
    cluster.wish("promote")
    cluster.until(*ENDS)
    assert (cluster.state.phase, cluster.pods) == (Phase.ROLLED_BACK, {CHAMPION: [4, 4]})


def test_traffic_that_went_back_stays_there_while_replicas_come_and_go() -> None:
    """argo-rollouts 3078: during an abort the canary's Service flapped between the stable and the aborted pods."""
    cluster = at_step(1)
    cluster.wish("abort")
    cluster.round()
    for ready in (3, 4, 1, 2, 4):
        cluster.pods[CHAMPION][1] = ready
        cluster.pods[CANDIDATE] = [3, ready % 3]
        written = [action.weights for action in cluster.round() if isinstance(action, SetWeights)]
        assert (written, cluster.weights) == ([{CHAMPION: 100}], {CHAMPION: 100})


@pytest.mark.parametrize("ready", [4, 2])
def test_an_aborted_candidate_is_not_grown_when_the_champion_is(ready: int) -> None:
    """argo-rollouts 4973: each time the stable version was scaled up or lost a pod, so was the aborted canary."""
    cluster = at_step(1)
    cluster.wish("abort")
    cluster.round()
    for size in (8, 9):
        cluster.pods[CHAMPION] = [size, ready]
        cluster.pods[CANDIDATE] = [1, 1]
        assert not [action for action in cluster.round() if isinstance(action, ScaleArm)]
        assert cluster.weights == {CHAMPION: 100}


def test_a_promotion_serves_by_the_replicas_that_were_tried_and_keeps_them() -> None:
    """flagger 1931: promotion made a second copy of the pods; when it failed, all traffic went to the broken copy."""
    cluster = at_step(2)
    cluster.until(Phase.STEPPING)
    before = len(cluster.done)
    cluster.requests = 1000
    cluster.until(Phase.PROMOTED)
    touched = [action for action in cluster.done[before:] if isinstance(action, ScaleArm)]
    assert (touched, cluster.removed, cluster.weights) == ([], [CHAMPION], {CANDIDATE: 100})


def test_the_old_champion_serves_on_while_the_promoted_one_has_lost_its_replicas() -> None:
    """flagger 1931, at its worst moment: the record names the new version, and its replicas fail."""
    cluster = at_step(2)
    cluster.requests = 1000
    while not cluster.switched:
        cluster.round()
    cluster.pods[CANDIDATE][1] = 0
    cluster.round(times=100)
    assert (cluster.weights, cluster.removed) == ({CHAMPION: 100}, [])
    cluster.pods[CANDIDATE][1] = 4
    cluster.until(Phase.PROMOTED)


@pytest.mark.parametrize("held", [False, True])
def test_a_candidate_that_does_harm_goes_back_while_people_are_waited_for(held: bool) -> None:
    """flagger 1801: while the traffic's increase waited for a confirmation, failed checks did not roll back."""
    cluster = at_step(1, hold=held)
    if held:
        cluster.requests = 1000
        cluster.until(Phase.BAKING)
        cluster.round(times=200)
    cluster.wish("pause")
    cluster.round(times=50)
    assert cluster.state.phase is (Phase.BAKING if held else Phase.STEPPING)
    cluster.checks = (check(Decision.FAIL),)
    cluster.round()
    assert cluster.weights == {CHAMPION: 100}


def test_the_champion_can_take_everything_back_at_any_moment_of_the_rollout() -> None:
    """flagger 869: as traffic moved away the primary was scaled down, and a rollback overwhelmed it."""
    cluster = at_step(0)
    cluster.requests = 1000
    while cluster.state.phase is not Phase.PROMOTING:
        cluster.pods[CHAMPION] = [1, 1]
        cluster.round()
        assert cluster.pods[CHAMPION] == [4, 4]


def test_no_traffic_is_neither_a_pass_nor_a_failure_and_does_not_wait_for_ever() -> None:
    """flagger 1035: without traffic the analysis halted, and the deployment was counted as failed."""
    cluster = at_step(0)
    cluster.checks = (check(Decision.INSUFFICIENT),)
    cluster.until(*ENDS)
    said = cluster.state.checks[-1]
    assert (cluster.state.phase, said.metric, said.decision) == (Phase.ROLLED_BACK, "requests", Decision.INSUFFICIENT)
    assert Decision.FAIL not in {each.decision for each in cluster.state.checks}


def test_without_traffic_a_person_may_promote() -> None:
    """flagger 1035: a service that nobody calls at night is to be deployed nevertheless."""
    cluster = at_step(0)
    cluster.checks = (check(Decision.INSUFFICIENT),)
    cluster.wish("promote")
    cluster.until(Phase.PROMOTED)


def test_a_size_that_others_have_set_is_kept() -> None:
    """flagger 1810: values that others had set were not kept through a release."""
    cluster = at_step(0, champion_replicas=7)
    cluster.requests = 1000
    cluster.until(Phase.BAKING)
    cluster.pods[CANDIDATE] = [9, 9]
    cluster.until(Phase.PROMOTED)
    assert cluster.pods == {CANDIDATE: [9, 9]}
    assert not [a for a in cluster.done if isinstance(a, ScaleArm) and a.arm == CHAMPION]


def test_replicas_that_are_not_ready_get_no_traffic_and_the_champion_keeps_its_size() -> None:
    """kserve 5983: traffic went to canary pods that were not ready, and the stable ones had been scaled down first."""
    cluster = Cluster(Setting("story", steps=(50, 100), replicas=4), slow=True)
    for ready in (0, 1, 2):
        cluster.pods.setdefault(CANDIDATE, [0, 0])[1] = min(ready, cluster.pods.get(CANDIDATE, [0, 0])[0])
        cluster.round(times=2)
        assert cluster.pods[CHAMPION] == [4, 4]
        assert cluster.tried <= 25 * cluster.ready(CANDIDATE)
    assert cluster.tried == 50
    cluster.pods[CANDIDATE][1] = 1
    cluster.round()
    assert cluster.weights == {CHAMPION: 75, CANDIDATE: 25}


def test_a_way_back_takes_one_round_from_any_share() -> None:
    """flagger 869 asked for a way back in steps, since the primary had shrunk; here nothing has to be waited for."""
    for step in range(3):
        cluster = at_step(step)
        cluster.checks = (check(Decision.FAIL),)
        began = cluster.now
        cluster.round()
        assert cluster.weights == {CHAMPION: 100}
        assert cluster.now - began == timedelta(seconds=1)
