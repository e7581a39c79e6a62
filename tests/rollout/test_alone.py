"""A canary between two servers that are not ours: the same router, counts and judgement as in a rollout."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pressrun.config.pipeline import Budgets, Rollout
from pressrun.rollout.alone import Canaried, canary
from pressrun.rollout.endpoint import Endpoint, read_requests
from pressrun.verdict import Decision
from tests.rollout.foreign import Clock, Foreign, requests, serving

POLICY = Rollout(
    steps=[25, 100], min_requests=30, max_step=timedelta(minutes=5), bake=timedelta(), shadow=0.5,
    budgets=Budgets(error_rate=0.05, latency_ratio=2.0, disagreement=0.2),
)  # fmt: skip


def compared(champion: Foreign, candidate: Foreign, policy: Rollout = POLICY, **more: Any) -> Canaried:
    """The canary of one server against another, one request at a time, at no pace."""
    with serving(champion, candidate):
        return asyncio.run(
            canary(
                Endpoint.of(champion.url), Endpoint.of(candidate.url), requests(), policy=policy, rate=10_000,
                most_under_way=1, clock=champion.clock, **more,
            )
        )  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_good_candidate_passes_step_by_step(clock: Clock) -> None:
    told: list[tuple[str, int]] = []
    champion, candidate = Foreign("topics-a", clock), Foreign("topics-b", clock)
    ended = compared(champion, candidate, told=lambda seen: told.append((seen.phase.value, seen.weight)))
    assert ended.verdict.decision is Decision.PASS, [check.reason for check in ended.verdict.checks]
    begun = [seen for number, seen in enumerate(told) if number == 0 or told[number - 1] != seen]
    shares = [("stepping", 25), ("stepping", 100), ("baking", 100), ("promoting", 100)]
    assert [seen for seen in begun if seen[1]] == shares
    assert ended.verdict.kind == "canary"
    assert ended.traffic.lost == 0
    assert champion.asked > 30
    assert {check.metric for check in ended.verdict.checks} == {"error_rate", "latency_ratio", "disagreement"}


def test_a_failing_candidate_fails_and_its_readers_are_answered_by_the_champion(clock: Clock) -> None:
    failing = Foreign("b", clock, fails=lambda number: number % 2 == 0)
    ended = compared(Foreign("a", clock), failing)
    assert ended.verdict.decision is Decision.FAIL
    assert [check.metric for check in ended.verdict.decisive] == ["error_rate"]
    assert ended.traffic.lost == 0
    assert ended.traffic.retried > 0
    assert ended.weight == 25


def test_a_slow_candidate_fails_for_its_latency(clock: Clock) -> None:
    sequential = POLICY.model_copy(update={"shadow": 0.0})
    ended = compared(Foreign("a", clock), Foreign("b", clock, works=1.0), sequential)
    assert ended.verdict.decision is Decision.FAIL
    assert [check.metric for check in ended.verdict.decisive] == ["latency_ratio"]


@pytest.mark.parametrize("output", ["scores", "label"])
def test_a_candidate_that_says_something_else_fails_whatever_its_outputs_are_called(clock: Clock, output: str) -> None:
    other = Foreign("b", clock, output=output, turned=True)
    ended = compared(Foreign("a", clock, output=output), other)
    assert ended.verdict.decision is Decision.FAIL
    assert [check.metric for check in ended.verdict.decisive] == ["disagreement"]


def test_a_server_that_is_not_there_is_no_pass(clock: Clock) -> None:
    down = Foreign("b", clock, ready=False)
    ended = compared(Foreign("a", clock), down, start_within=timedelta())
    assert (ended.verdict.decision, ended.verdict.decisive[0].metric) == (Decision.FAIL, "ready")
    assert down.asked == 0
    away = compared(Foreign("a", clock, ready=False), Foreign("b", clock), start_within=timedelta())
    assert away.verdict.decision is Decision.ERROR


def test_requests_that_no_server_takes_are_no_data_and_no_pass(clock: Clock) -> None:
    class Picky(Foreign):
        async def _infer(self, request: Any) -> Any:
            from aiohttp import web

            return web.json_response({"error": "no such input"}, status=400)

    impatient = POLICY.model_copy(update={"max_step": timedelta()})
    ended = compared(Picky("a", clock), Picky("b", clock), impatient)
    assert ended.verdict.decision is Decision.INSUFFICIENT


@pytest.mark.parametrize(
    ("url", "infer", "ready", "name"),
    [
        ("http://h:1/v2/models/m", "http://h:1/v2/models/m/infer", "http://h:1/v2/models/m/ready", "m"),
        ("http://h:1/v2/models/m/", "http://h:1/v2/models/m/infer", "http://h:1/v2/models/m/ready", "m"),
        ("https://h/x/v2/models/m/infer", "https://h/x/v2/models/m/infer", "https://h/x/v2/models/m/ready", "m"),
        (
            "http://h/v2/models/m/versions/3",
            "http://h/v2/models/m/versions/3/infer",
            "http://h/v2/models/m/versions/3/ready",
            "m v3",
        ),
    ],
)
def test_the_models_address_says_where_to_ask(url: str, infer: str, ready: str, name: str) -> None:
    endpoint = Endpoint.of(url)
    assert (endpoint.infer, endpoint.ready, endpoint.name) == (infer, ready, name)


@pytest.mark.parametrize("url", ["http://h:1", "h:1/v2/models/m", "ftp://h/v2/models/m", "http://h/v2/models/"])
def test_another_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:8010/v2/models/topics"):
        Endpoint.of(url)


def test_a_file_of_requests_is_checked_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_bytes(b"\n".join([*requests(2), b"", b'{"inputs": []}']))
    with pytest.raises(ValueError, match=r"requests.jsonl:4 .*inputs"):
        read_requests(file)
    file.write_bytes(b"\n".join([*requests(2), b"{"]))
    with pytest.raises(ValueError, match=r"requests.jsonl:3 "):
        read_requests(file)
    file.write_bytes(b"\n")
    with pytest.raises(ValueError, match="holds no request"):
        read_requests(file)
    file.write_bytes(b"\n".join(requests(3)))
    assert read_requests(file) == requests(3)
