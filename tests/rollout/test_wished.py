"""What people ask of a rollout takes little room, however much they say and however often."""

from __future__ import annotations

import pytest

from pressrun.rollout.changes import MOST_OF_ACTOR, MOST_OF_REASON, wished
from pressrun.rollout.kubernetes.resource import annotated, definition
from pressrun.rollout.types import RolloutRecord, Wish
from tests.rollout.kubernetes.plans import NOW, under_way


def ask(record: RolloutRecord, *wishes: Wish, reason: str = "why", actor: str = "ann") -> RolloutRecord:
    for wish in wishes:
        record = wished(record, wish, actor=actor, reason=reason, now=NOW)
    return record


def test_a_long_reason_and_name_are_cut_and_say_so() -> None:
    (intent,) = ask(under_way(), "abort", reason="r" * 250_000, actor="a" * 9_000).intents
    assert (len(intent.reason), intent.reason[-3:]) == (MOST_OF_REASON, "rr…")
    assert (len(intent.actor), intent.actor[-3:]) == (MOST_OF_ACTOR, "aa…")


def test_words_that_fit_stay_as_they_are() -> None:
    (intent,) = ask(under_way(), "abort", reason="r" * MOST_OF_REASON, actor="a" * MOST_OF_ACTOR).intents
    assert intent.reason == "r" * MOST_OF_REASON
    assert intent.actor == "a" * MOST_OF_ACTOR


def test_an_annotation_of_a_quarter_megabyte_aborts_and_is_gone() -> None:
    metadata = {"name": "topics", "annotations": {"pressrun.dev/abort": "ann: " + "é" * 125_000}}
    resource, record = annotated({"metadata": metadata}, under_way(), NOW)
    assert resource["metadata"]["annotations"] == {}
    assert record.abort_of(2) is not None
    assert len(record.model_dump_json(include={"intents", "history"}).encode()) < 5_000


def test_pausing_and_resuming_for_ever_keeps_the_last_pair_and_every_other_wish() -> None:
    record = ask(under_way(), "pause", "promote", "resume", *(("pause", "resume") * 50), "abort")
    assert [intent.wish for intent in record.intents] == ["promote", "pause", "resume", "abort"]
    record = ask(record, "pause")
    assert [intent.wish for intent in record.intents] == ["promote", "resume", "abort", "pause"]


@pytest.mark.parametrize(("field", "most"), [("actor", MOST_OF_ACTOR), ("reason", MOST_OF_REASON)])
def test_the_custom_resource_takes_no_more_either(field: str, most: int) -> None:
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    intent = schema["properties"]["spec"]["properties"]["intents"]["items"]["properties"]
    assert intent[field]["maxLength"] == most
