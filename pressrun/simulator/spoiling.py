"""What a source that has gone bad makes of its articles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from pressrun.simulator.events import BadSource
from pressrun.simulator.newsroom import SimulatedArticle, Written, moved
from pressrun.simulator.words import TOPICS, bait, beats, common, fill

WRONG_SECTION, COPIED, CLICKBAIT = "wrong_section", "copied", "clickbait"


def spoil(article: SimulatedArticle, earlier: Sequence[SimulatedArticle], bad: BadSource, random: Random) -> Written:
    """The article as `bad` lets it out, and what is wrong with it; another source's as it is."""
    if article.source != bad.source:
        return Written(article=article)
    fault = random.choices(
        (WRONG_SECTION, COPIED, CLICKBAIT, ""),
        weights=(bad.wrong_section, bad.copied, bad.clickbait, 1 - bad.wrong_section - bad.copied - bad.clickbait),
    )[0]
    if fault == WRONG_SECTION:
        return Written(article=moved(article, _foreign(article, random)), event=fault)
    if fault == CLICKBAIT:
        return Written(article=replace(article, title=fill(random.choice(bait()), common().slots, random)), event=fault)
    others = [one for one in earlier if one.source != bad.source]
    return _copied(article, random.choice(others)) if fault and others else Written(article=article)


def _foreign(article: SimulatedArticle, random: Random) -> str:
    """A section that only other topics have; its own title and text stay."""
    own = {section for beat in beats(article.label) for section in beat.sections}
    sections = {s for topic in TOPICS for beat in beats(topic) for s in beat.sections}
    return random.choice(sorted(sections - own))


def _copied(article: SimulatedArticle, original: SimulatedArticle) -> Written:
    """Another's text to the letter, under the source's own address and time."""
    copy = replace(article, title=original.title, body=original.body, label=original.label, story=original.story)
    return Written(article=moved(copy, original.section), event=COPIED)
