"""The newsroom's words: topics, their beats with slots and templates, and what all topics share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

TOPICS = ("World", "Sports", "Business", "Sci/Tech")
_FILES = {"World": "world", "Sports": "sports", "Business": "business", "Sci/Tech": "sci_tech"}
_SLOT = re.compile(r"\{(\w+)\}")

Slots = dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a story can be about: its words by slot, its templates, and the topics it borders on."""

    name: str
    topic: str
    sections: tuple[str, ...]
    slots: Slots
    headlines: tuple[str, ...]
    sentences: tuple[str, ...]
    overlap: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Common:
    """Words and templates that every topic shares, and how copies of an article are reworded."""

    slots: Slots
    headlines: tuple[str, ...]
    sentences: tuple[str, ...]
    updates: tuple[str, ...]
    rewrites: tuple[tuple[str, str], ...]
    attributions: tuple[str, ...]
    sources: dict[str, int]


def fill(template: str, slots: Slots, random: Random) -> str:
    """The template with each {slot} replaced by one of its words, which may hold slots themselves."""
    while match := _SLOT.search(template):
        word = random.choice(slots[match[1]])
        template = template[: match.start()] + word + template[match.end() :]
    return template[:1].upper() + template[1:]


@cache
def common() -> Common:
    raw = _load("common")
    return Common(
        slots=_slots(raw["slots"]),
        headlines=tuple(raw["headlines"]),
        sentences=tuple(raw["sentences"]),
        updates=tuple(raw["updates"]),
        rewrites=tuple((old, new) for old, new in raw["rewrites"]),
        attributions=tuple(raw["attributions"]),
        sources=raw["sources"],
    )


@cache
def beats(topic: str) -> tuple[Beat, ...]:
    """The usual beats of a topic."""
    return _beats(_FILES[topic])


@cache
def emerging() -> tuple[Beat, ...]:
    """Beats that no night knows before a `Shift` brings them in."""
    return _beats("emerging")


@cache
def breaking() -> dict[str, Beat]:
    """Beats of stories that nobody foresaw, by name."""
    return {beat.name: beat for beat in _beats("breaking")}


@cache
def bait() -> tuple[str, ...]:
    """Titles that promise more than any article holds."""
    return tuple(_load("breaking")["bait"])


def _beats(file: str) -> tuple[Beat, ...]:
    raw = _load(file)
    return tuple(_beat(name, raw, beat) for name, beat in raw["beats"].items())


def _beat(name: str, topic: dict[str, Any], raw: dict[str, Any]) -> Beat:
    return Beat(
        name=name,
        topic=raw.get("topic", topic["topic"]),
        sections=tuple(raw.get("sections", topic["sections"])),
        slots=_slots(raw["slots"]),
        headlines=tuple(raw["headlines"]),
        sentences=tuple(raw["sentences"]),
        overlap=tuple(raw.get("overlap", ())),
    )


def _slots(raw: dict[str, list[str]]) -> Slots:
    return {slot: tuple(words) for slot, words in raw.items()}


def _load(file: str) -> dict[str, Any]:
    text = files("pressrun.simulator").joinpath("vocabulary", f"{file}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=SafeLoader)
    return loaded
