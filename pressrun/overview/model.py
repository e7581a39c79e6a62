"""All that the model page shows of one model, read from the lake, the rollout's record and the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pressrun.alerts.watch import in_words, stuck
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.jobs.database import open_database
from pressrun.jobs.outbox import Message, Outbox
from pressrun.lake.lake import Lake
from pressrun.lake.overrides import overrides_of
from pressrun.lake.retraction import Withdrawn, withdrawn
from pressrun.overview.changes import Change, changes
from pressrun.overview.lineage import Box, lineage, model_of
from pressrun.overview.standing_on import gated_on, stands_on
from pressrun.overview.steps import Done, finished_steps, newest, of_run
from pressrun.registry import ModelRef
from pressrun.rollout import RolloutRecord, status
from pressrun.step import open_lake
from pressrun.verdict import Override, Verdict

SHOWN_VERDICTS, SHOWN_MESSAGES = 40, 20


@dataclass(frozen=True, kw_only=True)
class Card:
    """One model: when it was made, from how many examples, what the judges said of it.

    `withdrawn` says on how many rows it stands that were withdrawn since, and which; empty where on none.
    """

    version: str
    digest: str
    made_at: datetime | None
    examples: int | None
    dataset: str | None
    verdicts: tuple[Verdict, ...]
    run_id: str | None = None
    withdrawn: str = ""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The state of one model's loop. `candidate` is the newest training that does not serve.

    `stuck` says since when messages lie undelivered, where they have for long.
    """

    pipeline: Pipeline
    champion: Card | None
    candidate: Card | None
    boxes: tuple[Box, ...]
    changes: tuple[Change, ...]
    verdicts: tuple[Verdict, ...]
    overrides: tuple[Override, ...]
    messages: tuple[Message, ...]
    rollout: RolloutRecord | None
    oracle: bool
    synthetic: bool
    stuck: str = ""


def overview(environment: Environment, pipeline: Pipeline) -> Overview:
    """Reads everything that the page shows; works from the first minute, when there is nothing yet."""
    lake, model = open_lake(environment), pipeline.model
    steps, verdicts = finished_steps(lake, model), _verdicts(lake, model)
    record = status(environment, model)
    served = record.champion if record else None
    champion, candidate = _trained(steps, served), _newest_other(steps, served)
    shown = candidate or champion
    messages, gone = _messages(environment, model), withdrawn(lake, model)
    run = of_run(steps, shown.run) if shown else of_run(steps, steps[-1].run) if steps else {}
    return Overview(
        pipeline=pipeline,
        champion=_marked(lake, gone, steps, champion, _champion_card(served, champion, verdicts)),
        candidate=_marked(lake, gone, steps, candidate, _card(candidate, verdicts)) if candidate else None,
        boxes=lineage(run, requests=_requests(record, run), alerts=len(messages)),
        changes=changes(of_run(steps, champion.run), run) if champion and candidate else (),
        verdicts=tuple(verdicts[:SHOWN_VERDICTS]),
        overrides=overrides_of(lake, pipeline=model),
        messages=messages[:SHOWN_MESSAGES],
        rollout=record,
        oracle=pipeline.label.oracle,
        synthetic=any(verdict.synthetic for verdict in verdicts),
        stuck=in_words(stuck(environment, model=model)),
    )


def _verdicts(lake: Lake, model: str) -> list[Verdict]:
    rows = lake.read(lake.snapshot("verdicts", pipeline=model), columns=("verdict",)).to_pylist()
    found = {v.verdict_id: v for v in (Verdict.model_validate_json(row["verdict"]) for row in rows)}
    return sorted(found.values(), key=lambda verdict: verdict.at, reverse=True)


def _trained(steps: Sequence[Done], model: ModelRef | None) -> Done | None:
    """The training that made the model; the first of those that were reused."""
    if model is None:
        return None
    trainings = (step for step in steps if step.stage == "train")
    return next((step for step in trainings if model_of(step.result).get("digest") == model.digest), None)


def _newest_other(steps: Sequence[Done], served: ModelRef | None) -> Done | None:
    last = newest(steps, "train")
    if last is None or not model_of(last.result):
        return None
    return None if served and model_of(last.result)["digest"] == served.digest else last


def _champion_card(served: ModelRef | None, trained: Done | None, verdicts: Sequence[Verdict]) -> Card | None:
    if served is None:
        return None
    if trained is not None:
        return _card(trained, verdicts)
    return Card(
        version=served.version,
        digest=served.digest,
        made_at=None,
        examples=None,
        dataset=None,
        verdicts=_of_model(served.digest, verdicts),
    )


def _card(trained: Done, verdicts: Sequence[Verdict]) -> Card:
    model, examples = model_of(trained.result), trained.result.datasets.get("examples")
    return Card(
        version=str(model["version"]),
        digest=model["digest"],
        made_at=trained.at,
        examples=examples.rows if examples else None,
        dataset=str(examples) if examples else None,
        verdicts=_of_model(model["digest"], verdicts),
        run_id=model.get("run_id"),
    )


def _marked(lake: Lake, gone: Withdrawn, steps: Sequence[Done], trained: Done | None, card: Card | None) -> Card | None:
    if card is None or trained is None or not gone:
        return card
    labels = [one.result.datasets.get("all_labels") for one in steps if one.run == trained.run and one.stage == "label"]
    examples = trained.result.datasets.get("examples")
    rows = stands_on(
        lake, gone, examples=examples, labels=next(iter(labels), None), judged=gated_on(steps, card.digest)
    )
    said = "; ".join(f"{one}, by {one.actor}: {one.reason}" for one in gone.retractions)
    return replace(card, withdrawn=f"{rows} that are withdrawn ({said})") if rows else card


def _of_model(digest: str, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in verdicts if verdict.model_digest == digest)


def _requests(record: RolloutRecord | None, run: dict[str, Done]) -> int:
    """What the router sent to both arms in the run's rollout, under way or ended."""
    done = run.get("rollout")
    if done is not None:
        return sum((done.result.facts.get("requests") or {}).values())
    if record is None or record.plan is None or not run:
        return 0
    mine = any(record.plan.step_key.startswith(step.run + "/") for step in run.values())
    return sum(record.traffic.requests.values()) if mine else 0


def _messages(environment: Environment, model: str) -> tuple[Message, ...]:
    outbox = Outbox(open_database(environment.database))
    found = [message for thread in outbox.threads(pipeline=model) for message in outbox.messages(thread=thread.thread)]
    return tuple(sorted(found, key=lambda message: message.created_at, reverse=True))
