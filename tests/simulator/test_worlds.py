"""Each world does what it says, from its night on and not before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pressrun.simulator import TOPICS, WORLDS, Newsroom, articles_of, world_named
from pressrun.simulator.events import Breaking, Feed
from pressrun.simulator.worlds import World
from pressrun.simulator.writing import written_of
from tests.simulator.conftest import Play

# Topics come by the story; a story an article makes shares exact enough to measure.
BY_ARTICLE = {"rewrites": 0.0, "articles_per_story": 1.0}
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def newsroom(name: str, **settings: object) -> Newsroom:
    world = world_named(name)
    return Newsroom(**{"world": world, "nights": world.nights, "articles_per_night": 200, **settings})


def night_of(day: date) -> int:
    return (day - NEW_YEAR.date()).days + 1


@pytest.mark.parametrize(
    ("day", "topic"),
    [
        (date(2026, 3, 10), "Business"),  # an ordinary Tuesday
        (date(2026, 3, 15), "Sports"),  # an ordinary Sunday
        (date(2026, 7, 4), "Sports"),  # a tournament
        (date(2026, 10, 29), "World"),  # before elections
        (date(2026, 12, 28), "Business"),  # hardly any between the years
    ],
)
def test_topics_have_the_shares_that_the_calendar_states(day: date, topic: str) -> None:
    room = newsroom("seasons", start=NEW_YEAR, articles_per_night=3000, **BY_ARTICLE)
    mix = room.world.calendar.mix(room.mix, day)
    stated = mix[topic] / sum(mix.values())
    labels = [article.label for article in articles_of(room, night_of(day))]
    assert abs(labels.count(topic) / len(labels) - stated) < 4 * np.sqrt(stated * (1 - stated) / len(labels))
    assert abs(stated - 1 / len(TOPICS)) > 0.03


def test_half_of_a_seasons_stories_are_on_its_beat() -> None:
    room = newsroom("seasons", start=NEW_YEAR, articles_per_night=2000, **BY_ARTICLE)
    share = [
        np.mean(
            ["ballot" in a.body or "vote" in a.body for a in articles_of(room, night_of(day)) if a.label == "World"]
        )
        for day in (date(2026, 9, 29), date(2026, 10, 27))
    ]
    assert share[1] > 1.8 * share[0]


def test_weekends_are_thinner_and_nights_quieter() -> None:
    room = newsroom("seasons", start=NEW_YEAR, articles_per_night=1000)
    tuesday, sunday = (list(articles_of(room, night_of(date(2026, 3, day)))) for day in (10, 15))
    assert (len(tuesday), len(sunday)) == (1150, 700)
    hours = np.bincount([article.published_at.hour for article in tuesday], minlength=24)
    assert hours[8:12].sum() > 4 * hours[0:4].sum()


def test_a_breaking_story_takes_its_share_and_loses_half_of_it_each_half_life() -> None:
    event = Breaking(name="quake", night=2, beat="undersea_quake", share=0.6, half_life_hours=6, hour=0)
    world = World(name="one", purpose="", breaking=(event,))
    room = Newsroom(world=world, articles_per_night=4000, **BY_ARTICLE)
    written = list(written_of(room, 2))
    breaks = np.array([one.event == "breaking-quake" for one in written])
    hour = np.array([(one.article.published_at - room.start) / timedelta(hours=1) - 24 for one in written])
    for first in range(0, 24, 4):
        some = (hour >= first) & (hour < first + 4)
        stated = np.mean(0.6 * 0.5 ** (hour[some] / 6))
        assert abs(breaks[some].mean() - stated) < 4 * np.sqrt(stated / some.sum())
    assert not any(one.event for one in written_of(room, 1))


def test_a_breaking_story_has_words_that_nothing_before_had() -> None:
    room = newsroom("breaking")
    event = room.world.breaking[0]
    before, during = ([a.body for a in articles_of(room, night)] for night in (event.night - 1, event.night))
    assert not any("Marenne" in body for body in before)
    assert 0.05 < np.mean(["Marenne" in body for body in during]) < 0.5
    assert before == [a.body for a in articles_of(replace(room, world=world_named("steady")), event.night - 1)]


def test_readers_want_a_breaking_story_until_they_are_tired_of_it(played: Play) -> None:
    event = world_named("breaking").breaking[0]
    world = replace(world_named("breaking"), breaking=(replace(event, night=1, hour=2.0),))
    shown = played(Newsroom(world=world, nights=1, articles_per_night=300)).shown
    assert set(shown.pull) == {0.0, event.pull}
    breaks, new, tired = shown.pull > 0, shown.fatigue < 0.5, shown.fatigue > 1.3
    assert shown[breaks & new].p_attract.mean() > 1.8 * shown[~breaks & new].p_attract.mean()
    assert shown[breaks & tired].p_attract.mean() < 0.8 * shown[breaks & new].p_attract.mean()


def test_a_redesign_renames_sections_and_lengthens_pages(played: Play) -> None:
    world = world_named("redesign")
    world = replace(world, redesign=replace(world.redesign, night=2))
    result = played(Newsroom(world=world, nights=2, articles_per_night=200))
    old, new = (set(result.landed[result.landed.night == night].section) for night in (1, 2))
    assert not old & new
    assert {"sports", "home"} <= old
    assert {"sport", "front"} <= new
    assert all(f"/{row.section}/" in row.url for row in result.landed.itertuples())
    shown = dict(list(result.shown.groupby("night")))
    assert (shown[1].position.max(), shown[2].position.max()) == (4, 7)
    assert tuple(shown[2].groupby("position").p_examine.max()) == world.redesign.examination


def test_bots_click_anything_anywhere_and_only_in_their_nights(played: Play) -> None:
    world = world_named("bots")
    world = replace(world, bots=replace(world.bots, first=2, last=2))
    result = played(Newsroom(world=world, nights=3, articles_per_night=200))
    shown, counts = result.shown, result.shown.groupby("night").is_bot.sum()
    assert (counts[1], counts[3]) == (0, 0)
    bots, people = shown[shown.is_bot], shown[~shown.is_bot & (shown.night == 2)]
    assert len(bots) == pytest.approx(0.3 * len(people), rel=0.02)
    assert all(abs(rate - 0.5) < 0.15 for rate in bots.groupby("position").clicked.mean())
    assert bots.slate_id.nunique() / bots.reader_id.nunique() == pytest.approx(60, rel=0.2)
    assert people.groupby("reader_id").slate_id.nunique().max() < 20
    assert bots.dwell_seconds.max() <= 2.0
    assert (result.slates.is_bot.sum() * 5) == len(bots)


def test_only_the_truth_knows_who_is_a_bot(played: Play) -> None:
    world = world_named("bots")
    world = replace(world, bots=replace(world.bots, first=1, last=1))
    result = played(Newsroom(world=world, nights=1, articles_per_night=100))
    assert set(result.shown[result.shown.is_bot].reader_id.str.len()) == set(result.shown.reader_id.str.len())


def test_a_bad_source_mislabels_copies_and_baits_from_its_night_on(played: Play) -> None:
    world = world_named("bad_source")
    world = replace(world, bad_source=replace(world.bad_source, night=2))
    room = Newsroom(world=world, nights=2, articles_per_night=600, rewrites=0.0)
    result = played(room)
    truth = result.articles.merge(result.landed.drop(columns=["night", "story"]), on="url")
    assert truth[truth.night == 1].event.isna().all()
    bad = truth[truth.event.notna()]
    assert set(bad.source) == {"courier"}
    courier = truth[(truth.night == 2) & (truth.source == "courier")]
    shares = courier.event.value_counts() / len(courier)
    assert (abs(shares[["wrong_section", "copied", "clickbait"]] - [0.25, 0.25, 0.3]) < 0.17).all()
    twice = truth[truth.duplicated("body", keep=False) & (truth.night == 2)]
    assert set(bad[bad.event == "copied"].url) <= set(twice.url)
    sections = {(row.section, row.label) for row in bad[bad.event == "wrong_section"].itertuples()}
    assert not sections & {(row.section, row.label) for row in truth[truth.night == 1].itertuples()}


def test_bait_is_clicked_more_and_read_less(played: Play) -> None:
    world = world_named("bad_source")
    world = replace(world, bad_source=replace(world.bad_source, night=1, clickbait=0.5))
    shown = played(Newsroom(world=world, nights=2, articles_per_night=400)).shown
    bait = shown.pull > 0
    assert shown[bait].clicked.mean() > 1.5 * shown[~bait].clicked.mean()
    assert shown[bait].dwell_seconds.median() < 0.5 * shown[~bait].dwell_seconds.median()


def test_good_sources_write_the_same_beside_a_bad_one() -> None:
    bad, good = newsroom("bad_source"), newsroom("steady")
    night = bad.world.bad_source.night
    others = [[a for a in articles_of(room, night) if a.source != "courier"] for room in (bad, good)]
    assert others[0] == others[1]
    assert list(articles_of(bad, night - 1)) == list(articles_of(good, night - 1))


def test_an_outage_leaves_no_file_and_the_next_night_brings_all_of_it(played: Play) -> None:
    world = replace(world_named("outages"), feed=Feed(outages=(2,), late=0.05))
    result = played(Newsroom(world=world, nights=4, articles_per_night=200))
    assert [file.articles.exists() for file in result.files] == [True, False, True, True]
    assert [file.delivered for file in result.files][:2] == [200, 0]
    written = result.articles.groupby("night").url.agg(set)
    landed = result.landed.groupby("night").url.agg(set)
    assert written[2] <= landed[3]
    late = written[3] - landed[3]
    assert 0 < len(late) < 25
    assert late <= landed[4]
    assert result.landed.url.is_unique
    assert set(result.shown[result.shown.night == 2].url) & written[2]


def test_two_outages_in_a_row_are_refused() -> None:
    with pytest.raises(ValueError, match="an outage on night 8 follows another"):
        Feed(outages=(3, 7, 8))


def test_an_unknown_world_is_answered_with_all_there_are() -> None:
    with pytest.raises(ValueError, match="no world 'war'") as error:
        world_named("war")
    assert all(f"  {name} " in str(error.value) for name in WORLDS)


def test_the_year_holds_everything_that_the_other_worlds_hold() -> None:
    year = world_named("year")
    for world in WORLDS.values():
        for part in ("breaking", "redesign", "bots", "bad_source"):
            assert not getattr(world, part) or getattr(year, part)
    assert year.calendar == world_named("seasons").calendar
    assert year.feed.outages
    starts = [event.night for event in (*year.breaking, year.redesign, year.bad_source)]
    assert max(starts) < year.nights
    assert pd.Series(starts).is_unique
