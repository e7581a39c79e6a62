"""Real SIGKILLs at boundaries of every stage and job: a share of benchmarks/kills.py, and what makes it notice."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from kills_jobs import JobSubject, job_subjects
from kills_lineage import At, InJob, Outcome, Subject, run
from kills_local import LocalSubject
from kills_night import MODULES
from kills_rollout import RolloutSubject
from kills_stages import StageSubject, labeling_service, subjects
from kills_template import Template

pytestmark = pytest.mark.slow
# So many boundaries of each stage, and half as many of each platform's job, which dies in its driver as well.
SHARE = 2


@dataclass(frozen=True, kw_only=True)
class Nights:
    """A template that forks tries, the homes to kill in, and a labeling service."""

    template: Template
    base: Path
    service: str


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    folder = tmp_path_factory.mktemp("kills")
    with Template(MODULES) as template, labeling_service() as service:
        made = template.fork("kills_night:prepare", {"folder": str(folder / "base")}, log=folder / "log")
        assert made.wait(600) == 0, (folder / "log").read_text()
        yield Nights(template=template, base=folder / "base", service=service)


def killed(subject: Subject, folder: Path, *, share: int) -> list[Outcome]:
    """Lineages at a few boundaries, and in a job at one of its own."""
    unharmed, chance = subject.unharmed(folder / "unharmed"), random.Random(subject.name)
    kills: list[At | InJob] = [At(boundary=at) for at in chance.sample(range(len(unharmed.boundaries)), share)]
    if unharmed.in_job:
        kills.append(InJob(boundary=chance.randrange(len(unharmed.in_job))))
    return [killed_at(subject, kill, folder / f"lineage-{number}") for number, kill in enumerate(kills)]


def killed_at(subject: Subject, kill: At | InJob, folder: Path) -> Outcome:
    """A lineage that is killed there, or earlier: how often a job is looked at, so how many boundaries there are, hangs
    on how fast it runs."""
    outcome = run(subject, [kill], folder / str(kill.boundary))
    if outcome.kills or outcome.wrong or not kill.boundary:
        return outcome
    return killed_at(subject, type(kill)(boundary=kill.boundary // 2), folder)


def all_killed(found: Sequence[Subject], folder: Path, *, share: int) -> list[Outcome]:
    """Two subjects at a time."""
    with ThreadPoolExecutor(2) as pool:
        many = pool.map(lambda one: killed(one[1], folder / str(one[0]), share=share), enumerate(found))
        return [outcome for outcomes in many for outcome in outcomes]


def at(subject: StageSubject | JobSubject | LocalSubject, boundary: str, folder: Path) -> Outcome:
    """A lineage that is killed at the first boundary of that name."""
    passed = subject.unharmed(folder / "unharmed").boundaries
    return run(subject, [At(boundary=passed.index(boundary))], folder / "lineage")


def test_a_stage_that_is_killed_anywhere_loses_and_doubles_nothing(nights: Nights, tmp_path: Path) -> None:
    found = subjects(nights.template, nights.base, service=nights.service)
    outcomes = all_killed(found, tmp_path, share=SHARE)
    assert [one for one in outcomes if one.wrong] == []
    assert sum(len(one.kills) for one in outcomes) == SHARE * len(found)


def test_a_job_whose_try_or_driver_is_killed_runs_once_and_leaves_its_rows_once(nights: Nights, tmp_path: Path) -> None:
    here = LocalSubject(template=nights.template, base=nights.base)
    found: list[Subject] = [here, *job_subjects(nights.template, nights.base)]
    outcomes = all_killed(found, tmp_path, share=SHARE // 2)
    assert [one for one in outcomes if one.wrong] == []
    assert sum(len(one.kills) for one in outcomes) == (SHARE // 2 + 1) * len(found)


def test_a_rollout_whose_try_or_supervisor_is_killed_promotes_once(nights: Nights, tmp_path: Path) -> None:
    outcomes = killed(RolloutSubject(template=nights.template, base=nights.base), tmp_path, share=SHARE)
    assert [one for one in outcomes if one.wrong] == []


def test_a_stage_that_commits_without_its_key_is_counted_as_doubled(nights: Nights, tmp_path: Path) -> None:
    careless = StageSubject("ingest", template=nights.template, base=nights.base, careless="no key")
    outcome = at(careless, "after a commit to the lake", tmp_path)
    assert outcome.doubled
    assert not outcome.lost


def test_a_stage_whose_retry_takes_it_for_done_is_counted_as_lost(nights: Nights, tmp_path: Path) -> None:
    careless = StageSubject("ingest", template=nights.template, base=nights.base, careless="no retry")
    outcome = at(careless, "before a commit to the lake", tmp_path)
    assert outcome.lost
    assert not outcome.doubled


def test_a_platform_without_its_token_is_counted_as_started_twice(nights: Nights, tmp_path: Path) -> None:
    careless = JobSubject("emr_serverless", template=nights.template, base=nights.base, careless="no token")
    outcome = at(careless, "after a request to the platform", tmp_path)
    assert outcome.started_twice == 1


def test_a_driver_on_this_machine_that_starts_beside_another_is_counted_as_started_twice(
    nights: Nights, tmp_path: Path
) -> None:
    careless = LocalSubject(template=nights.template, base=nights.base, careless="no token")
    outcome = at(careless, "after a process is started", tmp_path)
    assert outcome.started_twice == 1
