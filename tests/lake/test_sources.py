"""A step's code: which sources count, and that no stage is without any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import pressrun
from pressrun.lake.fingerprint import PACKAGES, stage_code
from pressrun.lake.sources import SourcesMissing, source_digest
from pressrun.loop import UPSTREAM

SOURCES = Path(pressrun.__file__).parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the sources of Pressrun in it."""
    shutil.copytree(SOURCES, tmp_path / "pressrun", ignore=lambda folder, names: {"__pycache__", "_config"})
    return tmp_path


def changed(copy: Path, module: str) -> set[str]:
    """The stages whose code is another once the module of the copy has another line."""
    file = copy / "pressrun" / module
    file.write_text(file.read_text() + "\nMENDED = True\n")
    return {stage for stage, package in PACKAGES.items() if source_digest(package, copy) != stage_code(stage)}


def test_every_stage_has_a_package_and_code_of_its_own() -> None:
    assert set(UPSTREAM) < set(PACKAGES)
    assert len({stage_code(stage) for stage in PACKAGES}) == len(PACKAGES)


def test_a_copy_of_the_sources_is_the_same_code(copy: Path) -> None:
    assert {stage: source_digest(package, copy) for stage, package in PACKAGES.items()} == {
        stage: stage_code(stage) for stage in PACKAGES
    }


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("training/learn.py", {"train"}),
        ("training/conformance.py", {"train"}),
        ("gates/checks.py", {"gate"}),
        ("step.py", set(PACKAGES)),
        ("cli/terminal.py", set()),
    ],
)
def test_mended_code_counts_for_the_stages_that_run_it(module: str, stages: set[str], copy: Path) -> None:
    assert changed(copy, module) == stages


@pytest.mark.parametrize(("module", "stage"), [("stats/calibration.py", "gate"), ("bundle/tfidf.py", "train")])
def test_what_a_stage_stands_on_counts_too(module: str, stage: str, copy: Path) -> None:
    stages = changed(copy, module)
    assert stage in stages
    assert "ingest" not in stages


def test_a_name_that_is_no_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="no stage 'training'; the stages are ingest, sample"):
        stage_code("training")


def test_code_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourcesMissing, match=r"pressrun\.training"):
        source_digest("training", tmp_path)
