"""Reads config files into types. Every function raises ConfigError with all that is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pressrun.config.document import Document, Path_, dotted, read_document
from pressrun.config.environment import Environment
from pressrun.config.explain import explain
from pressrun.config.find import config_folder, default_home, find_config, resolve_path
from pressrun.config.pipeline import Pipeline
from pressrun.config.problems import ConfigError, Problem, shown_value
from pressrun.config.redact import remember_secrets
from pressrun.config.taxonomy import Taxonomy

M = TypeVar("M", bound=BaseModel)
# Innermost first, so that a default may name another variable.
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^${}]*))?\}")
_MAX_NESTING = 3


def load_pipeline(name_or_path: str | Path) -> Pipeline:
    """The pipeline of that name in config/pipelines, or at that path."""
    return _parse(Pipeline, read_document(find_config("pipelines", name_or_path)))


def load_environment(name_or_path: str | Path | None = None) -> Environment:
    """The environment of that name or path; by default `PRESSRUN_ENVIRONMENT`'s, else the laptop.

    `${NAME}` and `${NAME:-default}` are replaced from the process environment; `${PRESSRUN_HOME}` is always known.
    """
    document = read_document(environment_file(name_or_path))
    problems: list[Problem] = []
    known = {**os.environ, "PRESSRUN_HOME": str(default_home())}
    expanded = _expand(document.data, (), known, document, problems)
    if problems:
        raise ConfigError(problems)
    remember_secrets(_named(expanded))
    # Problems show what stands in the file: an expanded value may hold a password.
    return _parse(Environment, document, data=expanded)


def environment_file(name_or_path: str | Path | None = None) -> Path:
    """The file of that environment; by default as in `load_environment`."""
    named = os.environ.get("PRESSRUN_ENVIRONMENT")
    if name_or_path or not named:
        return find_config("environments", name_or_path or "laptop")
    try:
        return find_config("environments", named)
    except ConfigError as error:
        told = [replace(problem, key="PRESSRUN_ENVIRONMENT", value=shown_value(named)) for problem in error.problems]
        raise ConfigError(told) from None


def load_taxonomy(pipeline: Pipeline) -> Taxonomy:
    """The taxonomy that the pipeline names."""
    return load_taxonomy_file(pipeline.label.taxonomy)


def load_taxonomy_file(path: str | Path) -> Taxonomy:
    """A taxonomy by its path; relative paths as in `resolve_path`."""
    return _parse(Taxonomy, read_document(resolve_path(path)))


def pipeline_files() -> list[Path]:
    """All pipeline files of the config folder, by name."""
    return sorted((config_folder() / "pipelines").glob("*.yaml"))


def _parse(model: type[M], document: Document, *, data: Any = None) -> M:
    given = document.data if data is None else data
    if not isinstance(given, dict):
        value = "empty" if given is None else shown_value(given)
        raise ConfigError([Problem(file=document.file, reason=f"is {value}; it must be a mapping of keys")])
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ConfigError(explain(error, document, model)) from None


def _expand(value: Any, path: Path_, known: dict[str, str], document: Document, problems: list[Problem]) -> Any:
    if isinstance(value, dict):
        return {key: _expand(item, (*path, key), known, document, problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, (*path, i), known, document, problems) for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if known.get(name) or default is not None:
            return known.get(name) or default
        problems.append(_unset(name, path, value, document))
        return ""

    text = value
    for _ in range(_MAX_NESTING):
        text = _VARIABLE.sub(replaced, text)
    return text


def _named(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it with the key that it stands under."""
    if isinstance(value, dict):
        yield from (pair for key, item in value.items() for pair in _named(item, key))
    elif isinstance(value, list):
        yield from (pair for item in value for pair in _named(item, name))
    elif isinstance(value, str):
        yield name, value


def _unset(name: str, path: Path_, value: str, document: Document) -> Problem:
    return Problem(
        file=document.file,
        line=document.line(path),
        key=dotted(path),
        value=shown_value(value),
        reason=f"the environment variable {name} is not set; set it or write ${{{name}:-default}}",
    )
