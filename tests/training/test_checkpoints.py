"""Checkpoints: whole or not at all, whatever dies when."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pressrun.training.checkpoints import Checkpoint, Checkpoints


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step=step, state={"best": step / 2}, tensors={"network": {"weight": np.full((2, 3), step)}})


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "fit")


def newest(checkpoints: Checkpoints) -> int | None:
    found = checkpoints.newest()
    if found is not None:
        assert found.state == {"best": found.step / 2}
        assert (found.tensors["network"]["weight"] == found.step).all()
    return found.step if found else None


def test_the_newest_comes_back_and_the_one_before_it_is_kept(checkpoints: Checkpoints, tmp_path: Path) -> None:
    assert newest(checkpoints) is None
    for step in (5, 10, 15):
        checkpoints.save(checkpoint(step))
    assert newest(checkpoints) == 15
    assert sorted(place.name for place in (tmp_path / "fit").iterdir()) == ["step-00000010", "step-00000015"]


@pytest.mark.parametrize("file", ["network.safetensors", "state.json"])
def test_one_that_is_cut_short_or_spoilt_is_passed_over(checkpoints: Checkpoints, tmp_path: Path, file: str) -> None:
    checkpoints.save(checkpoint(5))
    checkpoints.save(checkpoint(10))
    place = tmp_path / "fit" / "step-00000010" / file
    place.write_bytes(place.read_bytes()[:-4])
    assert newest(checkpoints) == 5


def test_a_writer_that_dies_before_the_last_rename_leaves_the_one_before(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(checkpoint(5))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(checkpoint(10))
    assert newest(checkpoints) == 5


def test_a_step_that_is_taken_again_is_the_same_one(checkpoints: Checkpoints) -> None:
    checkpoints.save(checkpoint(5))
    checkpoints.save(checkpoint(5))
    assert newest(checkpoints) == 5
