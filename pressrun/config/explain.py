"""Turns what pydantic found wrong into problems with a line, a key, a reason and a near miss."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pressrun.config.document import Document, Path_, dotted
from pressrun.config.problems import Problem, shown_value

_BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_BOUND_WORDS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping of keys",
    "model": "a mapping of keys",
    "path": "a path",
}
_UNION_TAG = ("union_tag_invalid", "union_tag_not_found")
_TYPE_ENDINGS = ("_type", "_parsing", "_from_float", "_attributes_type")
_PATTERNS = {
    ":": "your own code is named as package.module:Name",
    "a-z": "it is lower-case letters, digits and _, a letter first, 40 at the most",
}


def explain(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """All problems, in the order of the file. A union's many errors about one value become one."""
    details = [(_path(detail, document), detail) for detail in error.errors(include_url=False)]
    paths = [path for path, _ in details]
    kept: dict[Path_, list[ErrorDetails]] = {}
    for path, detail in details:
        if not _says_no_more_than_a_deeper_one(path, detail, document, paths):
            kept.setdefault(path, []).append(detail)
    problems = [_problem(path, found, document, model) for path, found in kept.items()]
    return sorted(problems, key=lambda problem: problem.line or 0)


def wrong_at(*path: str | int, reason: str) -> PydanticCustomError:
    """What a validator of a whole section raises about the value at `path` in it."""
    return PydanticCustomError("wrong_at", "{reason}", {"reason": reason, "at": path})


def near_miss(given: object, allowed: Iterable[str]) -> str | None:
    """The allowed word that `given` was probably meant to be."""
    words = {word.lower(): word for word in allowed}
    found = get_close_matches(str(given).lower(), list(words), n=1, cutoff=0.6)
    return words[found[0]] if found else None


def models_at(model: type[BaseModel], path: Path_) -> list[type[BaseModel]]:
    """The sections that may stand at `path` below `model`."""
    models = [model]
    for part in path:
        if isinstance(part, str):
            fields = [m.model_fields[part].annotation for m in models if part in m.model_fields]
            models = [found for annotation in fields for found in _models_in(annotation)]
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _path(detail: ErrorDetails, document: Document) -> Path_:
    """Where in the file: pydantic's location without the names of union branches."""
    path: Path_ = ()
    context = detail.get("ctx", {})
    # A union is told apart by one of its keys, and an error about that is pydantic's about the whole.
    named = (str(context["discriminator"]).strip("'"),) if detail["type"] in _UNION_TAG else ()
    parts = (*detail["loc"], *context.get("at", ()), *named)
    for i, part in enumerate(parts):
        here = document.at(path)
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        in_mapping = isinstance(here, Mapping) and part in here
        absent = detail["type"] in ("missing", "wrong_at", *_UNION_TAG) and i == len(parts) - 1
        if in_list or in_mapping or absent:
            path = (*path, part)
    return path


def _says_no_more_than_a_deeper_one(path: Path_, detail: ErrorDetails, document: Document, paths: list[Path_]) -> bool:
    wrong_branch = detail["type"] == "literal_error" or detail["type"].endswith("_type")
    is_container = isinstance(document.at(path), dict | list)
    return wrong_branch and is_container and any(len(p) > len(path) and p[: len(path)] == path for p in paths)


def _problem(path: Path_, details: Sequence[ErrorDetails], document: Document, model: type[BaseModel]) -> Problem:
    given = document.at(path)
    detail = next((d for d in details if d["type"] == "literal_error"), details[0])
    about_the_whole = path not in document.lines or (detail["type"] == "value_error" and isinstance(given, dict))
    wanted = list(dict.fromkeys(filter(None, map(_wanted_type, details))))
    reason, suggestion = _reason(path, detail, document, model)
    if _wanted_type(detail):
        reason, suggestion = _wrong_type(wanted, given, optional=_may_be_left_out(path, model))
    return Problem(
        file=document.file,
        line=document.line(path),
        key=dotted(path),
        value=None if about_the_whole else shown_value(given),
        reason=reason,
        suggestion=suggestion,
    )


def _wanted_type(detail: ErrorDetails) -> str | None:
    kind = detail["type"]
    return _TYPES.get(kind.split("_")[0]) if kind.endswith(_TYPE_ENDINGS) else None


def _wrong_type(wanted: Sequence[str], given: object, *, optional: bool) -> tuple[str, str | None]:
    reason = f"it must be {' or '.join(wanted)}"
    if given is None:
        return reason + ("; without the key its default holds" if optional else ""), None
    scalar = isinstance(given, str | int | float)
    if wanted == ["text"] and scalar:
        return f"{reason}: put it in quotes", None
    return reason, f"[{given}]" if "a list" in wanted and scalar else None


def _may_be_left_out(path: Path_, model: type[BaseModel]) -> bool:
    fields = [m.model_fields.get(str(path[-1])) for m in models_at(model, path[:-1])] if path else []
    return any(fields) and not any(field.is_required() for field in fields if field)


def _reason(path: Path_, detail: ErrorDetails, document: Document, model: type[BaseModel]) -> tuple[str, str | None]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return _missing(path, document, model)
    if kind == "extra_forbidden":
        return _unknown_key(path, document, model)
    if kind == "union_tag_not_found":
        return _missing(path, document, model)
    if kind == "union_tag_invalid":
        return _not_one_of(detail, str(context["expected_tags"]), given=context["tag"])
    if kind == "literal_error":
        return _not_one_of(detail, str(context["expected"]))
    if kind in _BOUNDS:
        bound = _BOUNDS[kind]
        return f"it must be {_BOUND_WORDS[bound]} {context[bound]}", None
    if kind == "string_pattern_mismatch":
        return _pattern(document.at(path), str(context["pattern"]))
    if kind == "too_short":
        return f"it needs {context['min_length']} entries at least, it has {context['actual_length']}", None
    if kind == "too_long":
        return f"it takes {context['max_length']} entries at most, it has {context['actual_length']}", None
    if kind == "string_too_short":
        return "it must not be empty", None
    text = str(context["error"]) if "error" in context else detail["msg"]
    return _sentence_and_suggestion(text)


def _missing(path: Path_, document: Document, model: type[BaseModel]) -> tuple[str, str | None]:
    given = document.at(path[:-1])
    known = _keys(_meant(models_at(model, path[:-1]), given))
    strangers = [key for key in given if key not in known] if isinstance(given, Mapping) else []
    similar = near_miss(path[-1], strangers)
    return f"is missing; it is required{f' ({similar} was given)' if similar else ''}", None


def _unknown_key(path: Path_, document: Document, model: type[BaseModel]) -> tuple[str, str | None]:
    given = document.at(path[:-1])
    known = _keys(_meant(models_at(model, path[:-1]), given))
    free = [key for key in known if not isinstance(given, Mapping) or key not in given]
    suggestion = near_miss(path[-1], free)
    listing = "" if suggestion else f"; known here: {', '.join(known)}" if known else ""
    return f"there is no such key{listing}", suggestion


def _not_one_of(detail: ErrorDetails, expected: str, *, given: object = None) -> tuple[str, str | None]:
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    if detail["loc"][-1] == "[key]" or len(words) > 1:
        return f"it must be one of {', '.join(words)}", near_miss(given or detail["input"], words)
    return f"it must be {words[0]}", None


def _pattern(given: object, pattern: str) -> tuple[str, str | None]:
    reason = next((words for sign, words in _PATTERNS.items() if sign in pattern), f"it must match {pattern}")
    dotted_name = str(given).rpartition(".")
    meant = f"{dotted_name[0]}:{dotted_name[2]}" if ":" in pattern else re.sub(r"\W+", "_", str(given).lower())
    return reason, meant if re.match(pattern, meant) else None


def _sentence_and_suggestion(text: str) -> tuple[str, str | None]:
    """A validator's own words may end in a question, which is then the suggestion."""
    sentence, _, asked = text.partition(" Did you mean ")
    return sentence[:1].lower() + sentence[1:], asked.rstrip("?") or None


def _meant(models: list[type[BaseModel]], given: object) -> list[type[BaseModel]]:
    """Those of a union's models that what was given may be, by the keys that have listed values only."""
    told = given if isinstance(given, Mapping) else {}
    return [model for model in models if all(told[k] in values for k, values in _tags(model) if k in told)] or models


def _tags(model: type[BaseModel]) -> list[tuple[str, tuple[object, ...]]]:
    fields = model.model_fields.items()
    return [(key, get_args(field.annotation)) for key, field in fields if get_origin(field.annotation) is Literal]


def _keys(models: list[type[BaseModel]]) -> list[str]:
    return list(dict.fromkeys(key for model in models for key in model.model_fields))
