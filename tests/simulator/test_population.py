"""Readers come, stay away, come back and leave; their tastes drift slowly."""

from __future__ import annotations

import numpy as np
import pytest

from pressrun.simulator import Newsroom
from pressrun.simulator.population import Readers, names, readers_on

NEWSROOM = Newsroom(readers=3000)
YEAR = range(1, 366)


@pytest.fixture(scope="module")
def year() -> dict[int, Readers]:
    return {night: readers_on(NEWSROOM, night) for night in YEAR}


def test_a_night_has_its_readers_whichever_nights_were_asked_for_before(year: dict[int, Readers]) -> None:
    again = readers_on(NEWSROOM, 200)
    assert (again.number == year[200].number).all()
    assert (again.topics == year[200].topics).all()


def test_about_as_many_read_as_the_newsroom_has(year: dict[int, Readers]) -> None:
    counts = [len(readers.number) for readers in year.values()]
    assert 2700 < min(counts) < max(counts) < 3300


def test_some_are_new_some_come_back_after_a_week_and_some_never(year: dict[int, Readers]) -> None:
    came = dict(zip(year[100].number.tolist(), year[100].first.tolist(), strict=True))
    here = {night: set(readers.number.tolist()) for night, readers in year.items()}
    assert 0.01 < sum(first == 100 for first in came.values()) / len(came) < 0.05
    gone = {n for n in came if all(n not in here[later] for later in range(101, 366))}
    assert 0 < len(gone) < len(came)
    assert any(all(n not in here[night] for night in range(101, 108)) and n not in gone for n in came)
    assert 0.25 < len(here[100] & here[160]) / len(here[100]) < 0.45


def test_a_taste_hardly_moves_in_a_night_and_visibly_in_a_season(year: dict[int, Readers]) -> None:
    def moved(first: int, later: int) -> float:
        both, left, right = np.intersect1d(year[first].number, year[later].number, return_indices=True)
        assert len(both) > 100
        return float(abs(year[first].topics[left] - year[later].topics[right]).mean())

    assert moved(100, 101) < 0.02
    assert 0.1 < moved(100, 190) < 0.9


def test_a_reader_stays_in_one_arm_and_half_are_treated(year: dict[int, Readers]) -> None:
    arm: dict[int, bool] = {}
    for readers in year.values():
        for number, treated in zip(readers.number.tolist(), readers.treated.tolist(), strict=True):
            assert arm.setdefault(number, treated) == treated
    assert abs(np.mean(list(arm.values())) - 0.5) < 0.02


def test_no_two_readers_share_a_name(year: dict[int, Readers]) -> None:
    everyone = np.unique(np.concatenate([readers.number for readers in year.values()]))
    assert len(set(names(NEWSROOM, everyone))) == len(everyone) > 10_000
