"""The stage: ask machines and people, wait, collect."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pressrun.config.environment import Environment
from pressrun.config.load import load_taxonomy
from pressrun.jobs import Budgets, Questions, open_database
from pressrun.labeling import quality
from pressrun.labeling.build import machine_specs, options_of
from pressrun.labeling.desk import STAGE, Desk, Said, as_begun, desk_of, said
from pressrun.labeling.night import (
    Night,
    has_machines,
    label_rows,
    needs_given,
    person_row,
    read_given,
    reject_rows,
    run_machines,
    spend_rows,
)
from pressrun.labeling.people import ORACLE, answer_as_oracle, people_of, questions_for
from pressrun.labeling.types import Asked
from pressrun.lake.retraction import withdrawn
from pressrun.lake.tables import rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey
from pressrun.step import Opening, Step, open_step, run_once, settled
from pressrun.verdict import Decision, Verdict
from pressrun.verdict.model import decide

_POLL_SECONDS = 2.0


def ask(step: Step, ingested: StageResult, sampled: StageResult) -> Asked:
    """Runs the machine chain and queues people's questions. Safe to repeat: nothing is paid or asked twice.

    A step that has finished, or will hand on another's labels, asks nobody.
    """
    if not sampled.datasets["samples"].rows:
        return Asked(waiting=0, deadline=None)
    step = as_begun(step)
    opening = _open(step, ingested, sampled)
    if opening.finished or opening.earlier:
        return Asked(waiting=0, deadline=None)
    desk = desk_of(step, sampled)
    _, asked = _asked(step, ingested, sampled, desk)
    queue = _queue(step.environment)
    left, deadline = queue.waiting(step_key=desk.key), queue.deadline(step_key=desk.key)
    return Asked(waiting=left, deadline=deadline, asked=asked, key=desk.key)


def _asked(step: Step, ingested: StageResult, sampled: StageResult, desk: Desk) -> tuple[Night, int]:
    night = run_machines(step, ingested, sampled, desk)
    queue = _queue(step.environment)
    people = people_of(step.pipeline)
    wait = people.wait if people else timedelta(hours=4)
    questions = questions_for(unsure=night.unsure, audit=night.audit_articles, people=people)
    asked = queue.ask(
        questions,
        pipeline=step.pipeline.model,
        step_key=desk.key,
        taxonomy_version=night.taxonomy.version,
        wait=wait,
        renew=desk.first_time(step),
    )
    if step.pipeline.label.oracle:
        answer_as_oracle(queue, pipeline=step.pipeline, step_key=desk.key, taxonomy=night.taxonomy, given=night.given)
    return night, asked


def waiting(environment: Environment, key: StepKey | str) -> int:
    """How many questions of `Asked.key` may still be answered in time; 0 after the deadline."""
    return _queue(environment).waiting(step_key=str(key))


def collect(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    """The night's labels, with what people answered so far; late answers come with the next night's.

    Dataset `samples` is what was labeled, `labels` are this step's rows, `all_labels` those of all nights with them.
    Machine labels that the audit stops have the role `refused`: nothing is trained on them, and the sample is labeled
    again by the next run that has no articles of its own, or by this one when it is cleared.
    """
    return settled(lambda: _attempt(step, ingested, sampled))


def label(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    """`ask`, wait until everything is answered or the time is over, `collect`."""
    asked = ask(step, ingested, sampled)
    while left := waiting(step.environment, asked.key):
        step.progress(f"waiting for people: {left} questions")
        time.sleep(_POLL_SECONDS)
    return collect(step, ingested, sampled)


def _attempt(step: Step, ingested: StageResult, sampled: StageResult) -> StageResult:
    step = as_begun(step)
    opening = _open(step, ingested, sampled)
    desk = desk_of(step, sampled)
    night = None
    if sampled.datasets["samples"].rows and not (opening.finished or opening.earlier):
        # Another machine may collect than asked: what it lacks is asked for again, by the same rules.
        night, _ = _asked(step, ingested, sampled, desk)
    before = step.lake.snapshot("labels", pipeline=step.pipeline.model, without=step.key)
    answers = said(step, _queue(step.environment), desk, before)
    return run_once(
        step,
        stage=STAGE,
        inputs=_inputs(step, ingested, sampled),
        section=step.pipeline.label,
        work=lambda: _collected(step, sampled, night, answers, desk),
        refreshed=lambda earlier: _with_all_labels(step, earlier),
        upon=(before, answers.digest),
    )


def _open(step: Step, ingested: StageResult, sampled: StageResult) -> Opening:
    return open_step(step, stage=STAGE, inputs=_inputs(step, ingested, sampled), section=step.pipeline.label)


def _with_all_labels(step: Step, earlier: StageResult) -> StageResult:
    """Other nights may have been labeled since."""
    everything = step.lake.snapshot("labels", pipeline=step.pipeline.model)
    return earlier.model_copy(update={"datasets": earlier.datasets | {"all_labels": everything}})


def _collected(step: Step, sampled: StageResult, night: Night | None, answers: Said, desk: Desk) -> StageResult:
    if night is None:
        return _late(step, sampled, answers)
    checks = quality.judge(_judged(step, night, answers, desk), policy=step.pipeline.label.audit)
    accepted = decide(checks) is Decision.PASS
    tables = {
        "rejects": reject_rows(night.chain),
        "spend": spend_rows(step, night, desk),
        "labels": label_rows(night, answers.new, accepted=accepted),
    }
    datasets = _committed(step, sampled, tables)
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        datasets=datasets,
        verdict=_verdict(step, checks, answers, datasets),
        facts=_facts(step, night, answers, desk),
    )


def _late(step: Step, sampled: StageResult, answers: Said) -> StageResult:
    """A night without a sample: only what people said late."""
    rows = [person_row(answer) for answer in answers.new]
    datasets = _committed(step, sampled, {"rejects": [], "spend": [], "labels": rows})
    facts = {"nothing_new": not rows, "articles": 0, "late": len(rows)}
    return StageResult(stage=STAGE, step_key=str(step.key), datasets=datasets, facts=facts)


def _committed(step: Step, sampled: StageResult, tables: Mapping[str, list[dict[str, Any]]]) -> dict[str, DatasetRef]:
    lake, model = step.lake, step.pipeline.model
    own = {name: lake.commit(name, rows_of(name, rows), key=step.key, pipeline=model) for name, rows in tables.items()}
    everything = lake.snapshot("labels", pipeline=model, including=step.key)
    return own | {"samples": sampled.datasets["samples"], "all_labels": everything}


def _verdict(step: Step, checks: tuple[quality.Check, ...], answers: Said, datasets: dict[str, DatasetRef]) -> Verdict:
    policy = step.pipeline.label.audit
    return Verdict(
        kind="labels",
        pipeline=step.pipeline.model,
        step_key=str(step.key),
        checks=checks,
        dataset=str(datasets["labels"]),
        policy_digest=hashlib.sha256(policy.model_dump_json().encode()).hexdigest(),
        notes=_notes(answers),
    )


def _judged(step: Step, night: Night, answers: Said, desk: Desk) -> quality.Night:
    people = {answer.article_id: answer for answer in answers.here if answer.kind == "audit"}
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
        spent=_spent(step, night, desk),
        budgets=_limits(step, night),
        machines=has_machines(step, night),
    )


def _unlabeled(night: Night, answers: Said) -> int:
    told = {answer.article_id for answer in answers.all if answer.labels}
    return sum(1 for article in night.unsure if article.article_id not in told)


def _limits(step: Step, night: Night) -> dict[str, float | None]:
    pairs = zip(night.links, machine_specs(step.pipeline), strict=True)
    return {link.name: spec.budget_usd for link, spec in pairs if spec.labeler == "llm"}


def _spent(step: Step, night: Night, desk: Desk) -> dict[str, float | None]:
    """USD by labeler; None where a call's price is not known, which is not the same as nothing."""
    budgets = Budgets(open_database(step.environment.database))
    unknown = {name for name, answer in night.chain.answers if answer.cost_usd is None}
    return {name: None if name in unknown else budgets.spent(f"{desk.work}/{name}") for name in _limits(step, night)}


def _notes(answers: Said) -> tuple[str, ...]:
    marked = any(answer.person == ORACLE for answer in answers.all)
    return ("people's answers come from an oracle: the data's own labels",) if marked else ()


def _facts(step: Step, night: Night, answers: Said, desk: Desk) -> dict[str, object]:
    sure = [entry.labeler for entry in night.chain.labeled.values() if entry.sure]
    people = [f"person:{answer.person}" for answer in answers.all if answer.labels and answer.kind == "chain"]
    names, spent = sure + people, list(_spent(step, night, desk).values())
    return {
        "articles": len(night.articles),
        "labelers": {name: names.count(name) for name in sorted(set(names))},
        "audited": sum(1 for answer in answers.all if answer.kind == "audit"),
        "abstained": _unlabeled(night, answers),
        "rejected": len(night.chain.rejected),
        "late": sum(1 for answer in answers.new if answer.step_key != desk.key),
        "oracle": step.pipeline.label.oracle,
        "cost_usd": None if None in spent else round(sum(usd or 0.0 for usd in spent), 6),
    }


def _queue(environment: Environment) -> Questions:
    return Questions(open_database(environment.database))


def _inputs(step: Step, ingested: StageResult, sampled: StageResult) -> dict[str, DatasetRef | str | None]:
    """What decides the labels, by content; with no sample, that which people have said late."""
    taxonomy, samples = load_taxonomy(step.pipeline), sampled.datasets["samples"]
    return {
        "samples": samples,
        "given": _digest(sorted(read_given(step, ingested, sampled).items())) if needs_given(step) else None,
        "taxonomy": hashlib.sha256(taxonomy.model_dump_json().encode()).hexdigest(),
        "prompts": _digest([options_of(spec) for spec in machine_specs(step.pipeline)]),
        "late": None if samples.rows else _late_digest(step, sampled),
        "withdrawn": withdrawn(step.lake, step.pipeline.model).digest,
    }


def _late_digest(step: Step, sampled: StageResult) -> str:
    before = step.lake.snapshot("labels", pipeline=step.pipeline.model, without=step.key)
    return said(step, _queue(step.environment), desk_of(step, sampled), before).digest


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
