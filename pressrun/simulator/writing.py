"""Stories over nights, and the articles that sources write about them.

Everything follows from the seed. The label is the topic of the story's beat; sentences from bordering topics and
sentences that say little make some articles ambiguous, as real ones are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from pressrun.simulator.events import Breaking
from pressrun.simulator.newsroom import Newsroom, SimulatedArticle, Written, moved
from pressrun.simulator.spoiling import spoil
from pressrun.simulator.words import TOPICS, Beat, Slots, beats, breaking, common, emerging, fill


@dataclass(frozen=True, kw_only=True)
class _Story:
    name: str
    beat: Beat
    slots: Slots


def articles_of(newsroom: Newsroom, night: int) -> Iterator[SimulatedArticle]:
    """The articles of one night, in the order they were published. Other nights do not change them."""
    return (written.article for written in written_of(newsroom, night))


def written_of(newsroom: Newsroom, night: int) -> Iterator[Written]:
    """The articles of one night with the truth about each."""
    random = Random(f"{newsroom.seed}/night/{night}")
    # Its draws are its own: sources that stay good write what they would have written without it.
    spoiling = Random(f"{newsroom.seed}/spoiling/{night}")
    world, sent = newsroom.world, list[SimulatedArticle]()
    for article in _meant(newsroom, night, random):
        bad = world.bad_source
        spoilt = spoil(article, sent[-200:], bad, spoiling) if bad and night >= bad.night else Written(article=article)
        sent.append(spoilt.article)
        named = _renamed(spoilt.article, world.section(spoilt.article.section, night))
        yield Written(article=named, event=spoilt.event or _breaking_name(article))


def _meant(newsroom: Newsroom, night: int, random: Random) -> Iterator[SimulatedArticle]:
    """The night's articles as they were meant: sections by their old names, and no source gone bad."""
    count = newsroom.world.writing.of(newsroom.articles_per_night, newsroom.day(night))
    times = sorted(newsroom.world.writing.moment(random.random()) for _ in range(count))
    stories, unforeseen = _stories(newsroom, night, random), _unforeseen(newsroom, night)
    written: list[SimulatedArticle] = []
    for number, moment in enumerate(times):
        at = newsroom.start + timedelta(days=night - 1 + moment)
        place = _Place(night=night, number=number, at=at.replace(microsecond=0))
        if written and random.random() < newsroom.rewrites:
            article = _rewrite(random.choice(written[-200:]), place, random)
        else:
            story = _breaks(unforeseen, night, moment, random) if unforeseen else None
            article = _write(story or random.choice(stories), place, newsroom, random)
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
    day, calendar = newsroom.day(night), newsroom.world.calendar
    mix = calendar.mix(shift.mix if shift else newsroom.mix, day)
    count = max(8, round(newsroom.articles_per_night / newsroom.articles_per_story))
    topics = random.choices(list(mix), weights=list(mix.values()), k=count)
    unheard = shift.emerging if shift else 0.0
    return [_story(f"n{night}s{i}", t, unheard, calendar.beat(t, day), random) for i, t in enumerate(topics)]


def _story(name: str, topic: str, unheard: float, seasonal: str | None, random: Random) -> _Story:
    choice = emerging() if random.random() < unheard else beats(topic)
    if seasonal and random.random() < 0.5:
        choice = tuple(beat for beat in choice if beat.name == seasonal) or choice
    return _about(name, random.choice(choice), random)


def _about(name: str, beat: Beat, random: Random) -> _Story:
    slots = {slot: _few(words, random) for slot, words in (common().slots | beat.slots).items()}
    return _Story(name=name, beat=beat, slots=slots)


def _unforeseen(newsroom: Newsroom, night: int) -> list[tuple[Breaking, _Story]]:
    """The breaking stories of a night; a story keeps its words from night to night."""
    return [
        (event, _about(f"breaking-{event.name}", breaking()[event.beat], Random(f"{newsroom.seed}/{event.name}")))
        for event in newsroom.world.breaking
        if event.touches(night)
    ]


def _breaks(unforeseen: Sequence[tuple[Breaking, _Story]], night: int, moment: float, random: Random) -> _Story | None:
    draw = random.random()
    for event, story in unforeseen:
        draw -= event.share_at(night, moment)
        if draw < 0:
            return story
    return None


def _breaking_name(article: SimulatedArticle) -> str:
    return article.story if article.story.startswith("breaking-") else ""


def _renamed(article: SimulatedArticle, section: str) -> SimulatedArticle:
    return article if section == article.section else moved(article, section)


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
