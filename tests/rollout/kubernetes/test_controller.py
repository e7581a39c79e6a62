"""The controller's main loop: one model's trouble is no other's, and a loop that stands still is noticed."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer
from kubernetes.client.rest import ApiException
from kubernetes.dynamic.exceptions import NotFoundError

from pressrun.rollout.kubernetes import controller as controlling
from pressrun.rollout.kubernetes.cluster import ClusterApi, Unreachable
from pressrun.rollout.kubernetes.controller import Controller
from pressrun.rollout.kubernetes.leading import Leading
from pressrun.rollout.kubernetes.pages import MOST_SILENT_SECONDS, pages


class Leads:
    leads = True


class Keeper:
    """Counts its ticks; the model `slow` waits until it is let go."""

    ticks: dict[str, int]
    release: threading.Event

    def __init__(self, api: Any, records: Any, model: str) -> None:
        self.model = model

    def tick(self) -> bool:
        if self.model == "slow":
            self.release.wait(5)
        self.ticks[self.model] = self.ticks.get(self.model, 0) + 1
        return True


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> type[Keeper]:
    found = type("Counted", (Keeper,), {"ticks": {}, "release": threading.Event()})
    monkeypatch.setattr(controlling, "ClusterKeeper", found)
    return found


def controller_of(models: Callable[[], list[str]]) -> Controller:
    made = Controller(cast(ClusterApi, object()), cast(Leading, Leads()))
    made._records = cast(Any, type("Records", (), {"models": staticmethod(models)}))
    return made


async def rounds(controller: Controller, number: int) -> None:
    for _ in range(number):
        await asyncio.wait_for(controller._round(), 2)
        await asyncio.sleep(0.02)


def test_a_model_that_hangs_holds_up_no_other(keeper: type[Keeper]) -> None:
    async def story() -> None:
        controller = controller_of(lambda: ["slow", "topics"])
        await rounds(controller, 5)
        assert keeper.ticks.get("topics", 0) >= 3
        assert "slow" not in keeper.ticks
        assert controller._silence() < 1
        keeper.release.set()
        await rounds(controller, 2)
        assert keeper.ticks["slow"] >= 1

    asyncio.run(story())


def test_a_tick_under_way_is_ended_before_the_controller_leaves(keeper: type[Keeper]) -> None:
    async def story() -> None:
        leaving = asyncio.create_task(controller_of(lambda: ["slow"]).run(port=0))
        await asyncio.sleep(0.2)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert not leaving.done()
        keeper.release.set()
        await asyncio.wait_for(leaving, 3)
        assert keeper.ticks == {"slow": 1}

    asyncio.run(story())


def test_a_tick_that_hangs_does_not_keep_the_controller_from_leaving(
    keeper: type[Keeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controlling, "LEAVE_SECONDS", 0.1)

    async def story() -> None:
        leaving = asyncio.create_task(controller_of(lambda: ["slow"]).run(port=0))
        await asyncio.sleep(0.2)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(leaving, 3)
        assert keeper.ticks == {}
        keeper.release.set()

    asyncio.run(story())


def gone() -> Exception:
    return NotFoundError(ApiException(status=404, reason="Not Found"))


@pytest.mark.parametrize("error", [gone(), Unreachable("away"), KeyError("spec")])
def test_a_list_that_fails_is_asked_for_again(keeper: type[Keeper], error: Exception) -> None:
    answers: list[Any] = [error, error, ["topics"]]

    def models() -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast(list[str], answer)

    async def story() -> None:
        await rounds(controller_of(models), 3)
        assert keeper.ticks == {"topics": 1}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("silence", "status"), [(0.0, 200), (MOST_SILENT_SECONDS - 1, 200), (MOST_SILENT_SECONDS, 503)]
)
def test_a_loop_that_makes_no_rounds_is_not_alive(silence: float, status: int) -> None:
    async def story() -> None:
        async with TestClient(TestServer(pages({}, silence=lambda: silence))) as client:
            assert (await client.get("/healthz")).status == status

    asyncio.run(story())
