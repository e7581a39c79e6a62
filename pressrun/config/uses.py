"""The user's own code, named as `package.module:Name`: found, held against its protocol, made.

A protocol with `__call__` takes a function, or a class whose instances are called. Any other takes a class. A class is
made with what the protocol's docstring says, and with `options` from the pipeline file.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pressrun.config.document import Path_
from pressrun.config.explain import near_miss
from pressrun.config.problems import ConfigError, Problem

Given = Mapping[str, object]
_TYPING = ("builtins", "typing", "typing_extensions", "abc")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong at a path of a pipeline file."""

    path: Path_
    reason: str
    suggestion: str | None = None


def resolve_uses(uses: str) -> Any:
    """Imports `package.module:Name`. Raises ConfigError when it is not there."""
    module_name, _, name = uses.partition(":")
    try:
        module = import_module(module_name)
    except ImportError as error:
        remedy = "install it, or put its folder on PYTHONPATH"
        raise _error(uses, f"{module_name} cannot be imported ({error}); {remedy}") from error
    except Exception as error:
        reason = f"{module_name} fails when it is imported ({type(error).__name__}: {error}); mend it"
        raise _error(uses, reason) from error
    if not hasattr(module, name):
        raise _error(uses, f"{module_name} has no {name}", near_miss(name, vars(module)))
    return getattr(module, name)


def make_uses(uses: str, protocol: type, options: Given | None = None, **given: object) -> Any:
    """What `uses` names, made with `given` and `options` where it is a class.

    Raises ConfigError when it is not there or breaks its protocol.
    """
    found = resolve_uses(uses)
    for finding in misfits(found, protocol, options or {}, **given):
        raise _error(uses, finding.reason, finding.suggestion)
    return made(found, options, **given)


def made(found: Any, options: Given | None = None, **given: object) -> Any:
    """An instance of a class; anything else as it is."""
    return found(**given, **(options or {})) if isinstance(found, type) else found


def assert_made(found: Any, protocol: type, options: Given | None = None, **given: object) -> Any:
    """What `make_uses` makes, for conformance tests. Raises AssertionError that says how `found` breaks `protocol`."""
    for finding in misfits(found, protocol, options or {}, **given):
        raise AssertionError(f"{finding.reason} ({protocol.__module__}:{protocol.__name__})")
    return made(found, options, **given)


def check_uses(path: Path_, uses: str, options: Given, protocol: type, **given: object) -> Iterator[Finding]:
    """What is wrong with the code that `path` names by its keys `uses` and `options`; makes and runs nothing of it."""
    try:
        found = resolve_uses(uses)
    except ConfigError as error:
        yield from (Finding(path=(*path, "uses"), reason=p.reason, suggestion=p.suggestion) for p in error.problems)
        return
    yield from below(path, misfits(found, protocol, options, **given))


def below(path: Path_, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings with their paths below `path`."""
    for finding in findings:
        yield Finding(path=(*path, *finding.path), reason=finding.reason, suggestion=finding.suggestion)


def misfits(found: Any, protocol: type, options: Given, **given: object) -> Iterator[Finding]:
    """The first reason why `found` cannot be used as a `protocol`, if there is one; nothing of it is run."""
    members = _members(protocol)
    reason = _kind(found, members) or _lacks(found, protocol, members) or _calls(found, members)
    if reason:
        yield Finding(path=("uses",), reason=reason)
    else:
        yield from wrong_options(found, options, **given)


def wrong_options(found: Any, options: Given, **given: object) -> Iterator[Finding]:
    """The first reason why `found` cannot be made with these options, if there is one."""
    name = getattr(found, "__name__", type(found).__name__)
    if not isinstance(found, type):
        if options:
            yield Finding(path=("options",), reason=f"{name} is a function and takes no options; write it as a class")
        return
    signature = _signature(found)
    if signature is None:
        return
    known = signature.parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    strangers = [] if takes_any else [key for key in (*options, *given) if key not in known]
    missing = [p.name for p in known.values() if _needed(p) and p.name not in {*options, *given}]
    if strangers:
        yield _stranger(name, strangers[0], options, [key for key in known if key not in given])
    elif missing:
        yield Finding(path=("options",), reason=f"{name} needs {', '.join(missing)}; add it to options")


def _stranger(name: str, key: str, options: Given, known: list[str]) -> Finding:
    if key in options:
        listing = f"; it takes {', '.join(known)}" if known else "; it takes none"
        return Finding(
            path=("options", key), reason=f"{name} takes no {key}{listing}", suggestion=near_miss(key, known)
        )
    return Finding(path=("uses",), reason=f"{name} takes no {key}, which Pressrun makes it with")


def _kind(found: Any, members: Mapping[str, Any]) -> str | None:
    if isinstance(found, type) or ("__call__" in members and callable(found)):
        return None
    wanted = "a function or a class" if "__call__" in members else "a class"
    return f"it is a {type(found).__name__}; name {wanted}"


def _lacks(found: Any, protocol: type, members: Mapping[str, Any]) -> str | None:
    if not isinstance(found, type):
        return None
    missing = [name for name, value in members.items() if not _offers(found, protocol, name, value)]
    if missing:
        return f"it lacks {', '.join(missing)} of {protocol.__module__}:{protocol.__name__}"
    unfinished = sorted(getattr(found, "__abstractmethods__", ()))
    return f"it leaves {', '.join(unfinished)} abstract" if unfinished else None


def _offers(found: type, protocol: type, name: str, wanted: Any) -> bool:
    own = [c for c in found.__mro__ if c is not protocol and c.__module__ not in _TYPING]
    if any(name in vars(c) for c in own):
        return True
    # What is no method may be given to each instance alone: a field, or set when it is made.
    return isinstance(wanted, property) and any(
        name in vars(c).get("__annotations__", {})
        or "__getattr__" in vars(c)
        or name in getattr(getattr(vars(c).get("__init__"), "__code__", None), "co_names", ())
        for c in own
    )


def _calls(found: Any, members: Mapping[str, Any]) -> str | None:
    for name, wanted in members.items():
        reason = None if isinstance(wanted, property) else _call(found, name, inspect.signature(wanted))
        if reason:
            return reason
    return None


def _call(found: Any, name: str, wanted: inspect.Signature) -> str | None:
    """Whether it takes what Pressrun gives: positional by place, keyword-only by name."""
    is_class = isinstance(found, type)
    offered = _signature(getattr(found, name) if is_class else found)
    if offered is None:
        return None
    parameters = list(wanted.parameters.values())[1:]
    bound = not is_class or isinstance(inspect.getattr_static(found, name), staticmethod | classmethod)
    places = ([] if bound else [None]) + [None for p in parameters if p.kind is not p.KEYWORD_ONLY]
    try:
        offered.bind(*places, **{p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY})
    except TypeError as error:
        call = f"{'' if name == '__call__' else name}{_plain(parameters)}"
        return f"{call} is what Pressrun calls, but {found.__name__}{_whose(name, is_class)} says: {error}"
    return None


def _whose(name: str, is_class: bool) -> str:
    return f"'s {name}" if is_class else ""


def _plain(parameters: list[inspect.Parameter]) -> str:
    bare = [p.replace(annotation=p.empty, default=p.empty) for p in parameters]
    return str(inspect.Signature(bare))


def _signature(found: Any) -> inspect.Signature | None:
    """None for what is not written in Python and tells nothing."""
    try:
        return inspect.signature(found)
    except (TypeError, ValueError):
        return None


def _needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _members(protocol: type) -> dict[str, Any]:
    """The methods and properties that a protocol asks for, `__call__` among them."""
    classes = [c for c in protocol.__mro__ if c.__module__ not in _TYPING]
    found = {name: value for c in classes for name, value in vars(c).items()}
    kinds = {name: value for name, value in found.items() if inspect.isfunction(value) or isinstance(value, property)}
    return {name: value for name, value in kinds.items() if not name.startswith("_") or name == "__call__"}


def _error(uses: str, reason: str, suggestion: str | None = None) -> ConfigError:
    return ConfigError([Problem(key="uses", value=uses, reason=reason, suggestion=suggestion)])
