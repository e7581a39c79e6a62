"""A night whose train stage has a lock of its own: it truly runs there, once, and is known by it."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import pytest

from pressrun.config.pipeline import Pipeline
from pressrun.config.stages import Stages
from pressrun.registry.tracking import connect
from tests.night import Night

FAMILY = """
import json, os
from pathlib import Path

import cowsay  # in the stage's lock alone
import joblib

from pressrun.training.families import Svm


class Cow(Svm):
    def __init__(self, *, told: str) -> None:
        super().__init__(c=0.2)
        self.told = Path(told)

    def fit(self, **given):
        known = {"joblib": joblib.__version__, "cow": cowsay.get_output_string("cow", "moo")[:40], "pid": os.getpid()}
        known["airflow"] = [name for name in ("airflow", "slack_sdk") if __import__("importlib.util").util.find_spec(name)]
        known["threads"] = os.environ.get("OMP_NUM_THREADS")
        self.told.write_text(json.dumps(known))
        print("moo, says the stage")
        return super().fit(**given)
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told.json"


@pytest.fixture
def pipeline(night: Night, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The night's, with a family that only the stage's environment can import."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "cows.py").write_text(FAMILY)
    monkeypatch.syspath_prepend(str(tmp_path / "own"))
    given = night.pipeline.model_dump(mode="json")
    given["train"]["families"] = [{"name": "cow", "uses": "cows:Cow", "options": {"told": str(told)}}]
    return Pipeline.model_validate(given)


def placed(night: Night, stages: dict[str, Any], **more: Any) -> Night:
    return replace(
        night, environment=night.environment.model_copy(update={"stages": Stages.model_validate(stages)}), **more
    )


@pytest.mark.slow
def test_train_runs_in_the_environment_of_its_lock(
    night: Night, pipeline: Pipeline, lock: Path, told: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import json
    import os

    caplog.set_level("INFO")
    assert find_spec("cowsay") is None
    place = {"train": {"resources": {"cpu": 1, "memory": "3Gi"}, "environment": {"lock": str(lock)}}}
    there = placed(night, place, pipeline=pipeline)
    result = there.run("train", fresh=True)
    known = json.loads(told.read_text())
    assert known["joblib"] == "1.4.2" != joblib.__version__
    assert "moo" in known["cow"]
    assert (known["airflow"], known["threads"]) == ([], "1")
    assert known["pid"] != os.getpid()
    assert "moo, says the stage" in caplog.text
    assert result.facts["family"] == "cow"
    assert result.facts["environment"]["lock"] == str(lock)
    run = connect(there.environment).get_run(result.facts["model"]["run_id"])
    assert run.data.tags["pressrun.environment"] == f"lock {result.facts['environment']['digest']}"
