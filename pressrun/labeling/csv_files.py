"""People's questions and answers as CSV files, for those who label in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pressrun.config.environment import Environment
from pressrun.config.load import load_taxonomy
from pressrun.config.pipeline import Pipeline
from pressrun.config.taxonomy import Taxonomy
from pressrun.jobs import AnswerOutcome, Question, Questions, open_database
from pressrun.lake.lake import Lake
from pressrun.lake.tables import rows_of
from pressrun.lake.types import StageResult, StepKey
from pressrun.step import Step, run_once

COLUMNS = ("question_id", "title", "body", "topics", "answer")
SEPARATOR = "|"
CANNOT_SAY = "?"
_PERSON = re.compile(r"^[\w.@+-]{1,100}$")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of an answer file; `rejected` holds (line, reason)."""

    accepted: int
    already: int
    empty: int
    rejected: tuple[tuple[int, str], ...]


def import_dag(model: str) -> str:
    """The first part of the step keys of imported labels."""
    return f"{model}_import"


def export_questions(environment: Environment, pipeline: Pipeline, path: Path, *, most: int | None = None) -> int:
    """Writes the open questions, with an empty column `answer`. Returns how many.

    An answer is a topic, several separated by `|`, or `?` when one cannot say.
    """
    questions = Questions(open_database(environment.database)).unanswered(pipeline=pipeline.model, most=most)
    topics = SEPARATOR.join(load_taxonomy(pipeline).names)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_question_row(question, topics) for question in questions)
    return len(questions)


def import_answers(environment: Environment, pipeline: Pipeline, path: Path, *, person: str) -> Imported:
    """Reads the answers of an exported file. The first answer to a question stands, so a repeat changes nothing."""
    _checked_person(person)
    queue, taxonomy = Questions(open_database(environment.database)), load_taxonomy(pipeline)
    counts = dict.fromkeys(("accepted", "already", "empty"), 0)
    rejected: list[tuple[int, str]] = []
    for line, row in _read(path, needed=("question_id", "answer")):
        kind, reason = _import_answer(queue, row, taxonomy=taxonomy, person=person)
        if reason:
            rejected.append((line, reason))
        else:
            counts[kind] += 1
    return Imported(rejected=tuple(rejected), **counts)


def import_labels(environment: Environment, pipeline: Pipeline, lake: Lake, path: Path, *, person: str) -> StageResult:
    """Imports a CSV with columns article_id and label as `person`'s labels, to be trained on. Idempotent by content.

    An unknown article, or a label outside the taxonomy, is a row of `rejects` with the reason.
    """
    _checked_person(person)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    key = StepKey(dag_id=import_dag(pipeline.model), run_id=f"{person}:{digest[:16]}", task_id="labels")
    step = Step(key=key, pipeline=pipeline, environment=environment, lake=lake, fresh=True, asked="")
    taxonomy = load_taxonomy(pipeline)
    inputs = {"file": digest, "person": person}
    work = lambda: _import_labels(step, path, taxonomy=taxonomy, person=person)  # noqa: E731
    return run_once(step, stage="label", inputs=inputs, section=pipeline.label, work=work)


def _import_labels(step: Step, path: Path, *, taxonomy: Taxonomy, person: str) -> StageResult:
    lake, model = step.lake, step.pipeline.model
    known = set(lake.read(lake.snapshot("articles", pipeline=model), ["article_id"])["article_id"].to_pylist())
    at = datetime.now(UTC)
    labels: dict[str, dict[str, Any]] = {}
    rejects: list[dict[str, Any]] = []
    for line, row in _read(path, needed=("article_id", "label")):
        topics, reason = _topics(row["label"], taxonomy)
        reason = reason if row["article_id"] in known else f"article {row['article_id'][:80]!r} is not in the lake"
        if reason or not topics:
            rejects.append(_reject(path, line, row, reason or "no label"))
        else:
            labels[row["article_id"]] = _label(row["article_id"], topics, taxonomy, person=person, at=at)
    datasets = {
        name: lake.commit(name, rows_of(name, rows), key=step.key, pipeline=model)
        for name, rows in (("rejects", rejects), ("labels", list(labels.values())))
    }
    facts = {"labels": len(labels), "rejects": len(rejects)}
    return StageResult(stage="label", step_key=str(step.key), datasets=datasets, facts=facts)


def _question_row(question: Question, topics: str) -> tuple[str, ...]:
    return (question.question_id, _inert(question.title), _inert(question.body), topics, "")


def _inert(text: str) -> str:
    # A cell that begins so is a formula to a spreadsheet, and the text is a stranger's.
    return f"'{text}" if text.lstrip()[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r"} else text


def _import_answer(
    queue: Questions, row: Mapping[str, str], *, taxonomy: Taxonomy, person: str
) -> tuple[str, str | None]:
    if not row["answer"]:
        return "empty", None
    topics, reason = _topics(row["answer"], taxonomy)
    if reason:
        return "", reason
    outcome = queue.answer(question_id=row["question_id"], person=person, labels=topics)
    if outcome is AnswerOutcome.ACCEPTED:
        return "accepted", None
    return ("already", None) if outcome is AnswerOutcome.ALREADY else ("", outcome.value)


def _topics(text: str, taxonomy: Taxonomy) -> tuple[tuple[str, ...], str | None]:
    if text == CANNOT_SAY:
        return (), None
    spelled = [part.strip() for part in text.split(SEPARATOR) if part.strip()]
    outside = [part for part in spelled if taxonomy.resolve(part) is None]
    if outside:
        return (), f"label {outside[0][:80]!r} is outside the taxonomy ({', '.join(taxonomy.names)})"
    return tuple(dict.fromkeys(str(taxonomy.resolve(part)) for part in spelled)), None


def _read(path: Path, *, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            given = ", ".join(reader.fieldnames or ()) or "none"
            raise ValueError(f"{path}: column {', '.join(missing)} is missing; the file's columns are {given}")
        for row in reader:
            yield reader.line_num, {name: (row[name] or "").strip() for name in needed}


def _label(
    article_id: str, topics: tuple[str, ...], taxonomy: Taxonomy, *, person: str, at: datetime
) -> dict[str, Any]:
    return {
        "article_id": article_id,
        "taxonomy_version": taxonomy.version,
        "labels": list(topics),
        "probabilities": [(topic, 1.0) for topic in topics],
        "abstained": False,
        "labeler": f"person:{person}",
        "role": "train",
        "cost_usd": 0.0,
        "labeled_at": at,
    }


def _reject(path: Path, line: int, row: Mapping[str, str], reason: str) -> dict[str, Any]:
    excerpt = row["label"][:200]
    return {"origin": path.name, "line": line, "article_id": row["article_id"], "reason": reason, "excerpt": excerpt}


def _checked_person(person: str) -> None:
    if not _PERSON.match(person):
        raise ValueError(f"a person is named by letters, digits and . @ + - _, given {person!r}")
