"""JSON Schema of the config files, from their types, so that an editor completes and checks them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.taxonomy import Taxonomy

MODELS: dict[str, type[BaseModel]] = {"pipeline": Pipeline, "environment": Environment, "taxonomy": Taxonomy}
_VARIABLE = {"type": "string", "pattern": r"\$\{\w+(:-.*)?\}"}


def schema_text(name: str) -> str:
    """The schema file of "pipeline", "environment" or "taxonomy", ready to be written."""
    schema = MODELS[name].model_json_schema()
    if name == "environment":
        schema = _or_variable(schema)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Writes one `<name>.json` each into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.json" for name in MODELS]
    for file in files:
        file.write_text(schema_text(file.stem), encoding="utf-8")
    return files


def _or_variable(schema: Any) -> Any:
    """Environment files may write `${NAME}` where a number stands."""
    if isinstance(schema, list):
        return [_or_variable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("integer", "number", "boolean"):
        return {"anyOf": [schema, _VARIABLE]}
    return {key: _or_variable(value) for key, value in schema.items()}
