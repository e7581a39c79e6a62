"""The way of one model from articles to alerts, as one line of boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pressrun.lake.types import StageResult
from pressrun.overview.steps import Done

_DATASETS = (
    ("articles", "ingest", "articles"),
    ("sample", "sample", "samples"),
    ("labels", "label", "labels"),
    ("examples", "train", "examples"),
)


@dataclass(frozen=True, kw_only=True)
class Box:
    """One station: its count or word, the decision that was made there, and the task that made it."""

    name: str
    text: str
    decision: str | None = None
    step_key: str | None = None
    report: str | None = None


def lineage(run: Mapping[str, Done], *, requests: int, alerts: int) -> tuple[Box, ...]:
    """The boxes of the run whose steps these are; `requests` is the traffic of its rollout, `alerts` its messages."""
    data = [_dataset(run.get(stage), name, dataset) for name, stage, dataset in _DATASETS]
    return (
        *data,
        _model(run.get("train")),
        _judged(run.get("gate"), "gate"),
        _judged(run.get("rollout"), "canary"),
        Box(name="traffic", text=f"{requests:,} requests"),
        Box(name="alerts", text=f"{alerts:,}"),
    )


def model_of(result: StageResult) -> Mapping[str, str]:
    """The model that a training made, as plain values; empty when it made none."""
    return result.facts.get("model") or {}


def _dataset(done: Done | None, name: str, dataset: str) -> Box:
    found = done.result.datasets.get(dataset) if done else None
    if done is None or found is None:
        return Box(name=name, text="–")
    verdict = done.result.verdict
    decision = verdict.decision.value if verdict else None
    return Box(name=name, text=f"{found.rows:,}", decision=decision, step_key=done.step_key)


def _model(done: Done | None) -> Box:
    version = model_of(done.result).get("version") if done else None
    return Box(name="model", text=f"v{version}" if version else "–", step_key=done.step_key if done else None)


def _judged(done: Done | None, name: str) -> Box:
    if done is None:
        return Box(name=name, text="–")
    verdict = done.result.verdict
    if verdict is None:
        word = "nothing new" if done.result.facts.get("nothing_new") else "–"
        return Box(name=name, text=word, step_key=done.step_key)
    decision = verdict.decision.value
    return Box(name=name, text=decision, decision=decision, step_key=done.step_key, report=verdict.report)
