"""Several models in one process, and others in their place while readers ask."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pressrun.bundle
from pressrun.bundle import write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.serving.hosting import Host, Placed
from pressrun.serving.metrics import Metrics
from pressrun.serving.swapping import ModelsFileError, Swapper, read_models, write_models
from tests.serving.running import Running, infer, running
from tests.serving.stub_bundle import StubBundle, write_stub

pytestmark = pytest.mark.timeout(300)


def placed(folder: Path, model: str, version: str) -> Placed:
    bundle = write_stub(folder / f"{model}-{version}")
    return Placed(bundle=bundle, model=model, version=version, digest=StubBundle(bundle).digest)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "models.json"
    write_models(file, (placed(tmp_path, "topics", "1"), placed(tmp_path, "mood", "7")))
    return file


@pytest.fixture
def server(tmp_path: Path, file: Path) -> Iterator[Running]:
    with running(tmp_path, models=file) as made:
        yield made


def version(server: Running, model: str = "topics") -> str:
    return str(server.ask(f"/v2/models/{model}")[1]["parameters"]["model_version"])


def wait_for(server: Running, wanted: str) -> None:
    end = time.monotonic() + 30
    while version(server) != wanted:
        assert time.monotonic() < end, f"version {wanted} is not served"
        time.sleep(0.05)


def test_each_model_answers_under_its_own_name(server: Running) -> None:
    assert server.ask("/v2/models")[1] == {"models": ["topics", "mood"]}
    for model, version_ in (("topics", "1"), ("mood", "7")):
        status, answer = server.ask(f"/v2/models/{model}/infer", infer("Sports"))
        assert (status, answer["model_name"], answer["model_version"]) == (200, model, version_)
        assert server.ask(f"/predict/{model}", b'{"text": "Sports"}')[1]["model"] == model
    assert server.ask("/predict", b'{"text": "Sports"}')[1]["model"] == "topics"


def test_versions_take_each_other_s_place_and_no_request_is_lost(server: Running, file: Path, tmp_path: Path) -> None:
    seen, failed, stop = Counter[str](), list[object](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                status, answer = server.ask("/v2/models/topics/infer", infer(f"Sports {time.monotonic()}"))
            except OSError as error:
                failed.append(error)
                continue
            seen[answer.get("model_version", "")] += 1
            if status != 200:
                failed.append(answer)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for one in readers:
        one.start()
    for number in ("2", "3", "4"):
        write_models(file, (placed(tmp_path, "topics", number), placed(tmp_path, "mood", "7")))
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, number)
        time.sleep(0.2)
    stop.set()
    for one in readers:
        one.join()
    assert failed == []
    assert set(seen) == {"1", "2", "3", "4"}
    metrics = server.ask("/metrics")[1]
    assert 'pressrun_swaps_total{outcome="served"} 3.0' in metrics
    assert 'model="topics",shadow="false",status="200",version="1"' not in metrics


def test_who_has_sent_half_of_a_body_is_answered_by_the_model_that_was_asked(
    server: Running, file: Path, tmp_path: Path
) -> None:
    body = infer("Sports")
    head = b"POST /v2/models/topics/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(head % len(body) + body[:10])
        time.sleep(0.3)
        write_models(file, (placed(tmp_path, "topics", "2"), placed(tmp_path, "mood", "7")))
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, "2")
        time.sleep(0.3)
        client.sendall(body[10:])
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"model_version":"1"' in answer
    end = time.monotonic() + 10
    while 'model="topics",version="1"' in server.ask("/metrics")[1]:
        assert time.monotonic() < end, "a version that has gone is still counted"
        time.sleep(0.05)


def test_a_changed_file_is_seen_without_a_signal(server: Running, file: Path, tmp_path: Path) -> None:
    write_models(file, (placed(tmp_path, "topics", "2"),))
    wait_for(server, "2")
    assert server.ask("/v2/models/mood/infer", infer("x"))[0] == 404


@pytest.mark.parametrize("content", ["no json", "wrong digest", "no bundle"])
def test_what_cannot_be_served_leaves_the_old_models_serving(server: Running, file: Path, content: str) -> None:
    entry = {"model": "topics", "version": "9", "bundle": "topics-1", "digest": "0" * 64}
    bad = {"no json": "{", "wrong digest": json.dumps({"models": [entry]})}
    file.write_text(bad.get(content, json.dumps({"models": [{**entry, "bundle": "nowhere"}]})))
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 30
    while 'pressrun_swaps_total{outcome="refused"}' not in server.ask("/metrics")[1]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert version(server) == "1"
    assert server.ask("/v2/models/topics/infer", infer("Sports"))[0] == 200


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "models.json: the whole"),
        ('{"models": []}', r"models\.json: models: Tuple should have at least 1 item"),
        ('{"models": [{"model": "a/b", "version": "1", "bundle": "x"}]}', r"models\.0\.model: String should match"),
        ('{"models": [{"model": "a", "version": "1"}]}', r"models\.0\.bundle: Field required"),
        ('{"models": [{"model": "a", "version": "1", "bundle": "x", "code": "y"}]}', r"models\.0\.code: Extra inputs"),
        (json.dumps({"models": [{"model": "a", "version": v, "bundle": "x"} for v in "12"]}), "named twice"),
    ],
)
def test_a_wrong_file_is_told_by_file_key_and_reason(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "models.json"
    file.write_text(content)
    with pytest.raises(ModelsFileError, match=says):
        read_models(file)


def test_what_was_loaded_of_a_file_that_is_refused_is_freed_at_once(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that names one wrong model may be tried again every minute."""
    made = list[weakref.ref[StubBundle]]()

    def load(folder: Path, threads: int = 1) -> StubBundle:
        bundle = StubBundle(folder, threads)
        made.append(weakref.ref(bundle))
        return bundle

    monkeypatch.setattr(pressrun.bundle, "load_bundle", load)
    host = Host(metrics=Metrics())

    async def act() -> None:
        swapper = Swapper(host, file)
        swapper.begin()
        for version in ("2", "3", "4"):
            nowhere = Placed(bundle=tmp_path / "nowhere", model="mood", version="8")
            write_models(file, (placed(tmp_path, "topics", version), nowhere))
            await swapper.swap()
        assert {name: one.identity.version for name, one in host.models.items()} == {"topics": "1", "mood": "7"}
        assert set(re.findall(r'model="(.+)",version="(.+)"', host.metrics.render().decode())) == {
            ("topics", "1"),
            ("mood", "7"),
        }
        assert host.metrics.registry.get_sample_value("pressrun_swaps_total", {"outcome": "refused"}) == 3

    gc.disable()
    try:
        asyncio.run(act())
        assert [one() is not None for one in made] == [True, True, False, False, False]
    finally:
        gc.enable()


def bundle_of(folder: Path, slope: float) -> str:
    """A real bundle in the place of whatever is there; its digest."""
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    model = Linear(coefficients=np.eye(2, dtype=np.float32), intercept=np.zeros(2, dtype=np.float32))
    shutil.rmtree(folder, ignore_errors=True)
    return write_bundle(
        folder, name="topics", labels=["Sports", "Business"], steps=[tfidf], model=model, slope=slope
    ).digest


class Swapped:
    """A file of one real bundle, named without its digest, and what swaps come to."""

    def __init__(self, folder: Path) -> None:
        self.bundle, self.host = folder / "topics", Host(metrics=Metrics())
        self.first = bundle_of(self.bundle, 2.0)
        file = folder / "models.json"
        write_models(file, (Placed(bundle=self.bundle, model="topics", version="7"),))
        self._swapper = Swapper(self.host, file)
        self._swapper.begin()

    async def swap(self) -> str:
        """The digest that is served afterwards."""
        await self._swapper.swap()
        return self.host.models["topics"].identity.digest

    def count(self, outcome: str) -> float:
        return self.host.metrics.registry.get_sample_value("pressrun_swaps_total", {"outcome": outcome}) or 0


def test_a_bundle_that_was_replaced_in_its_folder_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        swapped = Swapped(tmp_path)
        second = bundle_of(swapped.bundle, 3.0)
        assert swapped.first != await swapped.swap() == second
        assert (swapped.count("served"), swapped.count("unchanged")) == (1, 0)

    with caplog.at_level("INFO"):
        asyncio.run(act())
    assert "serving topics v7" in caplog.text


def test_what_is_served_already_is_told_as_unchanged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> None:
        swapped = Swapped(tmp_path)
        before = swapped.host.models["topics"]
        bundle_of(swapped.bundle, 2.0)
        await swapped.swap()
        assert swapped.host.models["topics"] is before
        assert (swapped.count("served"), swapped.count("unchanged")) == (0, 1)

    with caplog.at_level("INFO"):
        asyncio.run(act())
    assert "serving topics" not in caplog.text
    assert "unchanged" in caplog.text


def test_a_model_whose_bundle_has_gone_is_served_on_and_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act() -> None:
        swapped = Swapped(tmp_path)
        shutil.rmtree(swapped.bundle)
        assert await swapped.swap() == swapped.first
        assert swapped.count("unchanged") == 1

    asyncio.run(act())
    (told,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "topics v7" in told.getMessage()
    assert str(tmp_path / "topics") in told.getMessage()


@pytest.mark.parametrize("spoiled", ["{", None], ids=["no manifest", "no plain file"])
def test_a_bundle_that_was_replaced_by_a_wrong_one_is_refused(tmp_path: Path, spoiled: str | None) -> None:
    async def act() -> None:
        swapped = Swapped(tmp_path)
        manifest = swapped.bundle / "bundle.json"
        manifest.unlink()
        if spoiled is None:
            os.mkfifo(manifest)  # reading it would wait for ever
        else:
            manifest.write_text(spoiled)
        assert await swapped.swap() == swapped.first
        assert swapped.count("refused") == 1

    asyncio.run(act())
