"""The lines of a text file, whatever is in it: none is longer than a limit, and each knows its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line with its end; `cut` says that it was longer than the limit and is here by its beginning."""

    number: int
    raw: bytes
    cut: bool = False

    @property
    def text(self) -> str:
        """Undecodable bytes become lone surrogates: `decodable` finds them in whatever was made of the text."""
        return self.raw.decode("utf-8", "surrogateescape")


def decodable(text: str) -> bool:
    return text.isascii() or not _SURROGATE.search(text)


def lines_of(file: Path, *, limit: int) -> Iterator[Line]:
    """The file's lines, a leading byte-order mark left out. Raises UnicodeError for UTF-16."""
    with file.open("rb") as opened:
        start = opened.read(3)
        if start[:2] in _UTF16:
            raise UnicodeError("the file is UTF-16; save it as UTF-8")
        opened.seek(3 if start == b"\xef\xbb\xbf" else 0)
        number = 0
        while raw := opened.readline(limit):
            number += 1
            cut = len(raw) == limit and not raw.endswith(b"\n")
            if cut:
                _skip_line(opened, limit)
            yield Line(number=number, raw=raw, cut=cut)


def _skip_line(opened: BinaryIO, limit: int) -> None:
    while (rest := opened.readline(limit)) and not rest.endswith(b"\n"):
        pass
