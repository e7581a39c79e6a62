"""What is wrong with a file that is no YAML, in words for whoever wrote it rather than for whoever parses it."""

from __future__ import annotations

from pathlib import Path

import yaml

from pressrun.config.problems import Problem

_TAB = ("'\\t'", "a tab stands here; YAML is indented with spaces")
_HERE = (
    ("cannot start any token", "a text that begins with such a character stands in quotes"),
    ("mapping values are not allowed", "a colon is not expected here; mend the indentation, or put the text in quotes"),
    ("another document", "a file holds one document; remove the line ---"),
    ("<block end>", "this line is indented unlike those around it"),
    ("could not find expected ':'", "a key is followed by a colon and a space"),
)
_OPENED = (
    ("flow sequence", "the [ here is never closed, or something in it is amiss"),
    ("flow mapping", "the { here is never closed, or something in it is amiss"),
    ("quoted scalar", "the quote here is never closed, or something in it is amiss"),
)
"""Told at the place where it was opened: the parser stumbles much later."""


def syntax_problem(file: Path, text: str, error: yaml.YAMLError) -> Problem:
    """The problem with its line, what to do about it, and the parser's own words."""
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    opened = _words(_OPENED, getattr(error, "context", None) or "")
    here = _words((_TAB,) if opened else (_TAB, *_HERE), said)
    remedy = here or opened
    mark = getattr(error, "problem_mark" if here or not opened else "context_mark", None)
    reason = f"{remedy} ({said})" if remedy else said
    return Problem(file=file, line=_line(mark, error, text), reason=f"is no valid YAML: {reason}")


def _words(table: tuple[tuple[str, str], ...], said: str) -> str | None:
    return next((words for sign, words in table if sign in said), None)


def _line(mark: yaml.Mark | None, error: yaml.YAMLError, text: str) -> int | None:
    if mark is not None:
        return int(mark.line) + 1
    position = getattr(error, "position", None)
    return None if position is None else text.count("\n", 0, position) + 1
