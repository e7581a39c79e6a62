"""Shadow traffic over HTTP on loopback: a controller, the arms, and one server that sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web

from pressrun.serving import shadow as shadowing
from pressrun.serving.metrics import Metrics
from pressrun.serving.shadow import MOST_UNDER_WAY, Shadow, controller_url

PATH = "/v2/models/topics/infer"
ANSWER = {"label": "Sports"}
ANSWER = {"outputs": [{"name": "label", "datatype": "BYTES", "shape": [1], "data": ["Sports"]}]}


class Cluster:
    """A controller and two arms at one address; arms count what reaches them."""

    def __init__(self) -> None:
        self.url, self.said, self.heard = "", "", list[tuple[str, str, str]]()
        self.label, self.status, self.slow = "Sports", 200, 0.0
        self.metrics = Metrics()

    def says(self, share: float, **arms: int) -> None:
        named = {arm: {"generation": made_by, "url": f"{self.url}/{arm}"} for arm, made_by in arms.items()}
        self.said = json.dumps({"generation": 2, "share": share, "arms": named})

    async def controller(self, request: web.Request) -> web.Response:
        return web.Response(text=self.said, content_type="application/json")

    async def arm(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow)
        arm, _, path = request.path.lstrip("/").partition("/")
        self.heard.append((arm, f"/{path}", request.headers["x-pressrun-shadow"]))
        label = self.label if arm == "candidate" else "Sports"
        output = {**ANSWER["outputs"][0], "data": [label]}
        return web.json_response({"outputs": [output]}, status=self.status if arm == "candidate" else 200)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"pressrun_shadow_{name}_total", {"rollout": "2", **labels}) or 0


def run(cluster: Cluster, act: Callable[[Shadow], Awaitable[None]], **given: Any) -> None:
    """`act` with a champion's server that follows the cluster's controller."""

    async def all_of_it() -> None:
        app = web.Application()
        app.add_routes([web.get("/v1/models/topics/shadow", cluster.controller), web.post("/{rest:.*}", cluster.arm)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        cluster.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        who = {"generation": 1, "started_as": "champion", **given}
        sender = Shadow(cluster.url, model="topics", metrics=cluster.metrics, **who)
        following = asyncio.create_task(sender.follow())
        try:
            await act(sender)
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await runner.cleanup()

    asyncio.run(all_of_it())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(shadowing, "ASK_SECONDS", 0.02)
    return Cluster()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 -- what is waited for tells nobody
            await asyncio.sleep(0.01)


async def follows(sender: Shadow, cluster: Cluster, share: float = 1.0) -> None:
    cluster.says(share, champion=1, candidate=2)
    await until(lambda: sender.instructions.share == share)


async def shadow_one(sender: Shadow, path: str = PATH, answer: object = ANSWER) -> None:
    sender.consider(path, b"{}", answer)
    await until(lambda: not sender._under_way)


@pytest.mark.parametrize(
    ("label", "agree", "declined"), [("Sports", "true", "false"), ("World", "false", "false"), ("", "false", "true")]
)
def test_a_request_goes_once_to_every_arm_and_is_one_pair(
    cluster: Cluster, label: str, agree: str, declined: str
) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        cluster.label = label
        await shadow_one(sender)

    run(cluster, act)
    assert sorted(cluster.heard) == [("candidate", PATH, "1"), ("champion", PATH, "1")]
    assert cluster.count("pairs", arm="candidate", agree=agree, declined=declined) == 1
    assert cluster.count("requests", arm="candidate", outcome="answered") == 1
    assert cluster.count("pairs", arm="champion", agree="true", declined="false") == 0


def test_a_request_for_this_version_is_put_to_the_others_without_it(cluster: Cluster) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        await shadow_one(sender, "/v2/models/topics/versions/1/infer")

    run(cluster, act)
    assert {path for _, path, _ in cluster.heard} == {PATH}


@pytest.mark.parametrize("status", [500, 503, 404])
def test_an_arm_that_fails_is_counted_and_is_no_pair(cluster: Cluster, status: int) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        cluster.status = status
        await shadow_one(sender)

    run(cluster, act)
    assert cluster.count("requests", arm="candidate", outcome="failed") == 1
    assert cluster.count("pairs", arm="candidate", agree="true", declined="false") == 0
    assert cluster.count("pairs", arm="candidate", agree="false", declined="false") == 0


def test_what_could_not_be_answered_here_is_put_to_all_and_compared_with_nobody(cluster: Cluster) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        await shadow_one(sender, answer=None)

    run(cluster, act)
    assert len(cluster.heard) == 2
    assert cluster.count("pairs", arm="candidate", agree="false", declined="false") == 0


def test_nobody_is_shadowed_without_a_share_and_about_a_share_of_many(cluster: Cluster) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster, 0.25)
        for _ in range(400):
            await shadow_one(sender)
        asked = len(cluster.heard) // 2
        assert 60 < asked < 150
        await follows(sender, cluster, 0.0)
        await shadow_one(sender)
        assert len(cluster.heard) // 2 == asked

    run(cluster, act)


def test_a_slow_arm_holds_up_nobody_and_does_not_pile_up(cluster: Cluster) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        cluster.slow = 0.2
        for _ in range(200):
            sender.consider(PATH, b"{}", ANSWER)
        assert len(sender._under_way) == MOST_UNDER_WAY
        await until(lambda: not sender._under_way)

    run(cluster, act)
    assert len(cluster.heard) == 2 * MOST_UNDER_WAY


GARBAGE = [
    "", "no json", "[]", "null", "3", '{"arms": [1]}', '{"arms": {"candidate": 1}}', '{"arms": {"candidate": {}}}',
    '{"generation": 1e999}', '{"share": "much"}', '{"share": {}}', '{"arms": {"candidate": {"generation": "x"}}}',
    "[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=[text[:40] or "nothing" for text in GARBAGE])
def test_after_garbage_nobody_is_shadowed_until_the_controller_makes_sense_again(
    cluster: Cluster, garbage: str
) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        cluster.said = garbage
        await until(lambda: sender.instructions.share == 0)
        await follows(sender, cluster)

    run(cluster, act)


@pytest.mark.parametrize("share", ["NaN", "-3", "1e999"])
def test_a_share_that_is_none_is_none_or_all(cluster: Cluster, share: str) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster, 0.5)
        cluster.said = f'{{"share": {share}}}'
        await until(lambda: sender.instructions.share != 0.5)
        assert sender.instructions.share in (0.0, 1.0)

    run(cluster, act)


@pytest.mark.parametrize("url", ["None", "not a url", "http://127.0.0.1:9", "file:///etc/passwd", ""])
def test_an_address_where_nobody_is_is_a_failure_of_that_arm_and_of_nobody_else(cluster: Cluster, url: str) -> None:
    async def act(sender: Shadow) -> None:
        await follows(sender, cluster)
        said = json.loads(cluster.said)
        said["arms"]["candidate"]["url"] = url
        cluster.said = json.dumps(said)
        await until(lambda: sender.instructions.arms["candidate"] == (2, url))
        await shadow_one(sender)

    run(cluster, act)
    assert [arm for arm, _, _ in cluster.heard] == ["champion"]
    assert cluster.count("requests", arm="candidate", outcome="failed") == 1


def test_a_promoted_candidate_is_the_champion_also_while_its_controller_is_away(cluster: Cluster) -> None:
    async def act(sender: Shadow) -> None:
        cluster.says(0.5, champion=1, candidate=2)
        await until(lambda: sender.arm == "candidate")
        cluster.says(0.5, champion=2)
        await until(lambda: sender.arm == "champion")
        cluster.said = "away"
        await until(lambda: sender.instructions.share == 0)
        assert sender.arm == "champion"

    run(cluster, act, generation=2, started_as="candidate")


def test_a_dead_controller_shadows_nobody_and_harms_nobody() -> None:
    async def act() -> None:
        metrics = Metrics()
        sender = Shadow("http://127.0.0.1:9", model="topics", generation=1, started_as="champion", metrics=metrics)
        following = asyncio.create_task(sender.follow())
        await asyncio.sleep(0.2)
        sender.consider(PATH, b"{}", ANSWER)
        assert (sender.arm, sender._under_way, following.done()) == (None, set(), False)
        following.cancel()

    asyncio.run(act())


def test_the_controller_is_found_by_kubernetes_variables_else_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert controller_url("pressrun-controller") == "http://pressrun-controller:8090"
    monkeypatch.setenv("PRESSRUN_CONTROLLER_SERVICE_HOST", "10.0.0.7")
    monkeypatch.setenv("PRESSRUN_CONTROLLER_SERVICE_PORT", "8091")
    assert controller_url("pressrun-controller") == "http://10.0.0.7:8091"
    assert controller_url("http://here:1/") == "http://here:1"
