"""What a policy is worth: the clicks to expect of it, exactly, for the readers and times of given slates."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from pressrun.simulator.chance import Reals
from pressrun.simulator.clicks import BASE, FRESH, freshness
from pressrun.simulator.newsroom import Newsroom
from pressrun.simulator.pages import Shelf
from pressrun.simulator.population import Readers
from pressrun.simulator.readers import Shown, Slates

# How many chances of attraction are held at once.
_AT_ONCE = 4_000_000


def expected_clicks(newsroom: Newsroom, night: int, shown: Shown, shelf: Shelf, readers: Readers) -> Reals:
    """(policies, s) clicks that each policy was to expect of a slate.

    The sum over all articles and positions of the chance to stand there × to be looked at × to attract.
    """
    page, slates, wave = shown.page, shown.slates, newsroom.world.bots
    examine = np.array(newsroom.world.examined(night)[: page.size])
    # How often an article is looked at, on average.
    seen = np.stack([(page.chance[arm][:, : page.size] @ examine)[level] for arm, level in enumerate(page.level)])
    some, batch = slice(page.first, page.end), max(1, _AT_ONCE // (page.end - page.first))
    starts = range(0, len(slates.number), batch)
    parts = [seen @ _attraction(shelf, readers, slates[at : at + batch], some).T for at in starts]
    return np.asarray(np.where(shown.bot, page.size * wave.click if wave else 0.0, np.concatenate(parts, axis=1)))


def _attraction(shelf: Shelf, readers: Readers, slates: Slates, some: slice) -> Reals:
    """(s, articles) chances of a click by who looks: `clicks.attraction` of all pairs, as one product of matrices."""
    topics, sources = readers.topics[slates.reader], readers.sources[slates.reader]
    own = BASE + shelf.appeal[some] + shelf.pull[some] - shelf.fatigue[some]
    begin = shelf.published[some.stop - 1]
    of_slate = [topics, sources, np.ones((len(topics), 1)), FRESH * freshness(slates.hour - begin)[:, None]]
    of_article = [
        np.eye(topics.shape[1])[shelf.topic[some]],
        np.eye(sources.shape[1])[shelf.source[some]],
        own[:, None],
        # Half-lives multiply: the age at showing is the age at `begin` and the time since.
        freshness(begin - shelf.published[some])[:, None],
    ]
    return np.asarray(expit(np.hstack(of_slate) @ np.hstack(of_article).T))
