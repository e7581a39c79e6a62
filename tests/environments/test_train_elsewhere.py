"""A night whose train stage has a lock of its own: it truly runs there, once, and is known by it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import pytest

from pressrun.compute import ConfigurationFailed
from pressrun.config.pipeline import Pipeline
from pressrun.config.stages import Stages
from pressrun.environments import gpus, run
from pressrun.lake.types import StageResult
from pressrun.registry.tracking import connect
from tests.environments.conftest import ABSENT
from tests.night import Night

# It can be imported where the stage runs, and nowhere else.
FAMILY = """
import importlib.util
import json
import os
from pathlib import Path

import cowsay
import joblib

from pressrun.training.families import Svm


class Cow(Svm):
    def __init__(self, *, told: str) -> None:
        super().__init__(c=0.2)
        self.told = Path(told)

    def fit(self, **given):
        absent = [name for name in ("airflow", "slack_sdk", "pyspark") if importlib.util.find_spec(name) is None]
        known = {"joblib": joblib.__version__, "cow": cowsay.get_output_string("cow", "moo"), "pid": os.getpid()}
        self.told.write_text(json.dumps({**known, "absent": absent, "threads": os.environ["OMP_NUM_THREADS"]}))
        print("moo, says the stage")
        return super().fit(**given)
"""
Place = Callable[..., Night]


class Begun(Exception):
    """The stage has something to do."""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told.json"


@pytest.fixture
def own(night: Night, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The night's pipeline with a family of one's own."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "cows.py").write_text(FAMILY)
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    given = night.pipeline.model_dump(mode="json")
    given["train"]["families"] = [{"name": "cow", "uses": "cows:Cow", "options": {"told": str(told)}}]
    return Pipeline.model_validate(given)


@pytest.fixture
def place(night: Night) -> Place:
    """The night with its train stage put somewhere."""

    def placed(pipeline: Pipeline | None = None, **train: Any) -> Night:
        update = {"stages": Stages.model_validate({"train": train})}
        environment = night.environment.model_copy(update=update)
        return replace(night, environment=environment, pipeline=pipeline or night.pipeline)

    return placed


def begins(*given: object, **named: object) -> Path:
    raise Begun


@pytest.mark.slow
def test_train_runs_in_the_environment_of_its_lock_and_is_known_by_it(
    place: Place,
    own: Pipeline,
    lock: Path,
    told: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO")
    assert find_spec("cowsay") is None
    there = place(own, resources={"cpu": 1, "memory": "3Gi"}, environment={"lock": str(lock)})
    result = there.run("train", fresh=True)
    known = json.loads(told.read_text())
    assert known["joblib"] == "1.4.2" != joblib.__version__
    assert "moo" in known["cow"]
    assert known["absent"] == ["airflow", "slack_sdk", "pyspark"]
    assert (known["threads"], known["pid"] != os.getpid()) == ("1", True)
    assert "moo, says the stage" in caplog.text
    lineage_says_where(there, result, lock)
    monkeypatch.setattr(run, "python_of", begins)
    # The same lock has done the same: no process, not even an environment.
    assert there.run("train") == result
    lock.with_name("other.lock").write_text(lock.read_text().replace(ABSENT, "cowsay==6.0"))
    with pytest.raises(Begun):
        anew(place(own, environment={"lock": str(lock.with_name("other.lock"))}))


def anew(night: Night) -> StageResult:
    """The next try of somebody who has cleared the task: done again only if something is another."""
    from pressrun.loop import carry_out

    return carry_out(night.step("train", asked="cleared after try 1"))


def lineage_says_where(there: Night, result: StageResult, lock: Path) -> None:
    said = result.facts["environment"]
    assert (result.facts["family"], said["lock"]) == ("cow", str(lock))
    assert set(said["packages"]) >= {"numpy", "scikit-learn"}
    tags = connect(there.environment).get_run(result.facts["model"]["run_id"]).data.tags
    assert tags["pressrun.environment"] == f"lock {said['digest']}"


@pytest.mark.slow
def test_a_gpu_that_is_not_there_is_told_before_anything_is_made(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "_listed", list)
    monkeypatch.setattr(run, "python_of", begins)
    (tmp_path / "train.lock").write_text("torch==2.9.0\n")
    there = place(resources={"gpu": 1}, environment={"lock": str(tmp_path / "train.lock")})
    with pytest.raises(ConfigurationFailed, match=r"asks for 1 gpu, and this machine has 0\. Run the worker on"):
        there.run("train", fresh=True)
