"""What steps have cost: tokens, this machine's time, jobs elsewhere, people's minutes, a canary's pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from pressrun.config.environment import Environment
from pressrun.jobs import ExternalJob, ExternalJobs, Questions, open_database
from pressrun.lake.lake import Lake
from pressrun.lake.types import StageResult

HOUR = 3600.0
ORACLE = "oracle"
"""Who answers from the data's own labels, in demos; nobody is paid for it."""


class MonthSpentError(RuntimeError):
    """The month's budget is used up. A retry does not help before it is raised or the month ends."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """`quantity` of `unit`, for `what`, in a step of `stage`. `usd` is None where no price is known."""

    step_key: str
    stage: str
    what: str
    quantity: float
    unit: str
    usd: float | None


def items_of(lake: Lake, environment: Environment, model: str, results: Mapping[str, StageResult]) -> tuple[Item, ...]:
    """The items of these steps, by step key. A step that handed on another's result has cost no more than its jobs."""
    jobs = [job for job in _jobs(environment, model) if job.step_key in results]
    return (*_of_steps(lake, environment, model, results), *(_job(job) for job in jobs))


def _of_steps(lake: Lake, environment: Environment, model: str, results: Mapping[str, StageResult]) -> tuple[Item, ...]:
    own = {key: result for key, result in results.items() if not result.reused_from}
    return (
        *_tokens(lake, model, own),
        *(item for key, result in own.items() for item in _machine(key, result, environment)),
        *_people(environment, own),
        *(item for key, result in own.items() for item in _pods(key, result, environment)),
    )


def total(items: Iterable[Item]) -> float:
    """USD, of what has a price."""
    return sum(item.usd or 0.0 for item in items)


def of_month(lake: Lake, environment: Environment, model: str, *, now: datetime) -> tuple[Item, ...]:
    """The items since the month (UTC) began: of all steps that have finished, and of every job that was seen since.

    A job counts although its step never finishes: its platform sends a bill for what failed, too.
    """
    began = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    columns = ("step_key", "result", "written_at")
    rows = lake.read(lake.snapshot("steps", pipeline=model), columns=columns, since=began).to_pylist()
    found = {
        row["step_key"]: StageResult.model_validate_json(row["result"]) for row in rows if row["written_at"] >= began
    }
    jobs = [job for job in _jobs(environment, model) if _last_seen(job) >= began]
    return (*_of_steps(lake, environment, model, found), *(_job(job) for job in jobs))


def refuse_beyond(
    lake: Lake, environment: Environment, model: str, *, budget_usd: float, now: datetime | None = None
) -> None:
    """Raises MonthSpentError when this month's steps have cost the budget already."""
    at = now or datetime.now(UTC)
    items = of_month(lake, environment, model, now=at)
    spent = total(items)
    if spent < budget_usd:
        return
    parts: dict[str, float] = defaultdict(float)
    for item in items:
        parts[item.what] += item.usd or 0.0
    told = ", ".join(f"{what} {usd:.2f}" for what, usd in sorted(parts.items(), key=lambda p: -p[1]) if usd)
    raise MonthSpentError(
        f"{model} has cost {spent:.2f} USD since {at:%B} began ({told}), and budget_usd_month is {budget_usd:.2f}. "
        "Raise it in the pipeline file, or wait for the next month; what serves goes on serving"
    )


def _tokens(lake: Lake, model: str, own: Mapping[str, StageResult]) -> Iterator[Item]:
    columns = ("step_key", "provider", "model", "input_tokens", "output_tokens", "cost_usd")
    sums: dict[tuple[str, str], list[float | None]] = {}
    for row in lake.read(lake.snapshot("spend", pipeline=model), columns=columns).to_pylist():
        if row["step_key"] in own:
            named = (row["step_key"], f"{row['provider']}:{row['model']}")
            tokens, usd = sums.get(named, [0.0, 0.0])
            used = (row["input_tokens"] or 0) + (row["output_tokens"] or 0)
            known = usd is not None and row["cost_usd"] is not None
            sums[named] = [(tokens or 0.0) + used, (usd or 0.0) + row["cost_usd"] if known else None]
    for (key, name), (tokens, usd) in sums.items():
        yield Item(step_key=key, stage=own[key].stage, what=name, quantity=tokens or 0.0, unit="tokens", usd=usd)


def _machine(key: str, result: StageResult, environment: Environment) -> Iterator[Item]:
    if result.spent is None:
        return
    price, seconds = environment.prices.cpu_hour_usd, result.spent.cpu_seconds
    usd = None if price is None else seconds / HOUR * price
    yield Item(step_key=key, stage=result.stage, what="machine", quantity=seconds, unit="core seconds", usd=usd)


def _jobs(environment: Environment, model: str) -> list[ExternalJob]:
    """Those that a platform has accepted, also those that failed: they were paid for."""
    jobs = ExternalJobs(open_database(environment.database)).of_pipeline(model)
    return [job for job in jobs if job.submitted_at is not None]


def _last_seen(job: ExternalJob) -> datetime:
    return job.ended_at or job.seen_at or job.submitted_at or job.intended_at


def _job(job: ExternalJob) -> Item:
    seconds = (_last_seen(job) - (job.submitted_at or job.intended_at)).total_seconds()
    what = f"{job.platform} job"
    return Item(step_key=job.step_key, stage=job.stage, what=what, quantity=seconds, unit="seconds", usd=job.cost_usd)


def _people(environment: Environment, own: Mapping[str, StageResult]) -> Iterator[Item]:
    price, questions = environment.prices.person_hour_usd, Questions(open_database(environment.database))
    for key in own:
        answered = questions.answered_at(step_key=key)
        seconds = sum(effort(times) for person, times in answered.items() if person != ORACLE)
        if seconds:
            usd = None if price is None else seconds / HOUR * price
            yield Item(step_key=key, stage="label", what="people", quantity=seconds / 60, unit="minutes", usd=usd)


def _pods(key: str, result: StageResult, environment: Environment) -> Iterator[Item]:
    """The candidate's pods from submission to the end of the bake; what serves afterwards is the product's."""
    if environment.kubernetes is None or result.stage != "rollout" or "seconds" not in result.facts:
        return
    from kubernetes.utils.quantity import parse_quantity

    deploy, hours = environment.kubernetes.deploy, float(result.facts["seconds"]) / HOUR
    prices = (environment.prices.cpu_hour_usd, environment.prices.memory_gb_hour_usd)
    sizes = (float(parse_quantity(deploy.cpu)), float(parse_quantity(deploy.memory)) / 1e9)
    pods = deploy.replicas * len(environment.kubernetes.clusters)
    usd = None if None in prices else pods * hours * sum(p * s for p, s in zip(prices, sizes, strict=True) if p)
    yield Item(step_key=key, stage="rollout", what="canary pods", quantity=pods * hours * 60, unit="minutes", usd=usd)


LONGEST_ANSWER = 120.0
"""Seconds; a longer gap between two answers is a pause."""
SHORTEST_ANSWER = 1.0
"""Seconds; answers that are closer came in a file, whose lines do not say how long they took."""


def effort(answered: Sequence[datetime]) -> float:
    """Seconds that one person's answers took: the gaps between them, where a gap tells; the others like these.

    Where none does, half a minute each.
    """
    times = sorted(answered)
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    worked = [gap for gap in gaps if SHORTEST_ANSWER <= gap <= LONGEST_ANSWER]
    usual = sum(worked) / len(worked) if worked else LONGEST_ANSWER / 4
    return sum(worked) + usual * (len(times) - len(worked)) if times else 0.0
