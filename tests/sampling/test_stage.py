"""The sample of a night, on DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pressrun.ingest import ingest
from pressrun.lake import Lake
from pressrun.lake.types import StageResult
from pressrun.sampling import sample, stage
from pressrun.sampling.earlier import earlier_of
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step
from pressrun.verdict import Assertion, Decision, Verdict

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


def test_a_step_that_is_done_again_picks_the_same_articles(
    make_step: MakeStep, ingested: StageResult, lake: Lake
) -> None:
    one = sample(make_step("night-1", "sample", rows=60), ingested)
    other = sample(replace(make_step("night-1", "sample", rows=61), asked="clear 1"), ingested)
    assert (one.facts["rows"], other.facts["rows"]) == (60, 61)
    assert len(ids(lake, one) & ids(lake, other)) >= 55


def test_only_one_of_a_group_is_drawn(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    result = sample(make_step("night-1", "sample", rows=1000), ingested)
    groups = lake.read(result.datasets["groups"])["group_id"].to_pylist()
    drawn = lake.read(result.datasets["samples"])["group_id"].to_pylist()
    assert len(groups) == 300
    assert len(set(groups)) < 300
    assert sorted(drawn) == sorted(set(groups))
    assert result.facts["folded"] == 300 - len(set(groups))


def ids(lake: Lake, result: StageResult) -> set[str]:
    return set(lake.read(result.datasets["samples"])["article_id"].to_pylist())


def labeled(step: Step, sampled: StageResult, decision: Decision = Decision.PASS) -> None:
    """The label step of the run has finished."""
    key = step.key.model_copy(update={"task_id": "label"})
    check = Assertion(metric="label_accuracy", decision=decision, reason="because")
    result = StageResult(
        stage="label",
        step_key=str(key),
        datasets={"samples": sampled.datasets["samples"], "labels": step.lake.snapshot("labels", pipeline="topics")},
        verdict=Verdict(kind="labels", pipeline="topics", checks=(check,)),
    )
    step.lake.finish(result, key=key, pipeline="topics", fingerprint=str(key))


def empty_night(make_step: MakeStep, number: int) -> tuple[Step, StageResult]:
    return make_step(f"night-{number}", "sample", rows=200), ingest(make_step(f"night-{number}", "ingest"))


def test_an_empty_batch_draws_on_what_is_left_then_nothing_is_new(
    make_step: MakeStep, ingested: StageResult, lake: Lake
) -> None:
    step = make_step("night-1", "sample", rows=200)
    first = sample(step, ingested)
    labeled(step, first)
    step, nothing = empty_night(make_step, 2)
    second = sample(step, nothing)
    labeled(step, second)
    assert not ids(lake, first) & ids(lake, second)
    rows = lake.read(second.datasets["samples"]).to_pylist()
    assert {row["reason"] for row in rows} == {"backlog"}
    third = sample(*empty_night(make_step, 3))
    assert third.facts["nothing_new"]
    assert third.datasets["samples"].rows == 0


def test_a_night_with_nothing_new_hands_on_the_groups_of_before(make_step: MakeStep, ingested: StageResult) -> None:
    step = make_step("night-1", "sample", rows=1000)
    first = sample(step, ingested)
    labeled(step, first)
    nothing = sample(*empty_night(make_step, 2))
    assert nothing.facts["nothing_new"]
    assert nothing.datasets["groups"] == first.datasets["groups"]


def test_groups_that_other_rules_found_are_not_handed_on(make_step: MakeStep, ingested: StageResult) -> None:
    step = make_step("night-1", "sample", rows=1000)
    first = sample(step, ingested)
    labeled(step, first)
    stricter = make_step("night-2", "sample", rows=1000, near_duplicate_jaccard=1.0)
    nothing = sample(stricter, ingest(make_step("night-2", "ingest")))
    assert nothing.facts["nothing_new"]
    assert nothing.datasets["groups"].rows == 300
    assert nothing.datasets["groups"].digest != first.datasets["groups"].digest


@pytest.mark.parametrize("decision", [None, Decision.FAIL, Decision.INSUFFICIENT])
def test_a_sample_that_was_never_labeled_well_is_handed_on_until_it_is(
    make_step: MakeStep, ingested: StageResult, lake: Lake, decision: Decision | None
) -> None:
    step = make_step("night-1", "sample", rows=60)
    first = sample(step, ingested)
    if decision:
        labeled(step, first, decision)
    for number in (2, 3):
        again = sample(*empty_night(make_step, number))
        assert again.datasets["samples"] == first.datasets["samples"]
        assert again.facts["drawn_by"] == first.step_key
    labeled(make_step("night-3", "sample"), again)
    other = sample(*empty_night(make_step, 4))
    assert not ids(lake, other) & ids(lake, first)


def test_a_night_with_a_batch_of_its_own_draws_from_that(
    make_step: MakeStep, ingested: StageResult, lake: Lake, landing: Path, newsroom: Newsroom
) -> None:
    first = sample(make_step("night-1", "sample"), ingested)
    write_night(newsroom, 2, out=landing)
    second = sample(make_step("night-2", "sample"), ingest(make_step("night-2", "ingest")))
    assert not ids(lake, first) & ids(lake, second)
    assert "drawn_by" not in second.facts


def test_labeling_again_is_about_the_newest_sample(make_step: MakeStep, ingested: StageResult, lake: Lake) -> None:
    step = make_step("night-1", "sample", rows=60)
    first = sample(step, ingested)
    labeled(step, first)
    step, nothing = empty_night(make_step, 2)
    again = sample(replace(step, fresh=True), nothing)
    assert again.datasets["samples"] == first.datasets["samples"]
    assert again.datasets["groups"] == first.datasets["groups"]


def test_a_sample_that_cannot_be_read_any_more_is_not_handed_on(
    make_step: MakeStep, ingested: StageResult, lake: Lake
) -> None:
    first = sample(make_step("night-1", "sample", rows=60), ingested)
    for file in lake.files(first.datasets["samples"]):
        Path(file).unlink()
    assert earlier_of(make_step("night-2", "sample")).waiting is None


def test_what_a_step_drew_gives_way_when_it_is_asked_for_anew_and_needs_none(
    make_step: MakeStep, ingested: StageResult, lake: Lake
) -> None:
    labeled(make_step("night-1", "sample"), first := sample(make_step("night-1", "sample", rows=60), ingested))
    step, nothing = empty_night(make_step, 2)
    labeled(step, sample(step, nothing))
    again = sample(replace(step, fresh=True, asked="clear 1"), nothing)
    assert again.datasets["samples"] == first.datasets["samples"]
    assert lake.snapshot("samples", pipeline="topics").rows == 60
    assert lake.snapshot("groups", pipeline="topics").rows == 300


def test_two_runs_at_once_over_one_batch_have_one_sample(
    make_step: MakeStep, ingested: StageResult, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_step("night-1b", "sample")
    meanwhile(monkeypatch, lambda: sample(other, ingested))
    result = sample(make_step("night-1", "sample"), ingested)
    assert result.reused_from == str(other.key)
    assert lake.snapshot("samples", pipeline="topics").rows == 60


def test_two_runs_at_once_that_draw_otherwise_draw_no_article_twice(
    make_step: MakeStep, ingested: StageResult, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[StageResult] = []
    meanwhile(monkeypatch, lambda: drawn.append(sample(make_step("night-1b", "sample", rows=100), ingested)))
    result = sample(make_step("night-1", "sample"), ingested)
    assert result.facts["rows"] == 60
    assert not ids(lake, result) & ids(lake, drawn[0])
    groups = lake.read(lake.snapshot("samples", pipeline="topics"))["group_id"].to_pylist()
    assert len(groups) == len(set(groups)) == 160


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens once, while the first sample from now on is drawn."""
    once, quotas = iter([happens]), stage.quotas

    def allotted(*given: Any) -> Any:
        for event in once:
            event()
        return quotas(*given)

    monkeypatch.setattr(stage, "quotas", allotted)


def test_groups_reach_across_nights(
    make_step: MakeStep, ingested: StageResult, landing: Path, newsroom: Newsroom
) -> None:
    write_night(newsroom, 2, out=landing)
    second = sample(make_step("night-2", "sample"), ingest(make_step("night-2", "ingest")))
    assert second.datasets["groups"].rows == 600
