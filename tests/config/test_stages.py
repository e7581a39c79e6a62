"""Mistakes in an environment's sections stages and pods: each is told with file, line, key and remedy."""

from __future__ import annotations

import re

import pytest

from pressrun.config.load import load_environment
from pressrun.config.problems import ConfigError
from tests.config.conftest import PIPELINE, Project

LAPTOP = "config/environments/laptop.yaml"
IMAGE = "environment: {image: 'train:1'}"
CLUSTER = "\npods: {namespace: news}"

MISTAKES = {
    "a stage that is none": (
        "stages: {trian: {}}", r'stages\.trian is .*there is no such key\. Did you mean train\?',
    ),
    "one that watches": (
        "stages: {gate: {}}", r"stages\.gate is .*there is no such key; known here: ingest, sample, train",
    ),
    "memory as Spark writes it": (
        "stages: {train: {resources: {memory: 16g}}}",
        r'resources\.memory is "16g"; it is memory as Kubernetes writes it.* Did you mean 16Gi\?',
    ),
    "a key misspelt": (
        "stages: {train: {resources: {memroy: 1Gi}}}", r"resources\.memroy is .*Did you mean memory\?",
    ),
    "no cores": ("stages: {train: {resources: {cpu: 0}}}", r"resources\.cpu is 0; it must be greater than 0"),
    "a lock and an image": (
        "stages: {train: {environment: {lock: a.lock, image: 'train:1'}}}", r"environment\.image is .*not both",
    ),
    "an environment of nothing": ("stages: {train: {environment: {}}}", r"environment\.lock is missing; name a lock"),
    "spot beside the task": (
        "stages: {train: {resources: {spot: true}}}", r"resources\.spot is true; only a pod can be placed",
    ),
    "an image and no cluster": (
        f"stages: {{train: {{{IMAGE}}}}}", r'environment\.image is "train:1"; section pods.* is missing',
    ),
    "spot where the cluster has none": (
        f"stages: {{train: {{resources: {{spot: true}}, {IMAGE}}}}}{CLUSTER}", r"resources\.spot is true; pods\.spot",
    ),
    "an image of Spark's stage": (
        f"stages: {{sample: {{{IMAGE}}}}}{CLUSTER}", r"only train runs as a pod; Spark jobs have spark\.platform",
    ),
    "a python in words": (
        "stages: {train: {environment: {lock: a.lock, python: three}}}", r"python is \"three\"; it is a version",
    ),
}  # fmt: skip


def given(project: Project, section: str) -> int:
    """Adds the section to the laptop's file; returns its line."""
    text = project.text(LAPTOP)
    project.write(f"{text}{section}\n", file=LAPTOP)
    return len(text.splitlines()) + 1


@pytest.mark.parametrize(("section", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_file_line_key_and_remedy(project: Project, section: str, told: str) -> None:
    line = given(project, section)
    with pytest.raises(ConfigError) as raised:
        load_environment("laptop")
    (said,) = [str(problem) for problem in raised.value.problems]
    assert f"laptop.yaml:{line}:" in said
    assert re.search(told, said), said


def test_a_pod_needs_an_mlflow_that_it_can_reach(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////tmp/mlflow.db")
    given(project, f"stages: {{train: {{{IMAGE}}}}}{CLUSTER}")
    with pytest.raises(ConfigError, match=r"a pod cannot reach mlflow\.tracking_uri"):
        load_environment("laptop")


def test_check_reads_the_lock(project: Project) -> None:
    line = given(project, "stages: {train: {environment: {lock: train.lock}}}")
    (said,) = project.check()
    assert f"laptop.yaml:{line}: stages.train.environment.lock" in said
    assert "there is no such file; make it: uv pip compile train.in" in said
    (project.folder / "train.lock").write_text("numpy\n")
    (said,) = project.check()
    assert "line 1, 'numpy', pins no version" in said
    (project.folder / "train.lock").write_text("numpy==2.2.0\n")
    assert project.check() == []


def test_check_imports_no_code_whose_packages_are_elsewhere(project: Project) -> None:
    project.spoil("families: [svm, lightgbm]", "families: [svm, {uses: 'deep:Net', name: net}]", file=PIPELINE)
    assert "deep cannot be imported" in project.check()[0]
    (project.folder / "train.lock").write_text("torch==2.9.0\n")
    given(project, "stages: {train: {environment: {lock: train.lock}}}")
    assert project.check() == []
