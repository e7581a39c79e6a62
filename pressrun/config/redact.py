"""Takes secrets out of what people and services are shown: addresses, and the text of errors.

Errors are written by libraries and servers, which put into them what they were given: a whole address, a header, a key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, unquote

MASK = "***"
SECRET_NAMES = ("TOKEN", "SECRET", "PASSWORD", "KEY")
_SHORTEST = 6  # a shorter value would blot out ordinary words
_USERINFO = r"(?P<scheme>\b[A-Za-z][\w+.-]{0,30}://)(?P<userinfo>[^\s/?#\"'<>]+)@"
_ADDRESS = re.compile(_USERINFO)
# A stranger' text must not take long: no pattern here begins with a run of any length.
_NAMED = re.compile(
    r"(?i)(?P<name>(?:password|passwd|secret|token|api_?key|access_?key|secret_?key)['\"]?"
    r"\s*(?:=|(?<=['\"]):)\s*['\"]?)[^\s\"',;&})\]]+"
)
_HEADER = re.compile(r"(?i)(?P<name>\bauthorization['\"]?\s*[:=]\s*['\"]?)(?:[A-Za-z]+ )?[^\s\"',]+")
_SHAPES = re.compile(
    r"\bxox[a-z](?:\.xox[a-z])?-[\w-]+|\bxapp-[\w-]+|https://hooks\.slack\.com/[^\s\"'<>]+"  # Slack
    r"|\bsk-[\w-]{16,}"  # OpenAI, Anthropic and their like
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
)

# Not every secret of an environment file comes from the process's environment.
_remembered: set[str] = set()


def without_userinfo(url: str) -> str:
    """The address without user and password: what a link or a message may show."""
    found = _ADDRESS.match(url)
    return f"{found['scheme']}{url[found.end() :]}" if found else url


def redacted(text: str) -> str:
    """The text with secrets as `***`.

    Those are: the user part of addresses, tokens by their form (Slack's, `sk-…`, AWS's), what a name such as
    `password=` is followed by, and the values of `secret_values`, plain or percent-encoded.
    """
    for value in sorted(secret_values(), key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _SHAPES.sub(MASK, _ADDRESS.sub(rf"\g<scheme>{MASK}@", text))
    return _NAMED.sub(rf"\g<name>{MASK}", _HEADER.sub(rf"\g<name>{MASK}", text))


def secret_values() -> set[str]:
    """Secrets of this process's environment and of config files that were read, of six characters and more.

    Values whose names end in TOKEN, SECRET, PASSWORD or KEY, and passwords in other values' addresses; each plain and
    percent-encoded.
    """
    return {*_spelt(tuple(os.environ.items())), *_remembered}


def remember_secrets(named: Iterable[tuple[str, str]]) -> None:
    """Adds a config file's values, by their keys, to what `redacted` knows."""
    _remembered.update(_spelt(tuple(named)))


# Texts are redacted by the thousand, and an environment hardly ever changes.
@lru_cache(maxsize=64)
def _spelt(named: tuple[tuple[str, str], ...]) -> frozenset[str]:
    long_enough = {value for value in _values(named) if len(value) >= _SHORTEST}
    return frozenset(spelt for value in long_enough for spelt in (value, quote(value, safe="")))


def _values(named: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in named:
        if name.upper().endswith(SECRET_NAMES):
            yield value
        for found in _ADDRESS.finditer(value):
            password = found["userinfo"].partition(":")[2]
            yield from (password, unquote(password))
