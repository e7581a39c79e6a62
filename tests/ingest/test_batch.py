"""The verdict on a batch."""

from __future__ import annotations

from typing import Any

import pytest

from pressrun.config.pipeline import Batch
from pressrun.ingest.batch import BatchFacts, History, judge, total_variation
from pressrun.verdict import Decision, decide

USUAL: dict[str, Any] = {
    "articles": 100,
    "new_rows": 100,
    "duplicates": 2,
    "incomplete": 0,
    "rejects": 0,
    "unreadable": [],
    "languages": {"en": 100},
    "sources": {"a": 60, "b": 40},
}
BEFORE = History(volumes=[90, 110, 100], languages={"en": 300}, sources={"a": 180, "b": 120})
POLICY = Batch()
FIRST = History(languages={}, sources={})


def decision(history: History = BEFORE, policy: Batch = POLICY, **changes: Any) -> tuple[Decision, list[str]]:
    checks = judge(BatchFacts(**USUAL | changes), history, policy)
    return decide(checks), [check.metric for check in checks if check.required and check.decision is not Decision.PASS]


def test_a_usual_batch_passes() -> None:
    assert decision() == (Decision.PASS, [])


def test_the_first_batch_passes_without_history() -> None:
    assert decision(FIRST) == (Decision.PASS, [])


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"articles": 10}, "volume"),
        ({"articles": 1000}, "volume"),
        ({"rejects": 20}, "null_share"),
        ({"incomplete": 20}, "null_share"),
        ({"duplicates": 70}, "duplicate_share"),
        ({"languages": {"en": 60, "de": 40}}, "language_mix"),
        ({"sources": {"c": 100}}, "source_mix"),
        ({"unreadable": ["a.parquet: broken"]}, "unreadable_files"),
    ],
)
def test_what_is_unusual_stops_the_night(changes: dict[str, Any], metric: str) -> None:
    assert decision(**changes) == (Decision.FAIL, [metric])


def test_too_many_rejects_name_what_is_most_often_wrong() -> None:
    refusals = {"8 columns where 5 are expected": 19, "not UTF-8": 1}
    facts = BatchFacts(**USUAL | {"rejects": 20, "incomplete": 3, "refusals": refusals})
    (check,) = (check for check in judge(facts, BEFORE, POLICY) if check.metric == "null_share")
    assert check.reason.startswith("23 of 120 rows (19.2%)")
    assert check.reason.endswith("most: 8 columns where 5 are expected")


def test_languages_outside_the_list_stop_the_night() -> None:
    policy = Batch(languages=["en"])
    assert decision(policy=policy, languages={"en": 70, "de": 30})[1] == ["other_languages", "language_mix"]


def test_too_few_articles_are_insufficient() -> None:
    assert decision(FIRST, Batch(min_articles=200)) == (Decision.INSUFFICIENT, ["articles"])


def test_mixes_of_few_articles_are_not_compared() -> None:
    assert decision(articles=30, sources={"c": 30}, languages={"en": 30})[0] is Decision.PASS


def test_total_variation_is_half_the_moved_share() -> None:
    assert total_variation({"a": 1, "b": 1}, {"a": 2}) == 0.5
