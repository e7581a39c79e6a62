"""Which arm a server is while a rollout goes on, and whose answers are compared with whose."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from pressrun.serving.metrics import Metrics
from pressrun.serving.shadow import Instructions, Shadow

ARMS = {"champion": 1, "baseline": 2, "candidate": 2}


def instructions(url: str = "http://nowhere") -> Instructions:
    arms = {arm: {"generation": generation, "url": f"{url}/{arm}"} for arm, generation in ARMS.items()}
    return Instructions.read({"generation": 2, "share": 1.0, "arms": arms})


@pytest.mark.parametrize(
    ("generation", "started_as", "arm"),
    [(1, "candidate", "champion"), (2, "candidate", "candidate"), (2, "baseline", "baseline"), (3, "candidate", None)],
)
def test_a_baseline_is_told_from_the_candidate_of_its_generation(
    generation: int, started_as: str, arm: str | None
) -> None:
    assert instructions().arm_of(generation, started_as=started_as) == arm


def compared(*, generation: int, started_as: str) -> set[str]:
    """With whose answers a server compares its own."""
    metrics = Metrics()
    shadow = Shadow("http://nowhere", model="topics", generation=generation, started_as=started_as, metrics=metrics)
    asyncio.run(_shadowed_once(shadow))
    lines = metrics.render().decode().splitlines()
    pairs = [line for line in lines if line.startswith("pressrun_shadow_pairs_total")]
    return {arm for arm in ARMS for line in pairs if f'arm="{arm}"' in line}


async def _shadowed_once(shadow: Shadow) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"label": "Sports"})

    app = web.Application()
    app.add_routes([web.post("/{arm}/predict", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession() as session:
        body = json.dumps({"title": "a", "body": "b"}).encode()
        await shadow._send(session, instructions(f"http://127.0.0.1:{port}"), "/predict", body, {"label": "Sports"}, {})
    await runner.cleanup()


@pytest.mark.parametrize(
    ("generation", "started_as", "others"),
    [
        (1, "candidate", {"candidate"}),
        (2, "candidate", {"champion", "baseline"}),
        (2, "baseline", {"candidate"}),
    ],
)
def test_only_the_candidates_answers_are_compared_with_others(
    generation: int, started_as: str, others: set[str]
) -> None:
    """Champion and baseline are one model: their pairs would agree and hide a candidate's disagreement."""
    assert compared(generation=generation, started_as=started_as) == others
