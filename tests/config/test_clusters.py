"""Mistakes in an environment's section kubernetes: each is told with file, line, key and remedy."""

from __future__ import annotations

import re

import pytest

from tests.config.conftest import REPOSITORY, Project

FILE = "config/environments/laptop.yaml"
SECTION = """
kubernetes:
  clusters:
    - {name: north, namespace: news}
    - {name: south}
  controller_image: controller:1
  deploy:
    server_image: server:1
    fetch_image: fetch:1
    tracking_uri: http://mlflow:5000
    replicas: 2
    split: weights
    gateway:
      name: web
      metrics: {url: "http://gateway/metrics", backend: "{namespace}-{service}"}
"""
BACKEND = 'backend: "{namespace}-{service}"'

MISTAKES = {
    "an unknown key": ("controller_image:", "controler_image:", r"is missing; .*controler_image was given"),
    "no cluster": (
        "  clusters:\n    - {name: north, namespace: news}\n    - {name: south}\n", "  clusters: []\n",
        r"kubernetes\.clusters is ",
    ),
    "two of one name": ("name: south", "name: north", r'kubernetes\.clusters\[1\]\.name is "north"; .*give it its own'),
    "no replicas": ("replicas: 2", "replicas: 0", r"kubernetes\.deploy\.replicas is 0; it must be "),
    "an unknown split": ("split: weights", "split: wieghts", r"split is \"wieghts\"; .*Did you mean weights\?"),
    "a password in an address": ("//mlflow", "//ann:hunter22@mlflow", r"deploy\.tracking_uri .*deploy\.secret"),
    "a backend without its Service": (BACKEND, 'backend: "{namespace}"', r"metrics\.backend .*must hold \{service\}"),
    "a backend of unknown parts": (BACKEND, 'backend: "{service}-{pod}"', r"metrics\.backend .*may hold \{namespace\}"),
    "a backend that is no pattern": (BACKEND, 'backend: "{service"', r"metrics\.backend .*must hold \{service\}"),
    "an unknown unit": (BACKEND, "unit: minutes", r"metrics\.unit is \"minutes\"; it must be one of "),
    "metrics without an address": ('url: "http://gateway/metrics", ', "", r"kubernetes\.deploy\.gateway\.metrics"),
}  # fmt: skip


def said(project: Project, section: str) -> list[str]:
    project.write((REPOSITORY / FILE).read_text() + section, file=FILE)
    return project.check()


def test_a_section_as_the_documentation_has_it_is_fine(project: Project) -> None:
    assert said(project, SECTION) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_file_key_and_remedy(project: Project, mistake: str) -> None:
    old, new, says = MISTAKES[mistake]
    assert SECTION.count(old) == 1
    (message, *_) = said(project, SECTION.replace(old, new))
    assert re.search(says, message), message
    assert re.match(rf"{FILE}:\d+", message.replace(str(project.folder) + "/", "")), message
    assert "hunter22" not in message
