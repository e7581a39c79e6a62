"""A model that another has taken the place of still has its requests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import pressrun.bundle
from pressrun.serving.hosting import Host, Placed
from pressrun.serving.metrics import Metrics
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
