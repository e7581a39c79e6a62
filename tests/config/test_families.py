"""`family: transformer` and `family: distilled` in a pipeline file: what is wrong, by file, key and reason."""

from __future__ import annotations

import importlib.util
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pressrun.config.families import TransformerFamily
from pressrun.config.pipeline import Train
from pressrun.config.problems import ConfigError
from pressrun.training import pretrained
from pressrun.training.families import family

from .conftest import PIPELINE, Project

FAMILIES = "families: [svm, lightgbm]"
MISTAKES = {
    "a key that is not there": (
        "[{family: transformer, epoch: 3}]",
        "train.families[0].epoch is 3; there is no such key. Did you mean epochs?",
    ),
    "a kind that is not there": (
        "[{family: transfomer}]",
        'train.families[0].family is "transfomer"; it must be one of transformer, distilled. Did you mean transformer?',
    ),
    "settings for svm": (
        "[{family: svm}]",
        'train.families[0].family is "svm"; svm takes no settings; list it by its name alone, as svm.',
    ),
    "a rate out of range": (
        "[{family: transformer, learning_rate: 3}]",
        "train.families[0].learning_rate is 3; it must be at most 0.1.",
    ),
    "a model that is no name": (
        "[{family: transformer, model: weird}]",
        'train.families[0].model is "weird"; a model is minilm, a folder that begins with . or /, or owner/name *',
    ),
    "a teacher that is not listed before": (
        "[svm, {family: distilled, teacher: transformer}]",
        'train.families[1].teacher is "transformer"; a teacher is a family that is listed before its student (svm), *',
    ),
    "a student without a teacher": (
        "[{family: distilled}]",
        "train.families[0].teacher is missing; it is required.",
    ),
    "a registered teacher without its version": (
        "[{family: distilled, teacher: {model: topics, versoin: 3}}]",
        "train.families[0].teacher.version is missing; it is required (versoin was given).",
    ),
    "two of one name": (
        "[{family: transformer}, {family: transformer}]",
        "train.families[1] *; it is listed before; take it out or give it another name.",
    ),
}


@pytest.fixture
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find, there = importlib.util.find_spec, importlib.util.find_spec("json")
    monkeypatch.setattr(pretrained, "find_spec", lambda name: there if name in pretrained.NEEDED else find(name))


def without(monkeypatch: pytest.MonkeyPatch, *absent: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None if name in absent else find(name))


@pytest.mark.usefixtures("everything_installed")
@pytest.mark.parametrize(("families", "wanted"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line_key_and_remedy(project: Project, families: str, wanted: str) -> None:
    line = project.spoil(FAMILIES, f"families: {families}")
    found = project.check()
    assert any(fnmatchcase(problem, f"{PIPELINE}:{line}: {wanted}".replace("[", "[[]")) for problem in found), found


@pytest.mark.usefixtures("everything_installed")
@pytest.mark.parametrize(
    "families",
    [
        "[svm, {family: transformer, epochs: 5}, {family: distilled, teacher: transformer}]",
        "[{family: distilled, teacher: {model: topics, version: 3}, student: lightgbm}]",
        "[{family: transformer, model: intfloat/e5-small-v2, name: e5, precision: fp32}]",
    ],
)
def test_good_settings_are_taken(project: Project, families: str) -> None:
    project.spoil(FAMILIES, f"families: {families}")
    assert project.check() == []


def test_check_says_how_to_install_the_extra_that_is_missing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch", "onnxscript")
    line = project.spoil(FAMILIES, "families: [svm, {family: transformer}]")
    [problem] = project.check()
    assert problem.startswith(f'{PIPELINE}:{line}: train.families[1].family is "transformer"; it needs the extra deep')
    assert problem.endswith("install it: uv sync --extra deep, or pip install 'pressrun[deep]'.")


def test_the_missing_extra_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "torch")
    [spec] = Train.model_validate({"families": [{"family": "transformer"}]}).families
    with pytest.raises(
        ConfigError, match=r"it needs the extra deep, of which torch.* install it: uv sync --extra deep"
    ):
        family(spec)


@pytest.mark.usefixtures("everything_installed")
def test_a_folder_that_holds_no_model_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.spoil(FAMILIES, "families: [{family: transformer, model: ./mine}]")
    [problem] = project.check()
    assert 'train.families[0].model is "./mine"; there is no folder mine' in problem
    folder = Path("mine")
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "pytorch_model.bin"):
        (folder / name).touch()
    [problem] = project.check()
    assert "mine has no model.safetensors; weights in other formats can run code when they are read" in problem


def test_a_folder_and_a_hubs_name_are_told_apart() -> None:
    for model in ("minilm", "./here", "/there", "~/mine", "owner/name"):
        assert TransformerFamily(family="transformer", model=model).model == model
