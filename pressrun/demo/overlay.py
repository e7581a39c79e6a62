"""The demo's config folder: a copy of the project's own, with config/demo.yaml laid over the pipeline file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pressrun.config.find import config_folder

MODEL = "topics"


def write_demo_config(*, folder: Path, read: Mapping[str, Any] | None = None) -> Path:
    """Copies the config folder to `folder`, the demo's keys laid over the pipeline; `read` replaces how files are read.

    Returns the pipeline file. It is validated like any other when it is loaded.
    """
    source = config_folder()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    file = folder / "pipelines" / f"{MODEL}.yaml"
    pipeline = _laid_over(yaml.safe_load(file.read_text()), yaml.safe_load((source / "demo.yaml").read_text()))
    if read is not None:
        pipeline["articles"] = {**pipeline.get("articles", {}), "read": dict(read)}
    for other in file.parent.glob("*.yaml"):
        other.unlink()
    file.write_text(yaml.safe_dump(pipeline, sort_keys=False))
    return file


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged
