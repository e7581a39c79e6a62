"""Records as custom resources: written by version, in a spec and a status that do not change at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest

from pressrun.rollout.changes import aborted, ended, submitted, told, wished
from pressrun.rollout.kubernetes.cluster import Object, Unreachable
from pressrun.rollout.kubernetes.keeper import _upkept
from pressrun.rollout.kubernetes.last_words import MOST_LINES, last_words
from pressrun.rollout.kubernetes.records import MOST_TRIES, ClusterRecords
from pressrun.rollout.kubernetes.resource import record_of
from pressrun.rollout.kubernetes.seeing import look
from pressrun.rollout.record import MOST_EVENTS, MOST_OUTCOMES, StaleRecord
from pressrun.rollout.types import LastWords, Phase, RolloutRecord, RolloutState
from pressrun.verdict import Assertion, Decision
from tests.rollout.kubernetes.cluster_in_memory import ClusterInMemory, arm_pod
from tests.rollout.kubernetes.plans import NOW, plan_of, under_way

PASSED = Assertion(metric="error_rate", decision=Decision.PASS, reason="no errors")
ETCD = 1_000_000


@pytest.fixture
def cluster() -> ClusterInMemory:
    return ClusterInMemory()


def asking(cluster: ClusterInMemory) -> ClusterRecords:
    return ClusterRecords(cluster)


def controlling(cluster: ClusterInMemory) -> ClusterRecords:
    return ClusterRecords(cluster, controls=True)


def submit(cluster: ClusterInMemory, step_key: str = "d/2/t/-1") -> RolloutRecord:
    return asking(cluster).update("topics", lambda record: submitted(record, plan_of(step_key), NOW))


def read(cluster: ClusterInMemory) -> RolloutRecord:
    record = asking(cluster).read("topics")
    assert record is not None
    return record


def ending(phase: Phase = Phase.PROMOTED) -> Callable[[RolloutRecord], RolloutRecord]:
    return lambda record: ended(record.model_copy(update={"state": ended_state(phase)}), NOW)


def ended_state(phase: Phase = Phase.PROMOTED) -> RolloutState:
    return RolloutState(phase=phase, since=NOW, decided_at=NOW, checks=(PASSED,))


def resource(cluster: ClusterInMemory) -> Object:
    return cluster.objects["Rollout", "topics"]


def test_nothing_is_there_before_the_first_rollout(cluster: ClusterInMemory) -> None:
    assert asking(cluster).read("topics") is None
    asking(cluster).update("topics", lambda record: record)
    assert cluster.objects == {}
    submit(cluster)
    assert asking(cluster).models() == ["topics"]


def test_who_submits_writes_no_status_and_the_controller_no_spec(cluster: ClusterInMemory) -> None:
    submit(cluster)
    cluster.calls.clear()
    state = RolloutState(phase=Phase.STEPPING, since=NOW)
    controlling(cluster).update("topics", lambda record: record.model_copy(update={"state": state}))
    assert [verb for verb, _, _ in cluster.calls] == ["status"]
    cluster.calls.clear()
    asking(cluster).update("topics", lambda record: wished(record, "abort", actor="ann", reason="no", now=NOW))
    assert [verb for verb, _, _ in cluster.calls] == ["replace"]
    assert read(cluster).state == state


def test_nothing_is_written_when_nothing_changed(cluster: ClusterInMemory) -> None:
    submit(cluster)
    cluster.calls.clear()
    for records in (asking(cluster), controlling(cluster)):
        assert records.update("topics", lambda record: record) == read(cluster)
    assert cluster.calls == []


def test_who_wrote_sees_that_the_record_has_another_version(cluster: ClusterInMemory) -> None:
    before = submit(cluster)
    after = asking(cluster).update(
        "topics", lambda record: aborted(record, actor="ann", reason="no", step_key="d/2/t/-1", now=NOW)
    )
    assert after.version != before.version
    assert after.version == read(cluster).version


def test_a_write_over_another_version_is_tried_anew_on_what_is_there(cluster: ClusterInMemory) -> None:
    submit(cluster)
    once = iter([True])

    def somebody(verb: str, kind: str, name: str) -> None:
        if verb == "replace" and next(once, False):
            cluster.edit(kind, name, lambda one: one["metadata"].update(annotations={"team": "news"}))

    cluster.meanwhile = somebody
    asking(cluster).update("topics", lambda record: wished(record, "pause", actor="ann", reason="no", now=NOW))
    assert [intent.wish for intent in read(cluster).intents] == ["pause"]
    assert resource(cluster)["metadata"]["annotations"] == {"team": "news"}


def test_a_record_that_others_keep_writing_is_told(cluster: ClusterInMemory) -> None:
    submit(cluster)
    tries = []

    def somebody(verb: str, kind: str, name: str) -> None:
        if verb == "replace":
            tries.append(verb)
            cluster.edit(kind, name, lambda one: one["metadata"].update(annotations={"at": str(len(tries))}))

    cluster.meanwhile = somebody
    with pytest.raises(StaleRecord, match="try again"):
        asking(cluster).update("topics", lambda record: wished(record, "pause", actor="a", reason="b", now=NOW))
    assert len(tries) == MOST_TRIES


def test_an_annotation_and_its_intent_change_in_one_write(cluster: ClusterInMemory) -> None:
    submit(cluster)
    cluster.edit("Rollout", "topics", lambda one: one["metadata"].update(annotations={"pressrun.dev/abort": "ann: x"}))
    cluster.calls.clear()
    controlling(cluster).update("topics", lambda record: record)
    assert [verb for verb, _, _ in cluster.calls] == ["replace", "status"]
    assert resource(cluster)["metadata"]["annotations"] == {}
    assert [(i.wish, i.actor, i.reason) for i in read(cluster).intents] == [("abort", "ann", "x")]


def test_a_controller_that_dies_between_spec_and_status_begins_the_next_rollout_with_nothing_of_the_last(
    cluster: ClusterInMemory,
) -> None:
    submit(cluster)
    controlling(cluster).update("topics", ending())
    submit(cluster, "d/3/t/-1")
    second = read(cluster)
    assert second.plan is not None
    assert (second.plan.generation, second.state) == (2, RolloutState(since=NOW))
    assert (second.evidence, second.readings, second.last_words) == (None, {}, ())


@pytest.mark.parametrize("dies", [True, False])
def test_no_outcome_is_lost_when_the_next_rollout_waits_already(cluster: ClusterInMemory, dies: bool) -> None:
    """The controller dies after the first write, or somebody else writes then."""
    submit(cluster)
    submit(cluster, "d/3/t/-1")
    records, once = controlling(cluster), iter([True])
    records.update("topics", lambda record: record.model_copy(update={"state": ended_state()}))

    def disturbed(verb: str, kind: str, name: str) -> None:
        if verb == "status" and next(once, False):
            cluster.edit(kind, name, lambda one: one["metadata"].update(annotations={"team": "news"}))
            if dies:
                raise Unreachable("the controller dies here")

    cluster.meanwhile = disturbed
    for _ in range(4):
        with suppress(Unreachable):
            records.update("topics", lambda record: _upkept(record, NOW))
    found = read(cluster)
    assert [outcome.generation for outcome in found.outcomes] == [1]
    assert found.plan is not None
    assert (found.plan.generation, found.queue, found.active) == (2, (), True)


def loud_words(character: str) -> tuple[LastWords, ...]:
    cluster = ClusterInMemory()
    for number in range(5):
        name = f"topics-g2-{number}"
        arm_pod(cluster, name, 2)
        cluster.said[f"{name}/server/now"] = "\n".join([character * 500] * 250)
        for at in range(60):
            involved = {"name": name}
            cluster.put("Event", f"{name}.{at}", involvedObject=involved, message=character * 600, reason="Killing")
    return last_words(cluster, look(cluster, "topics", split="weights").pods, "topics-g2")


def chatty(character: str) -> RolloutRecord:
    """As much as a rollout can have to say."""
    record = under_way(Phase.ROLLING_BACK).model_copy(update={"last_words": loud_words(character)})
    for number in range(600):
        record = told(record, "crashed", f"{number}: process ended by itself: {'x' * 300}", NOW)
    record = ending(Phase.ROLLED_BACK)(record)
    checks = (PASSED.model_copy(update={"reason": "r" * 400}),) * 10
    verdict = record.outcomes[0].verdict.model_copy(update={"checks": checks})
    return record.model_copy(update={"outcomes": (record.outcomes[0].model_copy(update={"verdict": verdict}),) * 300})


@pytest.mark.parametrize("character", ["x", "é", "<", "\x07", "🙂"])
def test_what_is_kept_fits_into_a_resource_whatever_a_candidate_said(cluster: ClusterInMemory, character: str) -> None:
    submit(cluster)
    loud = chatty(character)
    controlling(cluster).update("topics", lambda record: loud.model_copy(update={"version": record.version}))
    kept = resource(cluster)
    text = json.dumps(kept, ensure_ascii=False)
    assert len(text.encode()) + 5 * sum(text.count(one) for one in "<>&") < ETCD
    found = record_of(kept)
    assert len(found.history) <= MOST_EVENTS
    assert len(found.outcomes) <= MOST_OUTCOMES
    assert found.history[-1] == loud.history[-1]
    assert found.outcomes[-1] == loud.outcomes[-1]
    assert len(found.outcomes[-1].last_words[0].log) == MOST_LINES


def test_an_ordinary_record_is_kept_whole(cluster: ClusterInMemory) -> None:
    submit(cluster)
    record = controlling(cluster).update("topics", ending())
    assert read(cluster).outcomes == record.outcomes
