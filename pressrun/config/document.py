"""YAML that remembers its lines and refuses what a config file has no use for.

Tags, repeated keys and documents that grow beyond `MAX_NODES` through aliases are refused. Scalars follow YAML 1.2's
core schema, so `12:30` and `no` stay text instead of becoming 750 and false.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pressrun.config.problems import ConfigError, Problem, shown_path
from pressrun.config.syntax import syntax_problem

MAX_BYTES = 1_000_000
MAX_NODES = 20_000
MAX_DEPTH = 40

Path_ = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*\.?[0-9]*)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_first))


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain data and, for each path into it, the line where its key stands."""

    file: Path
    data: Any
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """The line of `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def at(self, path: Path_) -> Any:
        """The value at `path`; None where there is none."""
        value = self.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read_document(file: Path) -> Document:
    """Parses `file`. Raises ConfigError for what cannot be read, is no YAML, or is refused here."""
    text = _read(file)
    try:
        _refuse_tags(file, text)
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise ConfigError([syntax_problem(file, text, error)]) from None
    except RecursionError:
        raise ConfigError([Problem(file=file, reason=f"is nested deeper than {MAX_DEPTH} levels")]) from None
    builder = _Builder(file=file, construct=loader.construct_object)
    data = builder.build(node, (), 0) if node is not None else None
    if builder.problems:
        raise ConfigError(builder.problems)
    return Document(file=file, data=data, lines=builder.lines)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError([Problem(file=file, reason=f"is larger than {MAX_BYTES:,} bytes")])
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([Problem(file=file, reason=f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(file=file, reason=f"is no UTF-8 text: {error.reason}")]) from None


def _refuse_tags(file: Path, text: str) -> None:
    problems = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        tag = getattr(event, "tag", None)
        if tag:
            reason = f"the YAML tag {tag.replace(_TAG, '!!')} is refused; write the plain value"
            line = event.start_mark.line + 1 if event.start_mark else None
            problems.append(Problem(file=file, line=line, reason=reason))
    if problems:
        raise ConfigError(problems)


@dataclass(kw_only=True)
class _Builder:
    file: Path
    construct: Callable[..., Any]
    lines: dict[Path_, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def build(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            reason = f"holds more than {MAX_NODES:,} values or {MAX_DEPTH} levels once its aliases are followed"
            raise ConfigError([Problem(file=self.file, line=node.start_mark.line + 1, reason=reason)])
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: Path_) -> Any:
        if node.tag == _TAG + "merge":
            return node.value
        try:
            return self.construct(node)
        except ValueError:
            reason = "a number cannot have so many digits; put a text in quotes"
            problem = Problem(file=self.file, line=node.start_mark.line + 1, key=dotted(path), reason=reason)
            raise ConfigError([problem]) from None

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged.update(self._merge(value_node, path, depth))
                continue
            key, line = self._key(key_node), key_node.start_mark.line + 1
            if key in built:
                self._repeated(path, key, line)
            self.lines[(*path, key)] = line
            built[key] = self.build(value_node, (*path, key), depth + 1)
        return {**merged, **built}

    def _key(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        reason = "a key must be plain text"
        raise ConfigError([Problem(file=self.file, line=node.start_mark.line + 1, reason=reason)])

    def _merge(self, node: yaml.Node, path: Path_, depth: int) -> dict[str, Any]:
        value = self.build(node, (*path, "<<"), depth + 1)
        parts = value if isinstance(value, list) else [value]
        if all(isinstance(part, dict) for part in parts):
            return {key: item for part in reversed(parts) for key, item in part.items()}
        reason = "<< takes a mapping or a list of mappings"
        self.problems.append(Problem(file=self.file, line=node.start_mark.line + 1, reason=reason))
        return {}

    def _repeated(self, path: Path_, key: str, line: int) -> None:
        first = self.lines[(*path, key)]
        reason = f"is given twice, first on line {first} of {shown_path(self.file)}; keep one"
        self.problems.append(Problem(file=self.file, line=line, key=dotted((*path, key)), reason=reason))


def dotted(path: Path_) -> str:
    """`("label", "chain", 0, "model")` → `label.chain[0].model`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
