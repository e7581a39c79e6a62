"""`pressrun canary`: a candidate against a champion, both servers that somebody else runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from pressrun.cli.options import PipelineName, pipeline_of
from pressrun.cli.terminal import err, exit_code, out, tell_verdict

if TYPE_CHECKING:
    from pressrun.config.pipeline import Rollout
    from pressrun.rollout.alone import Canaried, Seen

_PHASES = {
    "starting": "waiting for both servers",
    "baking": "a last look",
    "promoting": "passed every step",
    "rolling_back": "back to the champion",
}


def canary(
    champion: Annotated[str, typer.Option(help="where the champion answers: http://HOST:PORT/v2/models/NAME")],
    candidate: Annotated[str, typer.Option(help="where the candidate answers, likewise")],
    requests: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="JSON Lines: a v2 inference request a line, replayed")
    ],
    pipeline: PipelineName = None,
    steps: Annotated[str | None, typer.Option(help="the candidate's shares in percent: 5,25,50,100")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="requests a second")] = 20.0,
    min_requests: Annotated[int | None, typer.Option(help="of the candidate, a step")] = None,
    max_step: Annotated[str | None, typer.Option(help="with too few requests by then: insufficient")] = None,
    bake: Annotated[str, typer.Option(help="how long to watch after the last step")] = "0s",
    shadow: Annotated[str | None, typer.Option(help="share of requests put to both, to compare answers")] = None,
    error_rate: Annotated[str | None, typer.Option(help="how much above the champion's, as a share")] = None,
    latency_ratio: Annotated[float | None, typer.Option(help="p99 against the champion's")] = None,
    disagreement: Annotated[str | None, typer.Option(help="share of compared answers that may differ")] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="an HTML file for the verdict")] = None,
) -> None:
    """May the candidate take the champion's traffic? On any two servers of the Open Inference Protocol.

    Replays the requests through Pressrun's router, the candidate's share rising step by step; what it does not answer
    within 3 s the champion does. Budgets that are not given are those of the pipeline's rollout. Nothing is promoted.
    """
    from pressrun.rollout.alone import canary as run_canary
    from pressrun.rollout.endpoint import Endpoint, read_requests

    budgets = {"error_rate": error_rate, "latency_ratio": latency_ratio, "disagreement": disagreement}
    given = {"steps": steps, "min_requests": min_requests, "max_step": max_step, "bake": bake, "shadow": shadow}
    judging = pipeline_of(pipeline)
    policy = policy_of(judging.rollout, given, budgets)
    old, new, bodies = Endpoint.of(champion), Endpoint.of(candidate), read_requests(requests)
    with _Board() as board:
        running = run_canary(old, new, bodies, policy=policy, rate=rate, pipeline=judging.model, told=board.tell)
        ended = asyncio.run(running)
    _leave(ended, report)


def policy_of(rollout: Rollout, given: Mapping[str, Any], budgets: Mapping[str, Any]) -> Rollout:
    """The pipeline's rollout with what the options say instead. Raises ValueError that names the option."""
    from pydantic import ValidationError

    changed = rollout.model_dump() | {name: value for name, value in given.items() if value is not None}
    changed["budgets"] |= {name: value for name, value in budgets.items() if value is not None}
    if given.get("steps"):
        changed["steps"] = [part.strip() for part in given["steps"].split(",")]
    try:
        return type(rollout).model_validate(changed)
    except ValidationError as error:
        raise ValueError("\n".join(_told(problem) for problem in error.errors())) from None


def _told(problem: Any) -> str:
    named = [part for part in problem["loc"] if isinstance(part, str) and part != "budgets"]
    option = "latency-ratio" if named[:1] == ["latency_ratio"] else named[0].replace("_", "-")
    return f"--{option}: {problem['msg'].removeprefix('Value error, ')}"


def _leave(ended: Canaried, report: Path | None) -> None:
    verdict, traffic = ended.verdict, ended.traffic
    if report is not None:
        from pressrun.verdict.page import to_page

        verdict = verdict.model_copy(update={"report": str(report)})
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(to_page(verdict), encoding="utf-8")
    tell_verdict(verdict, all_checks=True)
    sent = ", ".join(f"{arm} {count:,}" for arm, count in sorted(traffic.requests.items())) or "none"
    counted = f"requests: {sent}; {traffic.pairs:,} compared, {traffic.retried:,} asked again, {traffic.lost:,} lost"
    out.print(f"  {counted}", style="dim", highlight=False, soft_wrap=True)
    raise typer.Exit(exit_code(verdict))


class _Board:
    """The present weights and counts as one live line; a line stays of each step that was entered."""

    def __init__(self) -> None:
        self._live, self._entered = Live(console=err, transient=True, refresh_per_second=4), ("", -1)

    def __enter__(self) -> _Board:
        self._live.start()
        return self

    def __exit__(self, *of: object) -> None:
        self._live.stop()

    def tell(self, seen: Seen) -> None:
        entered = (seen.phase.value, seen.weight)
        if entered != self._entered:
            self._entered = entered
            words = _PHASES.get(seen.phase.value, "of the requests to the candidate")
            err.print(f"  {seen.weight:>3}%  {words}", style="dim", highlight=False)
        self._live.update(Text(f"  {seen.weight:>3}%  {_counts(seen)}"))


def _counts(seen: Seen) -> str:
    arms = sorted(seen.counts.arms.items())
    said = [f"{name} {one.requests:,} requests, {one.errors:,} errors" for name, one in arms]
    return "; ".join([*said, f"{seen.counts.disagreements:,} of {seen.counts.pairs:,} compared differ"])
