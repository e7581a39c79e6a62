"""Stages as subjects: a copy of the home as it was before one, tries in processes of their own, and a census."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kills_census import Census, census
from kills_lineage import At, Kill, Outcome, Unharmed
from kills_night import FIRST, SECOND, STAGES, copied
from kills_template import Child, Template

PAID = "after a request to the labeling service"


class StageSubject:
    """A stage of night 2, or of the first night of an empty lake; labels by an LLM at `service`."""

    def __init__(
        self, stage: str, *, template: Template, base: Path, first: bool = False, service: str = "", careless: str = ""
    ) -> None:
        self.stage, self.template, self.service, self.careless = stage, template, service, careless
        self.home, self.run = (base / "first", FIRST) if first else (base / stage, SECOND)
        self.name = stage + (", first night" if first else ", by an LLM" if service else "")
        self.expected: Census = Census()
        self.calls = 0

    def world(self, place: Path) -> StageWorld:
        return StageWorld(self, place)

    def unharmed(self, place: Path) -> Unharmed:
        world = self.world(place)
        start = time.perf_counter()
        if status := world.attempt(0, None).wait():
            raise RuntimeError(f"{self.name} failed ({status}) with nobody killing it: {world.log.read_text()[-3000:]}")
        seconds = time.perf_counter() - start
        self.expected, self.calls = census(world.home), world.passed().count(PAID)
        passed = tuple(world.passed())
        world.close()
        return Unharmed(boundaries=passed, seconds=seconds)


class StageWorld:
    """One lineage's copy of the home."""

    def __init__(self, subject: StageSubject, place: Path) -> None:
        self._subject, self._place = subject, place
        self.home, self._told, self.log = place / "home", place / "told", place / "log"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        copied(subject.home, self.home)

    def attempt(self, number: int, kill: Kill | None) -> Child:
        mine, at = self._subject, kill.boundary if isinstance(kill, At) else None
        given = {
            "home": str(self.home), "stage": mine.stage, "run": mine.run, "told": str(self._told), "at": at,
            "number": number, "service": mine.service, "careless": mine.careless,
        }  # fmt: skip
        return mine.template.fork("kills_night:attempt", given, log=self.log)

    def killed_in_job(self) -> list[str]:
        return []

    def passed(self) -> list[str]:
        return self._told.read_text().splitlines() if self._told.exists() else []

    def judge(self, outcome: Outcome) -> None:
        found, expected = census(self.home), self._subject.expected
        outcome.lost += sorted((expected - found).elements())
        outcome.doubled += sorted((found - expected).elements())
        # With one call at a time, a kill may take one answer with it before it is on the disk.
        again = self.passed().count(PAID) - self._subject.calls - len(outcome.kills)
        outcome.doubled += ["a call to the labeling service"] * max(0, again)

    def close(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)


def subjects(template: Template, base: Path, *, service: str) -> list[StageSubject]:
    """Every stage, and the two that come in another form."""
    plain = [StageSubject(name, template=template, base=base) for name in STAGES]
    first = StageSubject("ingest", template=template, base=base, first=True)
    return [first, *plain, StageSubject("label", template=template, base=base, service=service)]


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": json.dumps({"topic": "World", "confidence": 0.9})}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        told: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": 1, "model": "stub"}
        body = json.dumps({**told, "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None: ...


@contextmanager
def labeling_service() -> Iterator[str]:
    """The address of an OpenAI-compatible service that always says World."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
