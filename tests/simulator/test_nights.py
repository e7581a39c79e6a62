"""Files of nights: the same whatever was written before, the truth apart, and read by ingest as they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.ingest import ingest
from pressrun.lake import Lake
from pressrun.lake.types import StepKey
from pressrun.simulator import WORLDS, Newsroom, articles_of, simulate, world_named, write_night
from pressrun.simulator.events import BadSource, BotWave, Breaking, Feed
from pressrun.step import Step


def busy(**settings: object) -> Newsroom:
    """All that can happen, within three nights."""
    world = replace(
        world_named("year"),
        breaking=(Breaking(name="strike", night=2, beat="orbital_strike", share=0.4, half_life_hours=20),),
        redesign=replace(world_named("year").redesign, night=3),
        bots=BotWave(first=2, last=3),
        bad_source=BadSource(source="courier", night=2),
        feed=Feed(outages=(2,), late=0.05),
    )
    return Newsroom(**{"world": world, "nights": 3, "articles_per_night": 120, **settings})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        simulate(busy(), out=tmp_path / name / "landing", truth=tmp_path / name / "truth")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    simulate(busy(seed=8), out=tmp_path / "third")
    assert contents(tmp_path / "third") != contents(tmp_path / "one" / "landing")


def test_a_night_can_be_written_without_those_before_it(tmp_path: Path) -> None:
    simulate(busy(), out=tmp_path / "all" / "landing", truth=tmp_path / "all" / "truth")
    for night in (3, 1, 2):
        write_night(busy(), night, out=tmp_path / "each" / "landing", truth=tmp_path / "each" / "truth")
    assert contents(tmp_path / "each") == contents(tmp_path / "all")


@pytest.mark.parametrize(("name", "last"), [("breaking", 9), ("redesign", 14), ("bots", 14), ("bad_source", 14)])
def test_before_its_event_a_world_is_steady_to_the_letter(tmp_path: Path, name: str, last: int) -> None:
    for world in ("steady", name):
        room = Newsroom(articles_per_night=120, world=world_named(world))
        for night in (last, last + 1):
            write_night(room, night, out=tmp_path / world / str(night), truth=tmp_path / world / f"truth-{night}")
    for part in (str(last), f"truth-{last}"):
        assert contents(tmp_path / name / part) == contents(tmp_path / "steady" / part)
    assert contents(tmp_path / name / f"truth-{last + 1}") != contents(tmp_path / "steady" / f"truth-{last + 1}")


def test_the_default_newsroom_writes_what_it_always_wrote() -> None:
    # Tests, the demo and benchmarks stand on these articles: a change of the digest changes what they measure.
    articles = [a for night in (1, 2) for a in articles_of(Newsroom(articles_per_night=50), night)]
    text = "\n".join("\t".join((a.url, str(a.published_at), a.label, a.story, a.title, a.body)) for a in articles)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "10471a89e9237b47"


def test_a_night_knows_only_articles_that_were_published_and_fresh(tmp_path: Path) -> None:
    nights = simulate(Newsroom(nights=2, articles_per_night=60), out=tmp_path)
    published = {a.url: a.published_at for night in (1, 2) for a in articles_of(Newsroom(articles_per_night=60), night)}
    for night in nights:
        for row in pq.read_table(night.impressions).to_pylist():
            assert 0 <= (row["shown_at"] - published[row["url"]]).total_seconds() <= 25 * 3600


def test_no_slate_shows_an_article_twice_and_positions_are_without_a_gap(tmp_path: Path) -> None:
    rows = pq.read_table(simulate(busy(), out=tmp_path)[2].impressions).to_pandas()
    for _, slate in rows.groupby("slate_id"):
        assert slate.position.tolist() == list(range(8))
        assert slate.url.is_unique
        assert slate[["reader_id", "arm", "model_version", "shown_at"]].nunique().tolist() == [1, 1, 1, 1]
    assert np.isclose(rows.groupby("arm").model_version.nunique(), 1).all()


@pytest.mark.parametrize("articles", [1, 3, 8])
def test_a_newsroom_with_hardly_an_article_has_short_pages(tmp_path: Path, articles: int) -> None:
    night = simulate(Newsroom(nights=1, articles_per_night=articles, impressions_per_article=50), out=tmp_path)[0]
    assert night.delivered == articles
    assert pq.read_table(night.impressions)["position"].to_numpy().max() == min(articles, 5) - 1


def test_without_readers_there_is_an_empty_file_with_all_columns(tmp_path: Path) -> None:
    night = simulate(Newsroom(nights=1, articles_per_night=5, impressions_per_article=0), out=tmp_path)[0]
    assert (len(empty := pq.read_table(night.impressions)), "propensity" in empty.column_names) == (0, True)


def test_the_truth_is_marked_and_never_where_pressrun_reads(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose a folder elsewhere"):
        simulate(busy(), out=tmp_path / "landing", truth=tmp_path / "landing" / "truth")
    simulate(busy(), out=tmp_path / "landing", truth=tmp_path / "truth")
    told = {name for file in (tmp_path / "truth").rglob("*.parquet") for name in pq.read_schema(file).names}
    assert {"p_examine", "p_attract", "p_click", "is_bot", "taste_topic", "event"} <= told
    for file in (tmp_path / "truth").rglob("*.parquet"):
        assert pq.read_table(file)["synthetic"].unique().to_pylist() == [True]
    for file in (tmp_path / "landing").rglob("*.parquet"):
        secret = {"p_examine", "p_attract", "p_click", "is_bot", "taste_topic", "freshness", "appeal", "pull"}
        assert not secret & set(pq.read_schema(file).names)


def test_the_truth_changes_nothing_of_what_pressrun_reads(tmp_path: Path) -> None:
    simulate(busy(), out=tmp_path / "with", truth=tmp_path / "truth")
    simulate(busy(), out=tmp_path / "without")
    assert contents(tmp_path / "with") == contents(tmp_path / "without")


@pytest.mark.parametrize("name", ["steady", "year"])
def test_ingest_reads_articles_and_impressions_as_they_are(
    name: str, environment: Environment, pipeline: Pipeline, lake: Lake
) -> None:
    landing = Path(environment.landing) / "topics"
    room = busy() if name == "year" else Newsroom(nights=2, articles_per_night=120, world=WORLDS[name])
    nights = simulate(room, out=landing, truth=environment.home / "truth")
    given = pipeline.model_dump()
    given["articles"]["read"] = {"format": "jsonl"}
    given["interactions"] = {"path": str(landing / "interactions" / "*.parquet")}
    key = StepKey(dag_id="topics_retrain", run_id="1", task_id="ingest")
    step = Step(key=key, pipeline=Pipeline.model_validate(given), environment=environment, lake=lake)
    result = ingest(step)
    assert result.datasets["rejects"].rows == 0
    assert result.datasets["articles"].rows == sum(night.delivered for night in nights)
    shown = lake.read(result.datasets["interactions"]).to_pandas()
    assert len(shown) == sum(pq.read_metadata(night.impressions).num_rows for night in nights)
    assert shown.drop(columns="dwell_seconds").notna().all(axis=None)
    assert set(shown.arm) == {"control", "treatment"}
    known = set(lake.read(result.datasets["articles"])["article_id"].to_pylist())
    assert (shown.article_id.isin(known).mean() == 1) == (name == "steady")
