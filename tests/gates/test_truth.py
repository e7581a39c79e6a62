from typing import Any

from pressrun.gates.truth import rank_of, true_labels, unseen


def _label(labeler: str, role: str, *labels: str, abstained: bool = False, at: str = "2026-01-01") -> dict[str, Any]:
    return {
        "article_id": "a",
        "labeler": labeler,
        "role": role,
        "labels": list(labels),
        "abstained": abstained,
        "labeled_at": at,
    }


def test_only_gold_given_and_audited_by_a_person_are_truth() -> None:
    assert rank_of(_label("person:ann", "gold", "World")) > rank_of(_label("person:oracle", "audit", "World")) > 0
    assert rank_of(_label("given", "train", "World")) > 0
    for untrue in (
        _label("person:ann", "train", "World"),
        _label("llm:x@y", "audit", "World"),
        _label("static:wordllama", "train", "World"),
        _label("person:ann", "audit", "World", abstained=True),
        _label("person:ann", "audit", "World", "Sports"),
    ):
        assert rank_of(untrue) == 0


def test_the_best_label_wins_and_of_equals_the_newest() -> None:
    old, new = (
        _label("person:a", "audit", "World", at="2026-01-01"),
        _label("person:b", "audit", "Sports", at="2026-01-02"),
    )
    assert true_labels([new, old])["a"]["labels"] == ["Sports"]
    assert true_labels([_label("person:c", "gold", "Business", at="2025-01-01"), new])["a"]["labels"] == ["Business"]


def test_what_was_trained_on_and_its_near_duplicates_are_left_out() -> None:
    groups = {"a": "g1", "b": "g1", "c": "g2"}
    assert unseen(["a", "b", "c", "d"], frozenset({"a"}), groups) == {"c", "d"}
    assert unseen(["d"], frozenset({"d"}), groups) == frozenset()
