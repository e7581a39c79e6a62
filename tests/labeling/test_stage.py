"""The stage over a real lake and a real operational database."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Audit, LabelerSpec, Pipeline
from pressrun.config.taxonomy import Taxonomy
from pressrun.jobs import Questions, open_database
from pressrun.labeling import (
    Answer,
    Article,
    Usage,
    ask,
    collect,
    export_questions,
    import_answers,
    import_labels,
    label,
    quality,
    waiting,
)
from pressrun.lake.lake import Lake
from pressrun.lake.tables import rows_of
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step
from pressrun.verdict import Decision

TOPICS = ("World", "Sports", "Business", "Sci/Tech")
CALLS: list[int] = []


class Halting:
    """Sure of the articles with an even number, unsure of the rest; wrong where the body says so."""

    name = "test:halting"

    def __init__(self, *, taxonomy: Taxonomy, label: str | None = None) -> None:
        self._label = label

    def label(self, articles: Sequence[Article]) -> list[Answer]:
        CALLS.append(len(articles))
        return [self._answer(int(a.article_id[1:]), a) for a in articles]

    def _answer(self, number: int, article: Article) -> Answer:
        topic = self._label or TOPICS[(number + (article.body == "spoilt")) % 4]
        return Answer(article_id=article.article_id, labels=(topic,), probabilities={topic: 0.9 - 0.5 * (number % 2)})


def chained(pipeline: Pipeline, *, oracle: bool = False, share: float = 0.4, **options: Any) -> Pipeline:
    spec = LabelerSpec(uses=f"{__name__}:Halting", accept_above=0.8, options=options)
    people = LabelerSpec(labeler="people", wait=timedelta(hours=1))
    audit = Audit(share=share, floor=0.85, min_rows=10)
    label = pipeline.label.model_copy(update={"chain": [spec, people], "audit": audit, "oracle": oracle})
    return pipeline.model_copy(update={"label": label})


def night(
    environment: Environment,
    lake: Lake,
    pipeline: Pipeline,
    *,
    count: int = 120,
    start: int = 0,
    body: str = "text",
    run: str = "1",
) -> tuple[Step, StageResult, StageResult]:
    """A step with `count` ingested and sampled articles from number `start` on; number n is of topic n modulo 4."""
    key, model = StepKey(dag_id="d", run_id=run, task_id="source"), pipeline.model
    numbers = range(start, start + count)
    tables = {
        "articles": [{"article_id": f"a{n}", "title": f"Title {n}", "body": body} for n in numbers],
        "given": [{"article_id": f"a{n}", "label": TOPICS[n % 4], "raw": str(n % 4 + 1)} for n in numbers],
        "samples": [{"sample_id": f"s{n}", "article_id": f"a{n}", "group_id": f"a{n}"} for n in numbers],
    }
    found = {name: lake.commit(name, rows_of(name, rows), key=key, pipeline=model) for name, rows in tables.items()}
    ingested = StageResult(stage="ingest", step_key=str(key), datasets=found)
    lake.finish(ingested, key=key, pipeline=model, fingerprint=run)
    own = StepKey(dag_id="d", run_id=run, task_id="label")
    return Step(key=own, pipeline=pipeline, environment=environment, lake=lake), ingested, ingested


def labels(lake: Lake, result: StageResult) -> list[dict[str, Any]]:
    return lake.read(result.datasets["labels"]).to_pylist()


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    CALLS.clear()


def test_the_oracle_answers_through_the_queue_and_audited_labels_are_never_for_training(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline, oracle=True))
    asked = ask(step, ingested, sampled)
    assert asked.asked > 60
    assert asked.waiting == 0
    result = collect(step, ingested, sampled)
    rows = labels(lake, result)
    audit = {row["article_id"] for row in rows if row["labeler"] == "person:oracle" and row["role"] == "audit"}
    assert audit
    assert not audit & {row["article_id"] for row in rows if row["role"] == "train"}
    assert result.verdict is not None
    assert result.verdict.decision is Decision.PASS
    assert "oracle" in result.verdict.notes[0]
    train = [row for row in rows if row["role"] == "train" and not row["abstained"]]
    assert len(train) == 120 - len(audit)
    assert all(row["labels"] == [TOPICS[int(row["article_id"][1:]) % 4]] for row in train)


def test_wrong_machine_labels_fail_the_verdict(environment: Environment, lake: Lake, pipeline: Pipeline) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline, oracle=True), body="spoilt")
    ask(step, ingested, sampled)
    result = collect(step, ingested, sampled)
    assert result.verdict is not None
    assert result.verdict.decision is Decision.FAIL


def test_no_answers_in_time_is_insufficient_and_nothing_is_trained_on_the_machine_labels(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline))
    asked = ask(step, ingested, sampled)
    assert asked.waiting == asked.asked == waiting(environment, asked.key)
    result = collect(step, ingested, sampled)
    assert result.verdict is not None
    assert result.verdict.decision is Decision.INSUFFICIENT
    rows = labels(lake, result)
    assert {row["labeler"] for row in rows} == {"test:halting"}
    assert {row["role"] for row in rows} == {"audit", "refused"}
    assert all(row["labels"] == [] for row in rows if row["abstained"])


def test_a_retry_calls_no_labeler_asks_nobody_and_doubles_no_row(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline, oracle=True))
    first, again = ask(step, ingested, sampled), ask(step, ingested, sampled)
    one, two = collect(step, ingested, sampled), collect(step, ingested, sampled)
    assert CALLS == [120]
    assert again.asked == 0 < first.asked
    assert one == two
    assert one.datasets["labels"].rows == 120 + first.asked


def test_an_unchanged_night_is_reused_and_asks_nobody(environment: Environment, lake: Lake, pipeline: Pipeline) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline, oracle=True))
    ask(step, ingested, sampled)
    first = collect(step, ingested, sampled)
    later = Step(
        key=StepKey(dag_id="d", run_id="2", task_id="label"), pipeline=step.pipeline, environment=environment, lake=lake
    )
    assert ask(later, ingested, sampled).asked == 0
    assert collect(later, ingested, sampled).reused_from == first.step_key


def test_a_label_outside_the_taxonomy_is_a_counted_reject_and_never_accepted(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline, label="Weather"), count=20)
    ask(step, ingested, sampled)
    result = collect(step, ingested, sampled)
    assert result.facts["rejected"] == 20
    assert not any(row["labels"] for row in labels(lake, result))
    rejects = lake.read(lake.snapshot("rejects", pipeline=pipeline.model)).to_pylist()
    assert len(rejects) == 20
    assert "'Weather' is outside the taxonomy" in rejects[0]["reason"]


@pytest.mark.parametrize("oracle", [True, False])
def test_a_night_with_no_sample_is_nothing_new(
    environment: Environment, lake: Lake, pipeline: Pipeline, oracle: bool
) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline, oracle=oracle), count=0)
    assert ask(step, ingested, sampled).waiting == 0
    assert collect(step, ingested, sampled).facts["nothing_new"] is True


def test_people_answer_in_a_spreadsheet_and_nothing_counts_twice(
    environment: Environment, lake: Lake, pipeline: Pipeline, tmp_path: Path
) -> None:
    own = chained(pipeline)
    step, ingested, sampled = night(environment, lake, own, count=20, body="=HYPERLINK(1)")
    asked = ask(step, ingested, sampled)
    path = tmp_path / "questions.csv"
    assert export_questions(environment, own, path) == asked.asked
    rows = list(csv.DictReader(path.open()))
    assert set(rows[0]) == {"question_id", "title", "body", "topics", "answer"}
    assert rows[0]["body"].startswith("'=")
    for row, answer in zip(rows, ["Sports", "Weather", "", "?", "1|Sports"], strict=False):
        row["answer"] = answer
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:5])
    first = import_answers(environment, own, path, person="ann")
    assert (first.accepted, first.empty, first.rejected[0][0]) == (3, 1, 3)
    again = import_answers(environment, own, path, person="ann")
    assert (again.accepted, again.already) == (0, 3)
    answers = Questions(open_database(environment.database)).collect(pipeline=own.model, step_key=asked.key)
    assert {a.labels for a in answers} == {("Sports",), (), ("World", "Sports")}


def test_bulk_labels_are_imported_once_and_refuse_what_is_unknown(
    environment: Environment, lake: Lake, pipeline: Pipeline, tmp_path: Path
) -> None:
    night(environment, lake, pipeline, count=5)
    path = tmp_path / "labels.csv"
    path.write_text("article_id,label\na1,Sports\na2,3\na3,Weather\nzz,World\n")
    first = import_labels(environment, pipeline, lake, path, person="ann")
    again = import_labels(environment, pipeline, lake, path, person="ann")
    assert first.facts == {"labels": 2, "rejects": 2}
    assert again == first
    rows = lake.read(lake.snapshot("labels", pipeline=pipeline.model)).to_pylist()
    assert {(r["article_id"], r["labels"][0], r["role"], r["labeler"]) for r in rows} == {
        ("a1", "Sports", "train", "person:ann"),
        ("a2", "Business", "train", "person:ann"),
    }


def later(step: Step, run: str = "2", **more: Any) -> Step:
    """The label step of another run."""
    return replace(step, key=step.key.model_copy(update={"run_id": run}), **more)


def answer_all(environment: Environment, pipeline: Pipeline, key: str | None = None, *, wrong: bool = False) -> int:
    """Ann answers every open question, or those of one desk."""
    queue, count = Questions(open_database(environment.database)), 0
    chosen = {"pipeline": pipeline.model, "holder": "ann", "most": 500, "lasting": timedelta(minutes=1)}
    for held in queue.lease(**chosen, step_key=key):  # type: ignore[arg-type]
        topic = TOPICS[(int(held.article_id[1:]) + wrong) % 4]
        queue.answer(question_id=held.question_id, person="ann", labels=[topic])
        count += 1
    return count


def people(lake: Lake, pipeline: Pipeline) -> list[str]:
    """The articles of all rows that a person gave, in all nights."""
    rows = lake.read(lake.snapshot("labels", pipeline=pipeline.model), ["article_id", "labeler"]).to_pylist()
    return sorted(row["article_id"] for row in rows if row["labeler"].startswith("person:"))


def trained(lake: Lake, result: StageResult) -> list[str]:
    rows = lake.read(result.datasets["all_labels"], ["article_id", "role", "labeler", "abstained"]).to_pylist()
    return sorted(row["article_id"] for row in rows if row["role"] == "train" and not row["abstained"])


def test_labels_that_failed_the_audit_are_not_among_the_next_nights_and_peoples_are(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline, oracle=True)
    step, ingested, sampled = night(environment, lake, own, body="spoilt")
    ask(step, ingested, sampled)
    first = collect(step, ingested, sampled)
    assert first.stopped
    kept = trained(lake, first)
    assert kept
    assert {int(article[1:]) % 2 for article in kept} == {1}, "the machine is sure of the even ones"
    step, ingested, sampled = night(environment, lake, own, start=200, run="2")
    ask(step, ingested, sampled)
    second = collect(step, ingested, sampled)
    assert not second.stopped
    assert {int(a[1:]) % 2 for a in trained(lake, second) if int(a[1:]) < 200} == {1}
    assert {int(a[1:]) % 2 for a in trained(lake, second) if int(a[1:]) >= 200} == {0, 1}


def test_the_datas_own_labels_stay_when_the_machines_are_refused(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    given = LabelerSpec(labeler="given")
    own = chained(pipeline)
    label = own.label.model_copy(update={"chain": [given, *own.label.chain], "audit": Audit(share=0.3)})
    own = own.model_copy(update={"label": label})
    step, ingested, sampled = night(environment, lake, own, count=40)
    ask(step, ingested, sampled)
    result = collect(step, ingested, sampled)
    assert result.stopped
    assert {row["role"] for row in labels(lake, result)} == {"train", "audit"}


def test_answers_that_come_late_count_when_the_task_is_cleared_and_stand_once(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline)
    step, ingested, sampled = night(environment, lake, own)
    asked = ask(step, ingested, sampled)
    assert collect(step, ingested, sampled).stopped
    assert answer_all(environment, own) == asked.asked
    assert collect(step, ingested, sampled).stopped, "a retry changes nothing"
    cleared = replace(step, asked="clear 1")
    assert ask(cleared, ingested, sampled).waiting == 0
    result = collect(cleared, ingested, sampled)
    assert not result.stopped
    assert CALLS == [120]
    assert len(people(lake, own)) == len(set(people(lake, own))) == asked.asked
    assert {row["role"] for row in labels(lake, result)} == {"train", "audit"}


def test_each_run_judges_by_the_answers_to_its_own_questions(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline)
    one, two = (night(environment, lake, own, start=start, run=run) for start, run in ((0, "1"), (200, "2")))
    keys = [ask(*steps).key for steps in (one, two)]
    for key in keys:
        answer_all(environment, own, key)
    results = [collect(*steps) for steps in (one, two)]
    assert [result.stopped for result in results] == [False, False]
    for result, start in zip(results, (0, 200), strict=True):
        assert {int(row["article_id"][1:]) // 200 for row in labels(lake, result)} == {start // 200}
    assert len(people(lake, own)) == len(set(people(lake, own)))


def test_a_late_answer_comes_with_the_next_night_and_with_it_alone(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline)
    first = night(environment, lake, own)
    asked = ask(*first)
    collect(*first)
    assert people(lake, own) == []
    answer_all(environment, own, asked.key)
    for number in (2, 3):
        then = night(environment, lake, own, start=200 * number, run=str(number))
        ask(*then)
        result = collect(*then)
        assert result.facts["late"] == (asked.asked if number == 2 else 0)
        assert len(people(lake, own)) == asked.asked


def test_a_night_without_a_sample_still_takes_what_people_said_late(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline)
    asked = ask(*(first := night(environment, lake, own)))
    collect(*first)
    empty = night(environment, lake, own, count=0, run="2")
    assert collect(*empty).facts["nothing_new"]
    answer_all(environment, own, asked.key)
    third = night(environment, lake, own, count=0, run="3")
    result = collect(*third)
    assert not result.facts["nothing_new"]
    assert len(people(lake, own)) == asked.asked
    assert collect(*night(environment, lake, own, count=0, run="4")).facts["nothing_new"]
    assert len(people(lake, own)) == asked.asked


def test_a_run_that_labels_the_sample_of_one_that_died_pays_and_asks_nothing_twice(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline)
    dead, ingested, sampled = night(environment, lake, own)
    asked = ask(dead, ingested, sampled)
    answer_all(environment, own)
    again = ask(later(dead), ingested, sampled)
    assert (again.asked, again.waiting, again.key) == (0, 0, asked.key)
    result = collect(later(dead), ingested, sampled)
    assert not result.stopped
    assert CALLS == [120]
    assert collect(dead, ingested, sampled).reused_from == result.step_key
    assert len(people(lake, own)) == asked.asked


def test_two_runs_that_label_one_sample_at_once_have_one_set_of_labels(
    environment: Environment, lake: Lake, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = chained(pipeline, oracle=True)
    step, ingested, sampled = night(environment, lake, own)
    once, judge = iter([later(step)]), quality.judge

    def judged(*given: Any, **more: Any) -> Any:
        for other in once:
            collect(other, ingested, sampled)
        return judge(*given, **more)

    monkeypatch.setattr(quality, "judge", judged)
    ask(step, ingested, sampled)
    result = collect(step, ingested, sampled)
    assert result.reused_from == str(later(step).key)
    assert CALLS == [120]
    everything = lake.read(lake.snapshot("labels", pipeline=own.model), ["article_id", "labeler"]).to_pylist()
    assert len(everything) == len({(row["article_id"], row["labeler"]) for row in everything})
    assert result.datasets["all_labels"].rows == len(everything)


def test_a_reused_night_hands_on_what_other_nights_have_labeled_since(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline, oracle=True)
    step, ingested, sampled = night(environment, lake, own)
    first = label(step, ingested, sampled)
    other = label(*night(environment, lake, own, start=200, run="2"))
    again = label(later(step, "3"), ingested, sampled)
    assert again.reused_from == first.step_key
    assert again.datasets["all_labels"].digest == other.datasets["all_labels"].digest
    assert again.datasets["all_labels"].rows > first.datasets["all_labels"].rows


def test_a_fresh_step_asks_machines_and_people_again_and_a_clear_of_it_machines_alone(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline, oracle=True)
    step, ingested, sampled = night(environment, lake, own)
    asked = ask(step, ingested, sampled)
    collect(step, ingested, sampled)
    relabel = later(step, fresh=True, asked="")
    assert ask(relabel, ingested, sampled).asked == asked.asked
    first = collect(relabel, ingested, sampled)
    assert first.reused_from is None
    assert ask(relabel, ingested, sampled).asked == 0
    assert collect(relabel, ingested, sampled) == first
    assert CALLS == [120, 120]
    cleared = replace(relabel, asked="clear 1")
    assert ask(cleared, ingested, sampled).asked == 0
    assert ask(cleared, ingested, sampled).asked == 0
    second = collect(cleared, ingested, sampled)
    assert CALLS == [120, 120, 120]
    assert second.datasets["labels"].rows == first.datasets["labels"].rows


def test_who_goes_on_with_a_step_that_began_fresh_goes_on_where_it_was(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    own = chained(pipeline)
    step, ingested, sampled = night(environment, lake, own)
    key = ask(step, ingested, sampled).key
    answer_all(environment, own)
    first = collect(step, ingested, sampled)
    asked = ask(replace(step, fresh=True, asked="--fresh"), ingested, sampled)
    assert (asked.waiting, asked.key) == (asked.asked, str(step.key))
    assert asked.key != key
    again = ask(step, ingested, sampled)
    assert (again.waiting, again.key) == (asked.waiting, asked.key)
    answer_all(environment, own, asked.key)
    result = collect(step, ingested, sampled)
    assert result != first
    assert not result.stopped
    assert CALLS == [120, 120]


def test_answers_kept_of_a_labeler_that_was_mended_are_not_used(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    broken = chained(pipeline, oracle=True, label="Weather")
    step, ingested, sampled = night(environment, lake, broken)
    assert label(step, ingested, sampled).stopped
    mended = replace(step, pipeline=chained(pipeline, oracle=True), asked="clear 1")
    assert not label(mended, ingested, sampled).stopped
    assert CALLS == [120, 120]
    rejects = lake.snapshot("rejects", pipeline=pipeline.model)
    assert rejects.rows == 0


class Paid:
    """Asks 2 tokens of somebody whose price is known, or is not."""

    name = "llm:house:writer@default"

    def __init__(self, *, taxonomy: Taxonomy, usd: float | None) -> None:
        self._usd = usd

    def label(self, articles: Sequence[Article]) -> list[Answer]:
        CALLS.append(len(articles))
        usage = Usage(provider="house", model="writer", input_tokens=2)
        return [
            Answer(article_id=a.article_id, labels=("World",), probabilities={"World": 0.9}, cost_usd=self._usd,
                   usage=usage)
            for a in articles
        ]  # fmt: skip


@pytest.mark.parametrize("usd", [None, 0.0, 0.25])
def test_spend_tells_what_is_free_from_what_has_no_known_price(
    environment: Environment, lake: Lake, pipeline: Pipeline, usd: float | None
) -> None:
    paid = LabelerSpec(uses=f"{__name__}:Paid", options={"usd": usd})
    label_section = pipeline.label.model_copy(update={"chain": [paid], "oracle": True})
    own = pipeline.model_copy(update={"label": label_section})
    result = label(*night(environment, lake, own, count=4))
    assert lake.read(result.datasets["spend"])["cost_usd"].to_pylist() == [usd] * 4


def test_what_was_paid_for_is_in_spend_once_whoever_finishes_and_stays_when_it_is_asked_again(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    paid = LabelerSpec(uses=f"{__name__}:Paid", options={"usd": 0.25})
    label_section = pipeline.label.model_copy(update={"chain": [paid], "oracle": True})
    own = pipeline.model_copy(update={"label": label_section})
    step, ingested, sampled = night(environment, lake, own, count=4)

    def spent() -> int:
        return lake.snapshot("spend", pipeline=own.model).rows

    assert label(step, ingested, sampled).stopped
    assert label(later(step), ingested, sampled).stopped
    assert (CALLS, spent()) == ([4], 4)
    relabel = later(step, "3", fresh=True, asked="")
    label(relabel, ingested, sampled)
    assert (CALLS, spent()) == ([4, 4], 8)
    label(replace(relabel, asked="clear 1"), ingested, sampled)
    assert (CALLS, spent()) == ([4, 4, 4], 12)
