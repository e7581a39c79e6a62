"""The stage over a real lake: once each, with rejects counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline, Read
from pressrun.ingest import ingest, stage
from pressrun.lake import Lake
from pressrun.lake.types import StepKey
from pressrun.step import Step

MakeStep = Callable[[str], Step]


@pytest.fixture
def make_step(environment: Environment, pipeline: Pipeline, lake: Lake) -> MakeStep:
    def make(run: str) -> Step:
        key = StepKey(dag_id="topics_retrain", run_id=run, task_id="ingest")
        return Step(key=key, pipeline=pipeline, environment=environment, lake=lake)

    return make


@pytest.fixture
def landing(environment: Environment) -> Path:
    folder = Path(environment.landing) / "topics"
    folder.mkdir(parents=True)
    return folder


def rows(start: int, count: int, label: str = "1") -> str:
    return "".join(f'"{label}","Title {n}","The body of article {n} is here"\n' for n in range(start, start + count))


def test_an_empty_landing_folder_is_nothing_new(make_step: MakeStep) -> None:
    result = ingest(make_step("1"))
    assert result.facts["nothing_new"]
    assert result.verdict is None
    assert result.datasets["batch"].rows == 0


def test_articles_are_added_once(make_step: MakeStep, landing: Path) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + rows(0, 1))
    first = ingest(make_step("1"))
    (landing / "b.csv").write_text(rows(20, 20))
    second, third = ingest(make_step("2")), ingest(make_step("3"))
    assert [r.datasets["batch"].rows for r in (first, second, third)] == [30, 10, 0]
    assert second.datasets["articles"].rows == 40
    assert third.facts["nothing_new"]
    assert first.verdict is not None
    assert first.verdict.decision == "pass"


def test_a_retry_gets_what_the_first_try_made(make_step: MakeStep, landing: Path) -> None:
    (landing / "a.csv").write_text(rows(0, 30))
    assert ingest(make_step("1")) == ingest(make_step("1"))


def test_bad_rows_are_rejects_and_stop_the_night_when_many(make_step: MakeStep, landing: Path, lake: Lake) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + '"1"\n' * 5 + '"1","",""\n')
    result = ingest(make_step("1"))
    rejects = lake.read(result.datasets["rejects"]).to_pylist()
    assert [(r["origin"], r["line"]) for r in rejects] == [("a.csv", line) for line in range(31, 37)]
    assert result.facts["rejects"] == 6
    assert result.verdict is not None
    assert result.verdict.decision == "fail"


def test_labels_are_given_and_those_outside_the_taxonomy_are_told(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + rows(30, 1, label="Gossip"))
    result = ingest(make_step("1"))
    given = lake.read(result.datasets["given"]).to_pylist()
    assert {(r["label"], r["raw"]) for r in given} == {("World", "1"), (None, "Gossip")}
    assert result.facts["labels_outside_taxonomy"] == 1
    assert result.datasets["batch"].rows == 31
    (reject,) = lake.read(result.datasets["rejects"]).to_pylist()
    assert (reject["origin"], reject["line"]) == ("a.csv", 31)
    assert "the label 'Gossip' is not in the taxonomy" in reject["reason"]


def seen(lake: Lake, table: str = "articles") -> int:
    return lake.snapshot(table, pipeline="topics").rows


BAD = '"1"\n' * 8


def test_a_refused_batch_is_not_seen_and_is_read_and_judged_again(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + BAD)
    for run in ("1", "2"):
        result = ingest(make_step(run))
        assert result.stopped
        assert result.reused_from is None
        assert result.facts["rejects"] == 8
        assert [seen(lake, table) for table in ("articles", "given", "rejects")] == [0, 0, 0]
    (landing / "a.csv").write_text(rows(0, 30))
    mended = ingest(make_step("3"))
    assert (mended.stopped, mended.facts["new"], seen(lake)) == (False, 30, 30)
    assert lake.snapshot("verdicts", pipeline="topics").rows == 3


def test_a_refused_batch_is_no_history_that_the_next_is_measured_by(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 3) + BAD)
    assert ingest(make_step("1")).stopped
    (landing / "a.csv").write_text(rows(0, 300))
    checks = {check.metric: check for check in ingest(make_step("2")).verdict.checks}  # type: ignore[union-attr]
    assert "first batch" in checks["volume"].reason


def test_clearing_a_refused_batch_judges_the_files_as_they_are_now(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + BAD)
    assert ingest(make_step("1")).stopped
    (landing / "a.csv").write_text(rows(0, 40))
    assert ingest(make_step("1")).stopped
    cleared = ingest(replace(make_step("1"), asked="clear 1"))
    assert (cleared.stopped, seen(lake), seen(lake, "rejects")) == (False, 40, 0)


def test_a_cleared_night_reads_its_files_again_and_no_row_is_doubled(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 30))
    ingest(make_step("1"))
    (landing / "b.csv").write_text(rows(20, 30))
    ingest(make_step("2"))
    (landing / "a.csv").write_text(rows(5, 25))
    cleared = ingest(replace(make_step("1"), asked="clear 1"))
    assert cleared.datasets["batch"].rows == 25
    assert seen(lake) == 45


def test_a_cleared_night_whose_files_are_gone_keeps_its_articles(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    (landing / "a.csv").write_text(rows(0, 30))
    first = ingest(make_step("1"))
    (landing / "a.csv").rename(landing / "_archived.csv")
    (landing / "b.csv").write_text(rows(30, 30))
    assert ingest(replace(make_step("1"), asked="clear 1")) == first
    assert seen(lake) == 30


def test_the_same_fault_on_the_same_line_of_tomorrows_file_is_counted_again(
    make_step: MakeStep, landing: Path, lake: Lake
) -> None:
    monday, tuesday = rows(0, 30) + '"1","Monday"\n', rows(30, 30) + '"1","Tuesday"\n'
    for night, content in (("1", monday), ("2", monday), ("3", tuesday)):
        (landing / "a.csv").write_text(content)
        ingest(make_step(night))
    rejects = lake.read(lake.snapshot("rejects", pipeline="topics"), ["line", "excerpt"]).to_pylist()
    assert [row["line"] for row in rejects] == [31, 31]
    assert len({row["excerpt"] for row in rejects}) == 2


def test_another_file_that_cannot_be_read_is_another_reject(make_step: MakeStep, landing: Path) -> None:
    told = []
    for night, content in (("1", b"PAR1 torn"), ("2", b"PAR1 torn"), ("3", b"PAR1 torn again")):
        (landing / "a.parquet").write_bytes(content)
        result = ingest(replace(make_step(night), pipeline=any_format(make_step(night))))
        told.append((result.stopped, result.facts["rejects"]))
    assert told == [(True, 1)] * 3


def test_two_runs_at_once_that_read_the_same_files_have_one_batch(
    make_step: MakeStep, landing: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + '"1"\n')
    meanwhile(monkeypatch, lambda: ingest(make_step("2")))
    first = ingest(make_step("1"))
    assert first.reused_from == str(make_step("2").key)
    assert first.datasets["batch"].rows == 30
    assert [seen(lake, table) for table in ("articles", "given", "rejects", "verdicts")] == [30, 30, 1, 1]


def test_two_runs_at_once_of_which_one_finds_more_add_each_article_once(
    make_step: MakeStep, landing: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    (landing / "a.csv").write_text(rows(0, 30) + '"1"\n')

    def landed_in_between() -> None:
        (landing / "b.csv").write_text(rows(30, 20))
        ingest(make_step("2"))

    meanwhile(monkeypatch, landed_in_between)
    first = ingest(make_step("1"))
    assert first.facts["nothing_new"]
    assert first.datasets["articles"].rows == 50
    assert [seen(lake, table) for table in ("articles", "given", "rejects")] == [50, 50, 1]


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens once, after the first ingest from now on has committed its rows and before it has finished."""
    once, judge = iter([happens]), stage.judge

    def judged(*facts: Any) -> Any:
        for event in once:
            event()
        return judge(*facts)

    monkeypatch.setattr(stage, "judge", judged)


def any_format(step: Step) -> Pipeline:
    return step.pipeline.model_copy(update={"articles": step.pipeline.articles.model_copy(update={"read": Read()})})
