"""Rollouts of good and of bad candidates on a real cluster, under load, counted by the readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from pressrun.rollout import Outcome
from pressrun.rollout.types import Phase
from pressrun.verdict import Decision
from tests.kubernetes.incidents import SETTLE, Incident, incident
from tests.kubernetes.load import LoadClient, Request
from tests.kubernetes.site import POLICY, Site

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]


def failing(outcome: Outcome) -> list[str]:
    return [check.metric for check in outcome.verdict.checks if check.decision is Decision.FAIL]


def failed_request(request: Request) -> bool:
    return request.failed


def rolled_back_in_time(site: Site, load: LoadClient, found: Incident, outcome: Outcome, share: int) -> None:
    """What holds whatever was wrong with the candidate."""
    assert outcome.phase is Phase.ROLLED_BACK, site.story()
    assert (found.on_champion, found.after) == (0, 0), (found, site.story())
    assert found.failed <= share / 100 * found.requests, found
    assert found.seconds is None or found.seconds <= 30, found
    assert site.api.get("Deployment", f"topics-g{outcome.generation}", version="apps/v1") is None
    told = outcome.last_words
    assert any(words.log for words in told), told
    assert any(words.events for words in told), told
    assert set(load.between(time.time() - 1).by_version) == {site.champion.version}


def test_a_good_candidate_gets_each_steps_share_and_becomes_champion(site: Site, load: LoadClient) -> None:
    old, new, since = site.champion, site.model(slope=2.1), time.time()
    former = site.record().champion_generation
    outcome = site.ended(site.roll(new))
    load.wait_for(50)
    moves = site.moves(outcome.generation)
    found = incident(load, fault="none", end="promoted", moves=moves, champion=old.version, since=since)
    assert outcome.phase is Phase.PROMOTED, site.story()
    assert found.failed == 0, found
    assert [weight for _, weight in moves] == [0, 20, 50, 100]
    for (begin, weight), (end, _) in zip(moves, [*moves[1:], (time.time(), 0)], strict=True):
        counted = load.between(begin + SETTLE, end)
        of_new = counted.by_version[new.version] / max(1, counted.sent)
        assert of_new == pytest.approx(weight / 100, abs=0.02), (weight, counted)
    bake = next(e for e in site.record().history if e.generation == outcome.generation and e.text == "promoting")
    assert bake.at.timestamp() - moves[-1][0] >= POLICY.bake.total_seconds()
    site.gone(former)


@pytest.mark.parametrize(
    ("fault", "metrics", "words"),
    [
        ("crash:60", {"crashes", "unanswered", "error_rate"}, "the tokenizer met an article that it cannot bear"),
        ("errors:0", {"error_rate"}, "the model cannot answer this article"),
    ],
    ids=["crash", "errors"],
)
def test_a_candidate_that_fails_goes_back(
    site: Site, load: LoadClient, faulty: Callable[[str], str], fault: str, metrics: set[str], words: str
) -> None:
    image, since = faulty(fault), time.time()
    outcome = site.ended(site.roll(site.model(), image=image))
    load.wait_for(150)
    found = incident(
        load, fault=fault.split(":")[0], end="rolled back", moves=site.moves(outcome.generation),
        champion=site.champion.version, since=since, bad=failed_request, which="first failure to the last",
    )  # fmt: skip
    rolled_back_in_time(site, load, found, outcome, share=20)
    assert found.failed > 0
    assert metrics & set(failing(outcome)), outcome.verdict.checks
    site.gone(outcome.generation)
    assert any(words in line for said in outcome.last_words for line in said.log), outcome.last_words


def test_a_slow_candidate_goes_back(site: Site, load: LoadClient, faulty: Callable[[str], str]) -> None:
    image, new, since = faulty("slow:0"), site.model(), time.time()
    outcome = site.ended(site.roll(new, image=image))
    load.wait_for(150)
    found = incident(
        load, fault="slow", end="rolled back", moves=site.moves(outcome.generation), champion=site.champion.version,
        since=since, bad=lambda r: r.version == new.version, which="first slow answer to the last",
    )  # fmt: skip
    rolled_back_in_time(site, load, found, outcome, share=20)
    assert "latency_ratio" in failing(outcome), outcome.verdict.checks


def test_a_candidate_that_answers_wrongly_goes_back_by_its_shadowed_pairs(site: Site, load: LoadClient) -> None:
    new, since = site.model(wrong=True), time.time()
    outcome = site.ended(site.roll(new))
    load.wait_for(150)
    found = incident(
        load, fault="wrong answers", end="rolled back", moves=site.moves(outcome.generation),
        champion=site.champion.version, since=since, bad=lambda r: r.version == new.version,
        which="first wrong answer to the last",
    )  # fmt: skip
    rolled_back_in_time(site, load, found, outcome, share=20)
    assert found.failed == 0
    assert failing(outcome) == ["disagreement"], outcome.verdict.checks


def test_a_candidate_that_is_never_ready_gets_no_request(
    site: Site, load: LoadClient, faulty: Callable[[str], str]
) -> None:
    image, new, since = faulty("unready"), site.model(), time.time()
    outcome = site.ended(site.roll(new, image=image, start_within=timedelta(seconds=20)))
    load.wait_for(50)
    found = incident(
        load, fault="never ready", end="rolled back", moves=site.moves(outcome.generation),
        champion=site.champion.version, since=since, seconds=outcome.seconds, which="submission to the end",
    )  # fmt: skip
    rolled_back_in_time(site, load, found, outcome, share=0)
    assert new.version not in load.between(since).by_version
    assert failing(outcome) == ["ready"], outcome.verdict.checks
