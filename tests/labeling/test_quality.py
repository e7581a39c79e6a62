from __future__ import annotations

import pytest

from pressrun.labeling.quality import Audited, accuracy
from pressrun.verdict import Decision


def rows(right: int, wrong: int) -> list[Audited]:
    good = Audited(labeler="m", machine=("World",), person=("World",))
    bad = Audited(labeler="m", machine=("World",), person=("Sports",))
    return [good] * right + [bad] * wrong


@pytest.mark.parametrize(
    ("right", "wrong", "decision"),
    [
        (0, 0, Decision.INSUFFICIENT),
        (10, 0, Decision.INSUFFICIENT),
        (95, 5, Decision.PASS),
        (83, 17, Decision.INSUFFICIENT),
        (60, 40, Decision.FAIL),
        (1, 9, Decision.FAIL),
    ],
)
def test_the_decision_follows_the_interval(right: int, wrong: int, decision: Decision) -> None:
    assert accuracy(rows(right, wrong), floor=0.85, min_rows=30).decision is decision


def test_one_of_several_right_topics_is_right() -> None:
    assert Audited(labeler="m", machine=("World",), person=("World", "Business")).right
