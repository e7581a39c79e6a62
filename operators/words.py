"""The last line of a stopped task's log: what was found, what that means, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.verdict import Verdict

_SHOWN = 3
_NAMES = {
    "batch": "Batch of articles",
    "labels": "Labels",
    "gate": "Gate",
    "canary": "Canary",
    "drift": "Drift",
    "freshness": "Freshness",
}
_SECTIONS = {
    "batch": ("articles", "batch"),
    "labels": ("label", "audit"),
    "gate": ("gate",),
    "canary": ("rollout",),
    "drift": ("drift",),
    "freshness": ("fresh_by",),
}
_MEANS = {
    "batch": "No label was bought tonight.",
    "labels": "Nothing was trained on these labels.",
    "gate": "{champion} stays.",
    "canary": "{champion} serves all traffic.",
    "drift": "",
    "freshness": "{champion} still serves.",
}
_FORCED = "A person forced the candidate: it serves all traffic."
_REMEDIES = {
    "batch": "Mend the files or change {section} in {place}, then clear this task: the files are read again.",
    "labels": "Mend the labelers or change {section} in {place}, then clear this task: what was paid for is kept.",
    "gate": "Open the gate report; a policy that is too strict is {section} in {place}: change it and clear this task.",
    "canary": "Open the rollout; the limits are {section} in {place}.",
    "drift": "Open the drift report; the limits are {section} in {place}.",
    "freshness": "Look at the newest run of the retrain DAG.",
}
_MORE_TRUTH = {
    "labels": "Answer the queue or change {section} in {place}, then clear this task: what was paid for is kept.",
    "gate": "Answer the queue or change {section} in {place}, then trigger the DAG again: what is done is reused.",
}


def last_line(verdict: Verdict, pipeline_file: str | Path) -> str:
    """One line a person can act on, for a verdict that is not a pass."""
    kind = verdict.kind
    found = "; ".join(_reasons(verdict)) or "nothing could be checked"
    means = _FORCED if verdict.forced else _MEANS[kind].format(champion=_champion(verdict))
    todo = _remedy(verdict).format(section=".".join(_SECTIONS[kind]), place=place(pipeline_file, _SECTIONS[kind]))
    return " ".join(part for part in (f"{_NAMES[kind]}: {verdict.decision}, {found}.", means, todo) if part)


def place(pipeline_file: str | Path, keys: tuple[str, ...]) -> str:
    """`config/pipelines/topics.yaml:30`, the line of the key where the file names it."""
    from pressrun.config.document import read_document
    from pressrun.config.problems import shown_path

    document = read_document(Path(pipeline_file))
    line = document.line(keys)
    shown = shown_path(Path(pipeline_file))
    return f"{shown}:{line}" if line else shown


def _reasons(verdict: Verdict) -> list[str]:
    reasons = [check.reason.rstrip(". ") for check in verdict.decisive]
    more = len(reasons) - _SHOWN
    return reasons if more <= 0 else [*reasons[:_SHOWN], f"and {more} more"]


def _remedy(verdict: Verdict) -> str:
    from pressrun.verdict import Decision

    starved = verdict.decision is Decision.INSUFFICIENT and verdict.kind in _MORE_TRUTH
    return (_MORE_TRUTH if starved else _REMEDIES)[verdict.kind]


def _champion(verdict: Verdict) -> str:
    return f"Champion v{verdict.champion_version}" if verdict.champion_version else "What serves now"
