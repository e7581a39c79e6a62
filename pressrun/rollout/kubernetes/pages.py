"""What the controller answers: probes, counts, each rollout's page, and to its servers whom to shadow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from pressrun.rollout.kubernetes.keeper import ClusterKeeper
from pressrun.rollout.kubernetes.seeing import generations_of
from pressrun.rollout.page import render_page
from pressrun.rollout.types import CANDIDATE, CHAMPION, MEASURED

MOST_SILENT_SECONDS = 60.0


def pages(keepers: Mapping[str, ClusterKeeper], *, silence: Callable[[], float]) -> web.Application:
    """The aiohttp application over what the keepers saw last. `silence`: seconds since the main loop's last round."""
    surface = _Pages(keepers, silence)
    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", surface.live),
            web.get("/v1/models/{model}/shadow", surface.shadow),
            web.get("/rollouts/{model}", surface.page),
        ]
    )
    return app


class _Pages:
    def __init__(self, keepers: Mapping[str, ClusterKeeper], silence: Callable[[], float]) -> None:
        self._keepers, self._silence = keepers, silence

    async def live(self, request: web.Request) -> web.Response:
        """A loop that stands still is mended by a restart. A round in which the API server says no is a round, too."""
        silence = self._silence()
        live = silence < MOST_SILENT_SECONDS
        said = {"live": live, "seconds_since_last_round": round(silence, 1)}
        return web.json_response(said, status=200 if live else 503)

    async def shadow(self, request: web.Request) -> web.Response:
        keeper = self._keepers.get(request.match_info["model"])
        return web.json_response(shadowing(keeper) if keeper else {})

    async def page(self, request: web.Request) -> web.Response:
        keeper = self._keepers.get(request.match_info["model"])
        if keeper is None or keeper.record is None:
            return web.json_response({"error": "no rollout of that model here"}, status=404)
        return web.Response(text=render_page(keeper.record), content_type="text/html")


def shadowing(keeper: ClusterKeeper) -> dict[str, Any]:
    """What a model's servers need to know: which generation is which arm, where each is, what share to put to both."""
    record, seen = keeper.record, keeper.seen
    if record is None or seen is None:
        return {}
    generations = generations_of(record)
    arms = {
        arm: {"generation": generation, "url": seen.address(generation, arm)}
        for arm, generation in generations.items()
        if seen.arm(generation, arm).ready
    }
    share, below = 0.0, 0.0
    if record.active and record.plan and record.state and {CANDIDATE, CHAMPION} <= set(arms):
        share = record.plan.policy.shadow if record.state.phase in MEASURED else 0.0
        below = record.plan.policy.budgets.declines_below
    return {
        "generation": record.plan.generation if record.plan else 0,
        "share": share,
        "declines_below": below,
        "arms": arms,
    }
