"""The sample of a night, on DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from pressrun.ingest import ingest
from pressrun.lake import Lake
from pressrun.lake.types import StageResult
from pressrun.sampling import sample
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step

MakeStep = Callable[..., Step]


def test_it_draws_exactly_the_rows_asked_for_with_their_probabilities(
    make_step: MakeStep, ingested: StageResult, lake: Lake
) -> None:
    drawn = lake.read(sample(make_step("night-1", "sample"), ingested).datasets["samples"]).to_pylist()
    assert len(drawn) == 60
    assert len({row["article_id"] for row in drawn}) == 60
    assert all(0 < row["inclusion_probability"] <= 1 for row in drawn)


def test_inverse_probabilities_add_up_to_the_batch(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    step = make_step("night-1", "sample", strata=["predicted_topic"])
    drawn = lake.read(sample(step, ingested).datasets["samples"]).to_pylist()
    assert sum(1 / row["inclusion_probability"] for row in drawn) == pytest.approx(300, rel=0.1)


def test_every_stratum_has_its_share(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    step = make_step("night-1", "sample", strata=["predicted_topic"], rows=100)
    drawn = lake.read(sample(step, ingested).datasets["samples"])
    shares = Counter(drawn["stratum"].to_pylist())
    assert len(shares) == 4
    assert min(shares.values()) > 10


def test_another_run_picks_the_same_articles(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    drawn = [sample(make_step(run, "sample", rows=rows), ingested) for run, rows in (("a", 60), ("b", 61))]
    one, other = (result.datasets["samples"] for result in drawn)
    ids = [set(lake.read(dataset)["article_id"].to_pylist()) for dataset in (one, other)]
    assert len(ids[0] & ids[1]) >= 55


def test_only_one_of_a_group_is_drawn(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    result = sample(make_step("night-1", "sample", rows=1000), ingested)
    groups = lake.read(result.datasets["groups"])["group_id"].to_pylist()
    drawn = lake.read(result.datasets["samples"])["group_id"].to_pylist()
    assert len(groups) == 300
    assert len(set(groups)) < 300
    assert sorted(drawn) == sorted(set(groups))
    assert result.facts["folded"] == 300 - len(set(groups))


def test_an_empty_batch_draws_on_what_is_left_then_nothing_is_new(
    make_step: MakeStep, ingested: StageResult, lake: Lake
) -> None:
    first = sample(make_step("night-1", "sample", rows=200), ingested)
    nothing = ingest(make_step("night-2", "ingest"))
    second = sample(make_step("night-2", "sample", rows=200), nothing)
    drawn = [set(lake.read(r.datasets["samples"])["article_id"].to_pylist()) for r in (first, second)]
    assert not drawn[0] & drawn[1]
    rows = lake.read(second.datasets["samples"]).to_pylist()
    assert {row["reason"] for row in rows} == {"backlog"}
    third = sample(make_step("night-3", "sample", rows=200), ingest(make_step("night-3", "ingest")))
    assert third.facts["nothing_new"]
    assert third.datasets["samples"].rows == 0


def test_groups_reach_across_nights(
    make_step: MakeStep, ingested: StageResult, landing: Path, newsroom: Newsroom
) -> None:
    write_night(newsroom, 2, out=landing)
    second = sample(make_step("night-2", "sample"), ingest(make_step("night-2", "ingest")))
    assert second.datasets["groups"].rows == 600
