"""A model that another has taken the place of still has its requests."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from pathlib import Path

import pytest

import pressrun.bundle
from pressrun.serving.hosting import Host, Placed
from pressrun.serving.metrics import Metrics
from pressrun.serving.reading import Inference
from tests.serving.stub_bundle import StubBundle, write_stub


def test_requests_of_a_model_that_goes_count_as_pending_until_they_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server that is told to leave just after a swap would leave without answering them."""
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)

    async def act() -> None:
        host = Host(metrics=Metrics())
        bundles = {version: write_stub(tmp_path / version) for version in "12"}
        placed = [Placed(bundle=bundle, model="topics", version=version) for version, bundle in bundles.items()]
        first, second = map(host.load, placed)
        host.serve([first])
        asked = asyncio.create_task(first.batcher.scores(["Sports"]))
        await asyncio.sleep(0)
        host.serve([second])
        assert host.pending == 1
        await asked
        assert host.pending == 0

    asyncio.run(act())


def test_a_model_that_has_gone_is_freed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle would hold it until Python looks for one, which a server that swaps once a minute may never live to."""
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)
    gc.disable()
    try:
        asyncio.run(_swapped_and_freed(tmp_path))
    finally:
        gc.enable()


async def _swapped_and_freed(folder: Path) -> None:
    host = Host(metrics=Metrics())
    placed = [Placed(bundle=write_stub(folder / one), model="topics", version=one) for one in "12"]
    host.serve([host.load(placed[0])])
    await host.models["topics"].answer(Inference(batch=["Sports"]))
    gone = weakref.ref(host.models["topics"].bundle)
    host.serve([host.load(placed[1])])
    end = time.monotonic() + 10
    while gone() is not None:
        assert time.monotonic() < end, "the model is still held"
        await asyncio.sleep(0.02)
