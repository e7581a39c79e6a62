"""A made-up newsroom: stories over nights, and the articles that sources write about them.

Everything follows from the seed. The label is the topic of the story's beat; sentences from bordering topics and
sentences that say little make some articles ambiguous, as real ones are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from pressrun.simulator.words import TOPICS, Beat, Slots, beats, common, emerging, fill

EVEN_MIX: Mapping[str, float] = {topic: 1 / len(TOPICS) for topic in TOPICS}


@dataclass(frozen=True, kw_only=True)
class Shift:
    """From `night` (1 is the first) on, topics come by `mix`, and this share of articles is on unheard-of stories."""

    night: int
    mix: Mapping[str, float] = field(default_factory=lambda: {"World": 3, "Sports": 1, "Business": 1, "Sci/Tech": 1})
    emerging: float = 0.25


@dataclass(frozen=True, kw_only=True)
class Newsroom:
    """What to simulate. `mix` and a shift's mix are weights by topic; shares are between 0 and 1."""

    seed: int = 7
    nights: int = 3
    articles_per_night: int = 2000
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)
    mix: Mapping[str, float] = field(default_factory=lambda: dict(EVEN_MIX))
    shift: Shift | None = None
    rewrites: float = 0.06
    ambiguous: float = 0.3
    articles_per_story: float = 4.0


@dataclass(frozen=True, kw_only=True)
class SimulatedArticle:
    """One made-up article; `label` is its true topic, `story` what it is about."""

    url: str
    published_at: datetime
    source: str
    section: str
    title: str
    body: str
    language: str
    label: str
    story: str
    synthetic: bool = True


@dataclass(frozen=True, kw_only=True)
class _Story:
    name: str
    beat: Beat
    slots: Slots


def articles_of(newsroom: Newsroom, night: int) -> Iterator[SimulatedArticle]:
    """The articles of one night, in the order they were published. Other nights do not change them."""
    random = Random(f"{newsroom.seed}/night/{night}")
    times = sorted(random.random() for _ in range(newsroom.articles_per_night))
    stories = _stories(newsroom, night, random)
    written: list[SimulatedArticle] = []
    for number, moment in enumerate(times):
        at = newsroom.start + timedelta(days=night - 1 + moment)
        place = _Place(night=night, number=number, at=at.replace(microsecond=0))
        if written and random.random() < newsroom.rewrites:
            article = _rewrite(random.choice(written[-200:]), place, random)
        else:
            article = _write(random.choice(stories), place, newsroom, random)
        written.append(article)
        yield article


@dataclass(frozen=True, kw_only=True)
class _Place:
    night: int
    number: int
    at: datetime

    def url(self, source: str, section: str) -> str:
        return f"https://{source}.example/{section}/{self.night:03d}-{self.number:05d}"


def _stories(newsroom: Newsroom, night: int, random: Random) -> list[_Story]:
    shift = newsroom.shift if newsroom.shift and night >= newsroom.shift.night else None
    mix = shift.mix if shift else newsroom.mix
    count = max(8, round(newsroom.articles_per_night / newsroom.articles_per_story))
    topics = random.choices(list(mix), weights=list(mix.values()), k=count)
    unheard = shift.emerging if shift else 0.0
    return [_story(f"n{night}s{i}", topic, unheard, random) for i, topic in enumerate(topics)]


def _story(name: str, topic: str, unheard: float, random: Random) -> _Story:
    beat = random.choice(emerging() if random.random() < unheard else beats(topic))
    slots = {slot: _few(words, random) for slot, words in (common().slots | beat.slots).items()}
    return _Story(name=name, beat=beat, slots=slots)


def _few(words: tuple[str, ...], random: Random) -> tuple[str, ...]:
    # A story keeps to a few of each slot's words: that is what its articles have in common.
    return tuple(random.sample(words, min(2, len(words))))


def _write(story: _Story, place: _Place, newsroom: Newsroom, random: Random) -> SimulatedArticle:
    vague = random.random() < newsroom.ambiguous
    source = random.choices(list(common().sources), weights=list(common().sources.values()))[0]
    section = random.choice(story.beat.sections)
    headlines = common().headlines if vague and random.random() < 0.6 else story.beat.headlines
    return SimulatedArticle(
        url=place.url(source, section),
        published_at=place.at,
        source=source,
        section=section,
        title=fill(random.choice(headlines), story.slots, random),
        body=_attributed(_body(story, vague, random), source, story, random),
        language="en",
        label=story.beat.topic,
        story=story.name,
    )


def _body(story: _Story, vague: bool, random: Random) -> str:
    own = random.sample(story.beat.sentences, 1 if vague else random.randint(1, 3))
    filler = random.sample(common().sentences, random.randint(2, 4) if vague else random.randint(0, 2))
    sentences = [fill(template, story.slots, random) for template in own + filler]
    if random.random() < (0.5 if vague else 0.12):
        sentences.append(_aside(story, random))
    random.shuffle(sentences)
    return " ".join(sentences)


def _aside(story: _Story, random: Random) -> str:
    """A sentence of another topic, most often one that the beat borders on."""
    others = story.beat.overlap or tuple(t for t in TOPICS if t != story.beat.topic)
    beat = random.choice(beats(random.choice(others)))
    return fill(random.choice(beat.sentences), story.slots | beat.slots, random)


def _attributed(body: str, source: str, story: _Story, random: Random) -> str:
    if random.random() < 0.5:
        return body
    style = random.choice(common().attributions).replace("{source}", source.title())
    mark = fill(style, story.slots, random)
    return f"{body} {mark}" if mark.startswith("(") else mark + body


def _rewrite(original: SimulatedArticle, place: _Place, random: Random) -> SimulatedArticle:
    """Another source's copy: a few words changed, a mark in front, sometimes one sentence more."""
    others = [source for source in common().sources if source != original.source]
    source = random.choice(others)
    body = original.body
    for old, new in random.sample(common().rewrites, 2):
        body = body.replace(f" {old} ", f" {new} ", 1)
    title = (random.choice(common().updates) if random.random() < 0.5 else "") + original.title
    return SimulatedArticle(
        url=place.url(source, original.section),
        published_at=place.at,
        source=source,
        section=original.section,
        title=title,
        body=body,
        language=original.language,
        label=original.label,
        story=original.story,
    )
