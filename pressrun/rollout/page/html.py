"""HTML by elements, so that nothing gets into a page unescaped: what is not `Html` already is text."""

from __future__ import annotations

import re
from html import escape

_EMPTY = frozenset({"meta", "line", "rect", "polyline", "polygon", "circle"})
# Control characters and those that turn the reading direction could make a line say what it does not.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Html(str):
    """Markup that `element` has made."""

    __slots__ = ()


def element(tag: str, /, *inside: str | None, **attributes: object) -> Html:
    """`<tag attribute="...">inside</tag>`. Inside is escaped unless it is Html; a None is left out.

    `class_` is class, an underscore in other names a hyphen; floats get three digits.
    """
    opened = "".join(f' {_named(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    if tag in _EMPTY:
        return Html(f"<{tag}{opened}>" if tag == "meta" else f"<{tag}{opened}/>")
    return Html(f"<{tag}{opened}>{joined(*inside)}</{tag}>")


def joined(*inside: str | None) -> Html:
    """The pieces one after the other, escaped unless they are Html."""
    return Html("".join(part if isinstance(part, Html) else _text(part) for part in inside if part is not None))


def table(head: tuple[str, ...], rows: list[Html]) -> Html:
    """A table that scrolls by itself where the window is narrow."""
    titles = element("tr", *(element("th", title) for title in head))
    return element("div", element("table", titles, *rows), class_="wide")


def _text(text: str) -> str:
    return escape(_UNSEEN.sub("\ufffd", text))


def _named(key: str) -> str:
    return "class" if key == "class_" else key.replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else _text(str(value))
