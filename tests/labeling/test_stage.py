"""The stage over a real lake and a real operational database."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Audit, LabelerSpec, Pipeline
from pressrun.config.taxonomy import Taxonomy
from pressrun.jobs import Questions, open_database
from pressrun.labeling import Answer, Article, ask, collect, export_questions, import_answers, import_labels, waiting
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
    environment: Environment, lake: Lake, pipeline: Pipeline, *, count: int = 120, body: str = "text", run: str = "1"
) -> tuple[Step, StageResult, StageResult]:
    """A step with `count` ingested and sampled articles; number n is of topic n modulo 4."""
    key, model = StepKey(dag_id="d", run_id=run, task_id="source"), pipeline.model
    numbers = range(count)
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


def test_no_answers_in_time_is_insufficient_and_the_machine_labels_go_on(
    environment: Environment, lake: Lake, pipeline: Pipeline
) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline))
    asked = ask(step, ingested, sampled)
    assert asked.waiting == asked.asked == waiting(environment, step.key)
    result = collect(step, ingested, sampled)
    assert result.verdict is not None
    assert result.verdict.decision is Decision.INSUFFICIENT
    rows = labels(lake, result)
    assert {row["labeler"] for row in rows} == {"test:halting"}
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


def test_a_night_with_no_sample_is_nothing_new(environment: Environment, lake: Lake, pipeline: Pipeline) -> None:
    step, ingested, sampled = night(environment, lake, chained(pipeline), count=0)
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
    answers = Questions(open_database(environment.database)).collect(pipeline=own.model, step_key=str(step.key))
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
