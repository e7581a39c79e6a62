"""What to do next, after each stage on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.lake import StageResult
    from pressrun.step import Step

# By the stage's name in results: the command after it.
_AFTER = {"ingest": "sample", "sample": "label", "label": "train", "train": "gate", "gate": "rollout"}
# By stage and decision: what to do about a verdict that is no pass.
_STOPPED = {
    "ingest": {"fail": "mend the files, or articles.batch in the pipeline's file; then again: pressrun ingest{named}"},
    "label": {
        "insufficient": "answer what waits: pressrun label export FILE{named}; then again: pressrun label{named}",
        "fail": "raise accept_above or mend the chain in the pipeline's file; then again: pressrun label{named}",
    },
    "gate": {
        "insufficient": "nothing ships yet; answers that come now count in the next run: pressrun ingest{named}",
        "fail": "nothing ships, what serves goes on; the report says where it lost (or: pressrun override)",
    },
}


def following(result: StageResult, step: Step, *, named: str | None) -> str | None:
    """A line that says what to do now; None where nothing is to be done.

    `named` is the pipeline as the user called it.
    """
    pipeline = f" {named}" if named else ""
    if result.verdict is not None and result.verdict.decision.value != "pass":
        said = _STOPPED.get(result.stage, {}).get(result.verdict.decision.value)
        return said.format(named=pipeline) if said else None
    if result.stage == "rollout" and result.verdict is not None:
        return _ask(step)
    after = _AFTER.get(result.stage)
    if after is None or (after == "rollout" and result.verdict is None):
        return None
    return f"next: pressrun {after}{pipeline}{', while `pressrun supervise` runs' if after == 'rollout' else ''}"


def _ask(step: Step) -> str:
    serving, model = step.environment.serving, step.pipeline.model
    body = '{"title": "...", "body": "..."}'
    return f"ask it: curl -s http://{serving.host}:{serving.router_port}/predict/{model} -d '{body}'"
