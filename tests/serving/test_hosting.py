"""A model that another has taken the place of still has its requests."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

import pressrun.bundle
from pressrun.serving import scoring
from pressrun.serving.errors import DeadlinePassed
from pressrun.serving.hosting import Host, Limits, Placed
from pressrun.serving.metrics import Metrics
from pressrun.serving.reading import Inference
from pressrun.serving.scoring import Scored
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


def test_with_a_cache_each_client_has_its_own_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)

    async def act() -> None:
        host = Host(metrics=Metrics(), limits=Limits(cached=10))
        hosted = host.load(Placed(bundle=write_stub(tmp_path), model="topics", version="1"))
        asked = Inference(batch=["Sports"])
        late, patient = await asyncio.gather(
            hosted.answer(msgspec.structs.replace(asked, seconds=-1.0)), hosted.answer(asked), return_exceptions=True
        )
        assert isinstance(late, DeadlinePassed)
        assert isinstance(patient, Scored)

    asyncio.run(act())


def test_a_cache_keeps_rows_and_nothing_of_the_batch_that_they_were_scored_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)

    async def act() -> None:
        host = Host(metrics=Metrics(), limits=Limits(cached=4))
        hosted = host.load(Placed(bundle=write_stub(tmp_path), model="topics", version="1"))
        assert hosted.cache is not None
        answers = await asyncio.gather(*(hosted.answer(Inference(batch=[text])) for text in "abc"))
        assert [answer.scores.base for answer in answers] == [None] * 3
        await hosted.answer(Inference(batch=list("def")))
        assert len(hosted.cache) == 2

    asyncio.run(act())


def test_what_is_loaded_and_never_served_leaves_the_counts_of_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)
    host = Host(metrics=Metrics())
    first = host.load(Placed(bundle=write_stub(tmp_path / "a"), model="topics", version="1"))
    first.batcher.pending = 7
    host.models = {"topics": first}
    before = host.metrics.render()
    for version in ("1", "2"):
        host.load(Placed(bundle=write_stub(tmp_path / "b"), model="topics", version=version)).close()
    assert b'pressrun_pending_requests{arm="champion",model="topics",version="1"} 7.0' in before
    assert host.metrics.render() == before


def test_what_was_counted_goes_with_its_version_though_it_was_loaded_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)

    async def act() -> None:
        host = Host(metrics=Metrics())
        for folder, version in (("a", "1"), ("b", "1"), ("c", "2")):
            one = host.load(Placed(bundle=write_stub(tmp_path / folder), model="topics", version=version))
            host.serve([one])
            await one.answer(Inference(batch=["Sports"]))
            one.metrics.unlogged(arm=folder, rows=1)
        end = time.monotonic() + 10
        while b'version="1"' in host.metrics.render():
            assert time.monotonic() < end, host.metrics.render().decode()
            await asyncio.sleep(0.02)
        assert b'pressrun_batch_rows_count{model="topics",version="2"} 1.0' in host.metrics.render()

    asyncio.run(act())


def test_a_large_request_is_described_off_the_loop_and_a_small_one_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pressrun.bundle, "load_bundle", StubBundle)
    threads = dict[int, int]()

    def described(bundle: object, batch: Sequence[str]) -> list[dict[str, float]]:
        threads[len(batch)] = threading.get_ident()
        return [{"length": float(len(text))} for text in batch]

    async def act() -> None:
        hosted = Host(metrics=Metrics()).load(Placed(bundle=write_stub(tmp_path / "1"), model="topics", version="1"))
        monkeypatch.setattr(scoring, "features_of", described)
        for rows in (1, 200):
            found = await hosted.answer(Inference(batch=["Sports"] * rows))
            assert found.features == [{"length": 6.0}] * rows

    asyncio.run(act())
    assert threads[1] == threading.get_ident()
    assert threads[200] != threading.get_ident()
