"""The committed JSON Schemas, and the files that name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from pressrun.config.schema import MODELS, schema_text

CONFIG = Path(__file__).parents[2] / "config"
FOLDERS = {"pipelines": "pipeline", "environments": "environment", "taxonomies": "taxonomy"}
FILES = [file for folder in FOLDERS for file in sorted((CONFIG / folder).glob("*.yaml"))]


@pytest.mark.parametrize("name", list(MODELS))
def test_the_committed_schema_follows_the_types(name: str) -> None:
    committed = (CONFIG / "schema" / f"{name}.json").read_text()
    assert committed == schema_text(name), "run `pressrun schema` and commit config/schema"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_that_ships_names_its_schema_and_keeps_to_it(file: Path) -> None:
    name = FOLDERS[file.parent.name]
    assert file.read_text().startswith(f"# yaml-language-server: $schema=../schema/{name}.json\n")
    Draft202012Validator(json.loads(schema_text(name))).validate(yaml.safe_load(file.read_text()))
