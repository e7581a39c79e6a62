"""A record as a custom resource and back, and what people say to it with kubectl."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.rollout.changes import ended, submitted, told
from pressrun.rollout.counters import ArmCounters, Reading
from pressrun.rollout.evidence import Evidence
from pressrun.rollout.kubernetes.cluster import Object
from pressrun.rollout.kubernetes.resource import (
    annotated,
    definition,
    record_of,
    resource_of,
    spec_of,
    status_of,
)
from pressrun.rollout.record import UnreadableRecord
from pressrun.rollout.types import WISHES, LastWords, Phase, RolloutRecord, RolloutState, Traffic, Wish
from pressrun.rollout.windows import ArmWindow, Window
from pressrun.verdict import Assertion, Decision
from tests.rollout.kubernetes.plans import NOW, POLICY, plan_of, served, under_way

PASSED = Assertion(metric="error_rate", decision=Decision.PASS, reason="no errors")


def resource(record: RolloutRecord) -> Object:
    """As the API hands it back: it went as JSON."""
    body = {**resource_of(record, "news"), "status": status_of(record, NOW)}
    body["metadata"]["generation"] = record.version
    found: Object = json.loads(json.dumps(body))
    return found


@st.composite
def records(draw: st.DrawFn) -> RolloutRecord:
    """Records in any state, with evidence, readings, words and people in them."""
    if draw(st.booleans()):
        return served(generation=draw(st.integers(0, 9)))
    phase = draw(st.sampled_from(Phase))
    record = under_way(
        phase, step=draw(st.integers(0, 1 if phase is Phase.STEPPING else 2)),
        weights={"candidate": draw(st.integers(0, 100))}, unready_seconds=draw(st.floats(0, 1e6)),
        paused_at=draw(st.none() | st.just(NOW)), checks=(PASSED,) * draw(st.integers(0, 2)),
    )  # fmt: skip
    evidence = Evidence()
    for sequence in range(1, draw(st.integers(1, 4))):
        arms = {
            arm: ArmWindow(requests=9, errors=draw(st.integers(0, 9)), latencies={5: 4})
            for arm in ("champion", "candidate")
        }
        evidence = evidence.take(Window(source="gateway", sequence=sequence, arms=arms, pairs=3), POLICY)
    texts = st.text(max_size=20)
    counters = ArmCounters(requests=5, latencies={3: 5})
    for wish in draw(st.lists(st.sampled_from(WISHES), max_size=3)):
        _, record = annotated(noted({f"pressrun.dev/{wish}": draw(texts)}), record, NOW)
    record = told(record, "crashed", draw(texts), NOW)
    update = {
        "evidence": evidence, "traffic": Traffic(requests={"candidate": 3}), "version": draw(st.integers(1, 99)),
        "readings": {"gateway": Reading(source="gateway", arms={"candidate": counters}, bounds=(1.5,), number=2)},
        "last_words": (LastWords(server="p", log=(draw(texts),), events=(draw(texts),)),),
    }  # fmt: skip
    return ended(record.model_copy(update=update), NOW)


def noted(notes: dict[str, str]) -> Object:
    return {"metadata": {"name": "topics", "annotations": notes}}


@given(records())
def test_a_record_that_was_written_is_read_back(record: RolloutRecord) -> None:
    assert record_of(resource(record)) == record


def test_spec_and_status_share_nothing_but_what_they_are_about() -> None:
    record = under_way()
    asked, said = spec_of(record), status_of(record, NOW)["record"]
    assert not asked.keys() & said.keys()
    assert {"plan", "intents", "queue"} <= asked.keys()
    assert {"state", "evidence", "readings", "champion", "outcomes"} <= said.keys()


def test_a_newer_plan_finds_nothing_of_the_older_rollout_but_what_it_left() -> None:
    old = under_way(Phase.ROLLED_BACK, checks=(PASSED,)).model_copy(
        update={
            "evidence": Evidence(missing=3), "traffic": Traffic(lost=9), "readings": {"gateway": Reading(source="g")},
            "last_words": (LastWords(server="p"),),
        }
    )  # fmt: skip
    old = ended(told(old, "crashed", "it ended", NOW), NOW)
    later = NOW + timedelta(hours=1)
    newer = {**resource(old), "spec": json.loads(json.dumps(spec_of(submitted(old, plan_of("d/3/t/-1"), later))))}
    found = record_of(newer)
    assert found.plan is not None
    assert (found.plan.generation, found.state) == (3, RolloutState(since=later))
    assert (found.evidence, found.readings, found.last_words, found.traffic) == (None, {}, (), Traffic())
    assert (found.champion, found.outcomes, found.history) == (old.champion, old.outcomes, old.history)


def test_a_plan_whose_status_was_never_written_begins() -> None:
    asked = resource(submitted(served(), plan_of(), NOW))
    del asked["status"]
    found = record_of(asked)
    assert found.state == RolloutState(since=NOW)
    assert found.active


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body["status"]["record"].update(surprise=1),
        lambda body: body["spec"]["plan"].pop("policy"),
        lambda body: body["spec"]["intents"].append({"wish": "explode"}),
        lambda body: body["status"]["record"].update(state="lost"),
    ],
)
def test_what_this_version_cannot_read_is_told_with_what_to_do(spoil: Any) -> None:
    body = resource(under_way())
    spoil(body)
    with pytest.raises(UnreadableRecord, match=r"the Rollout topics .*pressrun controller --apply"):
        record_of(body)


SAID = {
    "ann: readers complain": ("ann", "readers complain"),
    "readers complain": ("kubectl", "readers complain"),
    "": ("kubectl", "no reason given"),
    ":": ("kubectl", "no reason given"),
    " : it is bad": ("kubectl", "it is bad"),
    "ann:": ("ann", "no reason given"),
    "ann: since 10:30: errors": ("ann", "since 10:30: errors"),
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("wish", WISHES)
def test_an_annotation_is_a_wish_with_who_and_why_once(wish: Wish, said: str) -> None:
    record = under_way()
    if wish == "resume":
        _, record = annotated(noted({"pressrun.dev/pause": "bo: wait"}), record, NOW)
    found, after = annotated(noted({f"pressrun.dev/{wish}": said, "team": "news"}), record, NOW)
    assert found["metadata"]["annotations"] == {"team": "news"}
    assert (after.intents[-1].wish, after.intents[-1].actor, after.intents[-1].reason) == (wish, *SAID[said])
    assert annotated(found, after, NOW) == (found, after)


def test_annotations_that_are_no_wish_of_a_person_do_nothing() -> None:
    notes = {"pressrun.dev/release": "ann: now", "pressrun.dev/explode": "x", "example.org/abort": "y"}
    found, after = annotated(noted(notes), under_way(), NOW)
    assert (found["metadata"]["annotations"], after) == (notes, under_way())


def test_a_wish_with_nothing_under_way_is_taken_away_and_does_not_wait_for_the_next_rollout() -> None:
    found, after = annotated(noted({"pressrun.dev/abort": "ann: no"}), served(), NOW)
    assert found["metadata"]["annotations"] == {}
    assert after.intents == ()
    assert [event.text for event in after.history] == ["abort by ann came when nothing was under way"]


def test_kubectl_tells_the_story() -> None:
    record = under_way(Phase.STEPPING, weights={"candidate": 25, "champion": 75})
    _, record = annotated(noted({"pressrun.dev/pause": "ann: wait"}), record, NOW)
    status = status_of(record, NOW)
    assert (status["champion"], status["candidate"], status["phase"], status["weight"]) == ("1", "2", "stepping", 25)
    assert (status["generation"], status["by"]) == (2, ["paused by ann: wait"])
    back = ended(under_way(Phase.ROLLED_BACK, checks=(PASSED,)), NOW)
    assert status_of(back, NOW)["verdict"] == "pass"
    assert status_of(served(), NOW)["phase"] == "idle"


@pytest.mark.parametrize(
    ("record", "holding"),
    [
        (under_way(), {"Progressing"}),
        (under_way(paused_at=NOW), {"Paused"}),
        (under_way(Phase.ROLLING_BACK), {"RolledBack"}),
        (under_way(Phase.ROLLED_BACK), {"RolledBack"}),
        (under_way(Phase.PROMOTED), set()),
        (served(), set()),
    ],
)
def test_conditions_are_those_that_kubectl_wait_knows(record: RolloutRecord, holding: set[str]) -> None:
    conditions = status_of(record, NOW)["conditions"]
    assert {one["type"] for one in conditions if one["status"] == "True"} == holding
    for one in conditions:
        assert one.keys() >= {"type", "status", "reason", "message", "lastTransitionTime"}
        assert one["status"] in ("True", "False")
        assert one["reason"].isalpha()


def test_the_definition_shows_columns_that_the_status_has() -> None:
    (version,) = definition()["spec"]["versions"]
    status = status_of(ended(under_way(Phase.ROLLED_BACK, checks=(PASSED,)), NOW), NOW)
    paths = [column["jsonPath"] for column in version["additionalPrinterColumns"]]
    assert {path.removeprefix(".status.") for path in paths if path.startswith(".status.")} <= status.keys()
    schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert set(schema["required"]) <= spec_of(under_way()).keys() <= schema["properties"].keys()
