"""What is wrong with a file that a user wrote, told so that they can mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pressrun.config.redact import redacted


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake. `line` counts from 1; `value` is what was given, as text, None when nothing was."""

    file: Path | None = None
    line: int | None = None
    key: str = ""
    value: str | None = None
    reason: str
    suggestion: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file and shown_path(self.file), self.line) if part)
        remedy = f" Did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{place + ': ' if place else ''}{self._given()}{self.reason.rstrip('.')}.{remedy}"

    def _given(self) -> str:
        if self.value is not None:
            return f"{self.key} is {self.value}; "
        # "label is missing", but "label: name either ..."
        return self.key + (" " if self.reason.startswith("is ") else ": ") if self.key else ""


class ConfigError(Exception):
    """A config file cannot be used; `problems` lists all that is wrong. A retry without an edit does not help."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def shown_path(path: Path) -> str:
    """The path relative to the working folder where it lies below it, for short messages."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def shown_value(value: object) -> str:
    """The value as one short line of YAML-like text, without a password that may stand in it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = redacted(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 60 else text[:57] + "..."
