"""One thing that was looked at, and how it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "doubt", "bad", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """`area` groups what belongs together; `remedy` says what to do where it is not good.

    With a `doubt` a run may go well; with something `bad` it will not.
    """

    area: str
    what: str
    state: State
    words: str
    remedy: str = ""


def good(area: str, what: str, words: str) -> Found:
    return Found(area=area, what=what, state="good", words=words)


def doubt(area: str, what: str, words: str, *, remedy: str) -> Found:
    return Found(area=area, what=what, state="doubt", words=words, remedy=remedy)


def bad(area: str, what: str, words: str, *, remedy: str) -> Found:
    return Found(area=area, what=what, state="bad", words=words, remedy=remedy)


def skipped(area: str, what: str, words: str) -> Found:
    return Found(area=area, what=what, state="skipped", words=words)
