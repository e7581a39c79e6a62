"""The made-up newsroom: the same from the same seed, and marked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from pressrun.simulator import TOPICS, Newsroom, Shift, articles_of, simulate

SMALL = Newsroom(seed=5, nights=2, articles_per_night=200)


def test_a_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = (simulate(SMALL, out=tmp_path / name) for name in ("one", "other"))
    assert [night.articles.read_bytes() for night in one] == [night.articles.read_bytes() for night in other]
    assert one[0].articles.read_bytes() != one[1].articles.read_bytes()


def test_everything_is_marked_synthetic(tmp_path: Path) -> None:
    night = simulate(SMALL, out=tmp_path)[0]
    assert all(json.loads(line)["synthetic"] for line in night.articles.read_text().splitlines())
    assert pq.read_table(night.impressions)["synthetic"].unique().to_pylist() == [True]


def test_articles_are_in_order_with_every_topic_source_and_section() -> None:
    articles = list(articles_of(SMALL, 1))
    assert [a.published_at for a in articles] == sorted(a.published_at for a in articles)
    assert {a.label for a in articles} == set(TOPICS)
    assert len({a.url for a in articles}) == 200
    assert len({a.source for a in articles}) > 3


def test_some_articles_are_rewrites_of_others() -> None:
    sources_by_story: dict[str, set[str]] = {}
    for article in articles_of(SMALL, 1):
        sources_by_story.setdefault(article.story, set()).add(article.source)
    assert any(len(sources) > 1 for sources in sources_by_story.values())


def test_a_shift_changes_the_mix_from_its_night_on_and_brings_new_words() -> None:
    shifted = replace(SMALL, shift=Shift(night=2))
    before, after = list(articles_of(shifted, 1)), list(articles_of(shifted, 2))
    assert Counter(a.label for a in after)["World"] > 1.3 * Counter(a.label for a in before)["World"]
    assert not any("Veltris" in a.body for a in before)
    assert any("Veltris" in a.body for a in after)
    assert before == list(articles_of(SMALL, 1))
