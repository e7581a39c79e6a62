"""What differs between two models that the real stages made: the same articles, another seed and a longer chain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.overview.compare import Compared, NotComparable, compare
from tests.night import STAGES, Night


@pytest.fixture(scope="module")
def two(first_night: Night, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """A second model beside the first night's, by other settings of `train` and `gate`."""
    night = first_night.copied(tmp_path_factory.mktemp("two"))
    train = night.pipeline.train.model_copy(update={"seed": 5, "self_training": False})
    gate = night.pipeline.gate.model_copy(update={"min_audited": 30})
    changed = replace(night, pipeline=night.pipeline.model_copy(update={"train": train, "gate": gate}))
    for name in STAGES:
        changed.run(name, "night-2")
    return changed


@pytest.fixture(scope="module")
def found(two: Night) -> Compared:
    return compare(two.environment, "topics", "1", "v2")


def test_each_side_is_the_run_that_made_it(found: Compared) -> None:
    assert [(side.version, side.trained.run) for side in (found.one, found.other)] == [
        ("1", "topics_retrain/night-1"),
        ("2", "topics_retrain/night-2"),
    ]


def test_settings_that_differ_are_named_by_their_key_with_both_values(found: Compared) -> None:
    assert found.settings is not None
    named = {one.key: (one.one, one.other) for one in found.settings}
    assert named == {
        "train.seed": (found.one.settings["train"]["seed"], 5),  # type: ignore[index]
        "train.self_training": (True, False),
        "gate.min_audited": (40, 30),
    }


def test_what_did_not_change_is_told_too(found: Compared) -> None:
    changed = {change.what: change.changed for change in found.changes}
    assert changed["config"]
    assert not changed["data"]
    assert not changed["taxonomy"]


def test_scores_and_what_the_judges_said_stand_side_by_side(found: Compared) -> None:
    rows = {(row.where, row.what): (row.one, row.other) for row in found.measured}
    assert rows["train", "family"] == ("svm", "svm")
    assert all(" pass" in value for value in rows["gate", "macro_f1"])
    assert rows["gate", "decision"] == ("pass", "pass")
    assert not any(where == "canary" for where, _ in rows)


def test_a_version_that_no_run_trained_is_refused_with_those_that_are_there(two: Night) -> None:
    with pytest.raises(NotComparable, match="version 9; there are: 1, 2"):
        compare(two.environment, "topics", "1", "9")


def test_the_command_prints_it_and_as_json(two: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pressrun.config.load.load_environment", lambda name: two.environment)
    cli = CliRunner(env={"COLUMNS": "200"})
    said = cli.invoke(app, ["compare", "1", "2"])
    assert said.exit_code == 0, said.output
    for words in ("train.seed", "gate.min_audited", "macro_f1", "topics_retrain/night-2"):
        assert words in said.output
    print(said.output)
    document = json.loads(cli.invoke(app, ["compare", "1", "2", "--json"]).stdout)
    assert document["other"] == {"version": "2", "run": "topics_retrain/night-2"}
    assert {row["key"] for row in document["settings"]} == {"train.seed", "train.self_training", "gate.min_audited"}
