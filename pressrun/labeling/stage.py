"""The stage: ask machines and people, wait, collect."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import timedelta

from pressrun.config.environment import Environment
from pressrun.config.load import load_taxonomy
from pressrun.config.pipeline import LabelerSpec
from pressrun.jobs import Answered, Budgets, Questions, open_database
from pressrun.labeling import quality
from pressrun.labeling.build import machine_specs, options_of
from pressrun.labeling.csv_files import import_dag
from pressrun.labeling.night import (
    Night,
    has_machines,
    label_rows,
    needs_given,
    reject_rows,
    run_machines,
    spend_rows,
    staged_people,
)
from pressrun.labeling.people import ORACLE, answer_as_oracle, people_of, questions_for
from pressrun.labeling.types import Asked
from pressrun.lake.fingerprint import fingerprint, stage_code
from pressrun.lake.tables import rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey
from pressrun.step import Step, run_once
from pressrun.verdict import Verdict

STAGE = "label"
_POLL_SECONDS = 2.0


def ask(step: Step, ingested: StageResult, sampled: StageResult) -> Asked:
    """Runs the machine chain and queues people's questions. Safe to repeat: nothing is paid or asked twice.

    A step that will be reused asks nobody.
    """
    if not sampled.datasets["samples"].rows or _done(step, ingested, sampled):
        return Asked(waiting=0, deadline=None)
    _, asked = _asked(step, ingested, sampled)
    queue, key = _queue(step.environment), str(step.key)
    return Asked(waiting=queue.waiting(step_key=key), deadline=queue.deadline(step_key=key), asked=asked)


def _asked(step: Step, ingested: StageResult, sampled: StageResult) -> tuple[Night, int]:
    night = run_machines(step, ingested, sampled)
    queue, key = _queue(step.environment), str(step.key)
    people = people_of(step.pipeline)
    wait = people.wait if people else timedelta(hours=4)
    questions = questions_for(unsure=night.unsure, audit=night.audit_articles, people=people)
    asked = queue.ask(
        questions, pipeline=step.pipeline.model, step_key=key, taxonomy_version=night.taxonomy.version, wait=wait
    )
    if step.pipeline.label.oracle:
        answer_as_oracle(queue, pipeline=step.pipeline, step_key=key, taxonomy=night.taxonomy, given=night.given)
    return night, asked


def waiting(environment: Environment, step_key: StepKey | str) -> int:
    """How many of the step's questions may still be answered in time; 0 after the deadline."""
    return _queue(environment).waiting(step_key=str(step_key))


def collect(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    """The night's labels, with what people answered so far; late answers come with the next night's."""
    return run_once(
        step,
        stage=STAGE,
        inputs=_inputs(step, ingested, sampled),
        section=step.pipeline.label,
        work=lambda: _collected(step, ingested, sampled),
    )


def label(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    """`ask`, wait until everything is answered or the time is over, `collect`."""
    ask(step, ingested, sampled)
    while left := waiting(step.environment, step.key):
        step.progress(f"waiting for people: {left} questions")
        time.sleep(_POLL_SECONDS)
    return collect(step, ingested, sampled)


def _collected(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    if not sampled.datasets["samples"].rows:
        return StageResult(stage=STAGE, step_key=str(step.key), datasets=_committed(step, [], []), facts=_NOTHING)
    # Another machine may collect than asked: what it lacks is asked for again, by the same rules.
    night, _ = _asked(step, ingested, sampled)
    queue = _queue(step.environment)
    answers = staged_people(step, lambda: queue.collect(pipeline=step.pipeline.model, step_key=str(step.key)))
    rejects = rows_of("rejects", reject_rows(night.chain))
    if rejects.num_rows:
        step.lake.commit("rejects", rejects, key=step.key, pipeline=step.pipeline.model)
    datasets = _committed(step, label_rows(night, answers), spend_rows(step, night.chain))
    facts = _facts(step, night, answers)
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        datasets=datasets,
        verdict=_verdict(step, night, answers, datasets),
        facts=facts,
    )


_NOTHING = {"nothing_new": True, "articles": 0}


def _committed(step: Step, labels: list[dict[str, object]], spend: list[dict[str, object]]) -> dict[str, DatasetRef]:
    lake, model = step.lake, step.pipeline.model
    return {
        "spend": lake.commit("spend", rows_of("spend", spend), key=step.key, pipeline=model),
        "labels": lake.commit("labels", rows_of("labels", labels), key=step.key, pipeline=model),
        "all_labels": lake.snapshot("labels", pipeline=model, including=step.key),
    }


def _verdict(step: Step, night: Night, answers: Sequence[Answered], datasets: dict[str, DatasetRef]) -> Verdict:
    policy = step.pipeline.label.audit
    return Verdict(
        kind="labels",
        pipeline=step.pipeline.model,
        step_key=str(step.key),
        checks=quality.judge(_judged(step, night, answers), policy=policy),
        dataset=str(datasets["labels"]),
        policy_digest=hashlib.sha256(policy.model_dump_json().encode()).hexdigest(),
        notes=_notes(answers),
    )


def _judged(step: Step, night: Night, answers: Sequence[Answered]) -> quality.Night:
    people = {a.article_id: a for a in answers if a.kind == "audit" and a.step_key == str(step.key)}
    sure = [entry for entry in night.chain.labeled.values() if entry.sure and entry.labeler != "given"]
    audited = [
        quality.Audited(labeler=s.labeler, machine=s.answer.labels, person=people[s.article_id].labels)
        for s in sure
        if s.article_id in people and people[s.article_id].labels
    ]
    return quality.Night(
        audited=audited,
        asked=len(night.audit),
        answered=len(people),
        articles=len(night.articles),
        abstained=_unlabeled(night, answers),
        rejected=len(night.chain.rejected),
        spent=_spent(step, night),
        budgets=_limits(step, night),
        machines=has_machines(step),
    )


def _unlabeled(night: Night, answers: Sequence[Answered]) -> int:
    said = {answer.article_id for answer in answers if answer.labels}
    return sum(1 for article in night.unsure if article.article_id not in said)


def _limits(step: Step, night: Night) -> dict[str, float | None]:
    pairs = zip(night.links, machine_specs(step.pipeline), strict=True)
    return {link.name: spec.budget_usd for link, spec in pairs if spec.labeler == "llm"}


def _spent(step: Step, night: Night) -> dict[str, float]:
    budgets = Budgets(open_database(step.environment.database))
    return {name: budgets.spent(f"{step.key}/{name}") for name in _limits(step, night)}


def _notes(answers: Sequence[Answered]) -> tuple[str, ...]:
    marked = any(answer.person == ORACLE for answer in answers)
    return ("people's answers come from an oracle: the data's own labels",) if marked else ()


def _facts(step: Step, night: Night, answers: Sequence[Answered]) -> dict[str, object]:
    sure = [entry.labeler for entry in night.chain.labeled.values() if entry.sure]
    people = [f"person:{answer.person}" for answer in answers if answer.labels and answer.kind == "chain"]
    names = sure + people
    return {
        "articles": len(night.articles),
        "labelers": {name: names.count(name) for name in sorted(set(names))},
        "audited": sum(1 for answer in answers if answer.kind == "audit"),
        "abstained": _unlabeled(night, answers),
        "rejected": len(night.chain.rejected),
        "late": sum(1 for answer in answers if answer.step_key != str(step.key)),
        "oracle": step.pipeline.label.oracle,
        "cost_usd": round(sum(_spent(step, night).values()), 6),
    }


def _queue(environment: Environment) -> Questions:
    return Questions(open_database(environment.database))


def _done(step: Step, ingested: StageResult, sampled: StageResult) -> bool:
    if step.lake.finished(step.key) is not None:
        return True
    inputs, section = _inputs(step, ingested, sampled), step.pipeline.label
    mark = fingerprint(
        stage=STAGE, pipeline=step.pipeline.model, inputs=inputs, section=section, code=stage_code(STAGE)
    )
    return not step.fresh and step.lake.reusable(mark) is not None


def _inputs(step: Step, ingested: StageResult, sampled: StageResult) -> dict[str, DatasetRef | str | None]:
    """What decides the labels, by content."""
    taxonomy = load_taxonomy(step.pipeline)
    return {
        "samples": sampled.datasets["samples"],
        "given": ingested.datasets.get("given") if needs_given(step) else None,
        "taxonomy": hashlib.sha256(taxonomy.model_dump_json().encode()).hexdigest(),
        "prompts": _prompts(machine_specs(step.pipeline)),
        "imported": _imported(step),
    }


def _prompts(specs: Sequence[LabelerSpec]) -> str:
    return hashlib.sha256(repr([options_of(spec) for spec in specs]).encode()).hexdigest()


def _imported(step: Step) -> str:
    """Which files of labels were imported: `all_labels` holds them, so a reused step must have had the same."""
    model = step.pipeline.model
    keys = step.lake.snapshot("labels", pipeline=model).step_keys
    return hashlib.sha256(repr([key for key in keys if key.startswith(import_dag(model))]).encode()).hexdigest()
