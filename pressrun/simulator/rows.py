"""What was shown as rows: for Pressrun to read, and the truth for whoever judges it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pressrun.simulator.chance import Reals
from pressrun.simulator.newsroom import Newsroom, Written
from pressrun.simulator.pages import Shelf
from pressrun.simulator.policy import POLICIES
from pressrun.simulator.population import Readers, names
from pressrun.simulator.readers import Shown, Slates
from pressrun.simulator.values import expected_clicks

TIME = pa.timestamp("us", tz="UTC")
TEXT, REAL, INT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_CHOICES = [(f"propensity_{policy.arm}", REAL) for policy in POLICIES]
_TERMS = ("taste_topic", "taste_source", "freshness", "appeal", "pull", "fatigue")
IMPRESSION = pa.schema(
    {
        "impression_id": TEXT,
        "slate_id": TEXT,
        "reader_id": TEXT,
        "shown_at": TIME,
        "url": TEXT,
        "position": INT,
        "propensity": REAL,
        "arm": TEXT,
        "clicked": FLAG,
        "dwell_seconds": REAL,
        "model_version": TEXT,
        "synthetic": FLAG,
    }
)
TRUTH = pa.schema(
    [
        *((name, TEXT) for name in ("impression_id", "slate_id")),
        *((name, REAL) for name in ("p_examine", "p_attract", "p_click")),
        ("is_bot", FLAG),
        ("propensity_given_above", REAL),
        *_CHOICES,
        *((name, REAL) for name in _TERMS),
        ("synthetic", FLAG),
    ]
)
SLATE = pa.schema(
    [
        *((name, TEXT) for name in ("slate_id", "reader_id")),
        ("first_night", INT),
        ("arm", TEXT),
        ("is_bot", FLAG),
        *((f"expected_clicks_{policy.arm}", REAL) for policy in POLICIES),
        ("synthetic", FLAG),
    ]
)
ARTICLE = pa.schema(
    [
        *((name, TEXT) for name in ("url", "topic", "story", "event")),
        ("appeal", REAL),
        ("pull", REAL),
        ("synthetic", FLAG),
    ]
)


def impressions(newsroom: Newsroom, night: int, shown: Shown, shelf: Shelf, readers: Readers) -> pa.Table:
    """A row an article shown, as a site logs it; `propensity` is the chance of that article at that position."""
    slates, size = shown.slates, shown.page.size
    slate, position = _slates(night, slates, size), _flat(np.broadcast_to(np.arange(size), shown.article.shape))
    clicked = _flat(shown.clicked)
    arms, versions = pa.array([p.arm for p in POLICIES]), pa.array([p.version for p in POLICIES])
    arm = np.repeat(shown.treated, size).astype(np.int64)
    return pa.table(
        {
            "impression_id": pc.binary_join_element_wise(slate, pc.cast(position, pa.string()), "-"),
            "slate_id": slate,
            "reader_id": _readers(newsroom, readers, slates).take(_each(slates, size)),
            "shown_at": _times(newsroom, slates.hour).take(_each(slates, size)),
            "url": _urls(shelf, shown),
            "position": position,
            "propensity": _flat(shown.propensity),
            "arm": arms.take(pa.array(arm)),
            "clicked": clicked,
            "dwell_seconds": pc.if_else(clicked, _flat(np.round(shown.dwell, 1)), None),
            "model_version": versions.take(pa.array(arm)),
            "synthetic": pa.repeat(True, len(arm)),
        }
    )


def truth_of(night: int, shown: Shown) -> pa.Table:
    """A row an article shown: the chances its click came from, and the terms that those came from, in log-odds."""
    slates, size, terms = shown.slates, shown.page.size, shown.terms
    slate, position = _slates(night, slates, size), _flat(np.broadcast_to(np.arange(size), shown.article.shape))
    chances = {f"propensity_{p.arm}": _flat(shown.chance[arm]) for arm, p in enumerate(POLICIES)}
    columns = {
        "impression_id": pc.binary_join_element_wise(slate, pc.cast(position, pa.string()), "-"),
        "slate_id": slate,
        "p_examine": _flat(shown.examine),
        "p_attract": _flat(shown.attract),
        "p_click": _flat(shown.examine * shown.attract),
        "is_bot": pa.array(np.repeat(shown.bot, size)),
        "propensity_given_above": _flat(shown.above),
        **chances,
        **{name: _flat(getattr(terms, name)) for name in _TERMS},
    }
    return pa.table(columns | {"synthetic": pa.repeat(True, len(position))})


def slate_truth(newsroom: Newsroom, night: int, shown: Shown, shelf: Shelf, readers: Readers) -> pa.Table:
    """A row a slate: who saw it, and how many clicks each policy was to expect of that reader at that time."""
    slates = shown.slates
    expected = expected_clicks(newsroom, night, shown, shelf, readers)
    return pa.table(
        {
            "slate_id": _slates(night, slates, 1),
            "reader_id": _readers(newsroom, readers, slates),
            "first_night": readers.first[slates.reader],
            "arm": pa.array([POLICIES[int(treated)].arm for treated in shown.treated]),
            "is_bot": shown.bot,
            **{f"expected_clicks_{p.arm}": expected[arm] for arm, p in enumerate(POLICIES)},
            "synthetic": pa.repeat(True, len(shown.bot)),
        }
    )


def article_truth(written: Sequence[Written], shelf: Shelf) -> pa.Table:
    """A row an article: its topic and story, what happened to it, and how appealing it is."""
    return pa.table(
        {
            "url": [one.article.url for one in written],
            "topic": [one.article.label for one in written],
            "story": [one.article.story for one in written],
            "event": pa.array([one.event or None for one in written], pa.string()),
            "appeal": shelf.appeal,
            "pull": shelf.pull,
            "synthetic": pa.repeat(True, len(written)),
        }
    )


def _flat(values: NDArray[Any]) -> pa.Array:
    return pa.array(np.ascontiguousarray(values).reshape(-1))


def _each(slates: Slates, size: int) -> pa.Array:
    return pa.array(np.repeat(np.arange(len(slates.number)), size))


def _slates(night: int, slates: Slates, size: int) -> pa.Array:
    return pa.array([f"n{night}-{number:06d}" for number in slates.number.tolist()]).take(_each(slates, size))


def _readers(newsroom: Newsroom, readers: Readers, slates: Slates) -> pa.Array:
    return pa.array(names(newsroom, readers.number[slates.reader]))


def _times(newsroom: Newsroom, hours: Reals) -> pa.Array:
    start = round(newsroom.start.timestamp() * 1_000_000)
    return pa.array(start + (hours * 3_600_000_000).astype(np.int64)).cast(TIME)


def _urls(shelf: Shelf, shown: Shown) -> pa.Array:
    places, inverse = np.unique(shown.article, return_inverse=True)
    return pa.array([shelf.url[place] for place in places.tolist()]).take(pa.array(inverse.reshape(-1)))
