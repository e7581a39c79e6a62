"""Servers of the Open Inference Protocol that are not ours: where to ask them, and whether they are ready."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from pressrun.config.redact import redacted

EXAMPLE = "http://127.0.0.1:8010/v2/models/topics"
_MODEL = re.compile(
    r"(?P<model>https?://[^/?#]+[^?#]*?/v2/models/(?P<name>[^/?#]+)(?:/versions/(?P<version>[^/?#]+))?)(?:/infer)?/?"
)
PROBE_SECONDS, PROBE_TIMEOUT, MOST_MISSES = 0.5, 2.0, 4


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One model of one server: its name for people, and the addresses of its paths."""

    name: str
    model: str

    @property
    def infer(self) -> str:
        return f"{self.model}/infer"

    @property
    def ready(self) -> str:
        return f"{self.model}/ready"

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """The endpoint at `.../v2/models/NAME`, perhaps with `/versions/N` or `/infer`. Raises ValueError elsewhere."""
        found = _MODEL.fullmatch(url.strip())
        if found is None:
            raise ValueError(f"{redacted(url)} is no address of a model; give one such as {EXAMPLE}")
        version = f" v{found['version']}" if found["version"] else ""
        return cls(name=f"{found['name']}{version}", model=found["model"])


class Probe:
    """Whether an endpoint is ready; it takes `MOST_MISSES` misses in a row to lose it."""

    def __init__(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> None:
        self._endpoint, self._session = endpoint, session
        self.ready, self._misses = False, 0

    async def look(self) -> None:
        """Asks once."""
        if await self._says_ready():
            self.ready, self._misses = True, 0
        else:
            self._misses += 1
            self.ready = self.ready and self._misses < MOST_MISSES

    async def watch(self) -> None:
        """Asks again and again."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self.look()

    async def _says_ready(self) -> bool:
        status = await self._status(self._endpoint.ready)
        # A server without readiness paths has a model when it describes it.
        return status == 200 or (status in (404, 405, 501) and await self._status(self._endpoint.model) == 200)

    async def _status(self, url: str) -> int:
        try:
            timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
            async with self._session.get(url, timeout=timeout) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0


def read_requests(file: Path) -> list[bytes]:
    """The inference requests of a file, one JSON object a line. Raises ValueError naming the line that is none."""
    found = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            _check(line, f"{file}:{number}")
            found.append(line)
    if not found:
        raise ValueError(f'{file} holds no request: write one a line, such as {{"inputs": [...]}}')
    return found


def _check(line: bytes, where: str) -> None:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where} is no JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list) or not document["inputs"]:
        raise ValueError(f"{where} is no inference request of the protocol's version 2: it needs a list of inputs")
