"""Shadow traffic, sent by the servers themselves since gateways differ: a share of the requests goes to other arms too.

Whoever sends counts: how many were answered, how fast, and whether the answer was its own. Readers never wait for it.
The rollout's controller says whom to ask; a server that cannot reach it shadows nobody, and stays the arm that it was.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from pressrun.agreement import Statement, compared, statements
from pressrun.serving.metrics import Metrics

ASK_SECONDS = 2.0
TIMEOUT_SECONDS = 3.0
MOST_UNDER_WAY = 16
# Another arm is another version: asked for this one, it would answer that there is no such path.
_VERSION = re.compile(r"/versions/[^/]+(?=/infer$)")
CANDIDATE, BASELINE = "candidate", "baseline"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """What the controller says: the rollout's generation, the share to shadow, below which probability an
    answer declines, each arm's generation and address."""

    generation: int = 0
    share: float = 0.0
    declines_below: float = 0.0
    arms: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Instructions:
        """Raises KeyError, TypeError and ValueError for what no controller says."""
        arms = {str(arm): (int(one["generation"]), str(one["url"])) for arm, one in (said.get("arms") or {}).items()}
        share, below = (min(1.0, max(0.0, float(said.get(name, 0.0)))) for name in ("share", "declines_below"))
        return cls(generation=int(said.get("generation", 0)), share=share, declines_below=below, arms=arms)

    def arm_of(self, generation: int, *, started_as: str) -> str | None:
        """Which arm the servers of a generation are at present; a baseline's is its candidate's, and it stays one."""
        mine = [arm for arm, (made_by, _) in self.arms.items() if made_by == generation]
        return next((arm for arm in mine if (arm == BASELINE) == (started_as == BASELINE)), None)


class Shadow:
    """The shadow traffic of one server of generation `generation`."""

    def __init__(self, controller: str, *, model: str, generation: int, started_as: str, metrics: Metrics) -> None:
        self.instructions = Instructions()
        self.arm: str | None = None
        self._url = f"{controller_url(controller)}/v1/models/{model}/shadow"
        self._generation, self._started_as, self._metrics = generation, started_as, metrics
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Asks the controller again and again, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            while True:
                self.follow_these(await self._asked(self._session))
                await asyncio.sleep(ASK_SECONDS)

    def follow_these(self, instructions: Instructions) -> None:
        """From now on; `arm` is which arm this server is by them, None where they do not say."""
        self.instructions = instructions
        self.arm = instructions.arm_of(self._generation, started_as=self._started_as)

    def consider(self, path: str, body: bytes, answer: Any, *, header_length: str | None = None) -> None:
        """Perhaps puts the request to every arm of the rollout, in the background.

        `answer` is the body or document that was answered here, None where there was none; `header_length` how long the
        JSON of a body with binary tensors is.
        """
        now = self.instructions
        if self._session is None or len(self._under_way) >= MOST_UNDER_WAY or random.random() >= now.share:
            return
        kind = {} if header_length is None else {"inference-header-content-length": header_length}
        task = asyncio.create_task(self._send(self._session, now, _VERSION.sub("", path), body, answer, kind))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _asked(self, session: aiohttp.ClientSession) -> Instructions:
        try:
            async with session.get(self._url, raise_for_status=True) as got:
                return Instructions.read(await got.json())
        # Whatever is said there, it is asked again: else this server would follow its last word for ever.
        except Exception as error:
            _log.debug("the controller at %s does not answer: %s", self._url, error)
            return replace(self.instructions, share=0.0)

    async def _send(
        self,
        session: aiohttp.ClientSession,
        now: Instructions,
        path: str,
        body: bytes,
        answer: Any,
        kind: Mapping[str, str],
    ) -> None:
        """To its own arm as well, one after the other in an order of chance: both are then measured the same way."""
        ours = statements(answer)
        arms, mine = list(now.arms.items()), now.arm_of(self._generation, started_as=self._started_as)
        random.shuffle(arms)
        for arm, (_, url) in arms:
            theirs = await self._ask(session, url + path, body, arm, now.generation, kind)
            # Champion and baseline are one model: that they agree says nothing of the candidate.
            if arm == mine or CANDIDATE not in (arm, mine):
                continue
            candidate, other = (ours, theirs) if mine == CANDIDATE else (theirs, ours)
            if both := compared(candidate, other, below=now.declines_below):
                self._metrics.paired(rollout=now.generation, arm=arm, both=both)

    async def _ask(
        self, session: aiohttp.ClientSession, url: str, body: bytes, arm: str, rollout: int, kind: Mapping[str, str]
    ) -> tuple[Statement, ...]:
        started, said_there = time.perf_counter(), tuple[Statement, ...]()
        headers = {"content-type": "application/json", "x-pressrun-shadow": "1", "x-pressrun-arm": arm, **kind}
        try:
            async with session.post(url, data=body, headers=headers) as got:
                answered = await got.read()
                said_there = statements(answered) if got.status == 200 else ()
                failed = not 200 <= got.status < 300
        except (aiohttp.ClientError, OSError, TimeoutError):
            failed = True
        self._metrics.shadowed(rollout=rollout, arm=arm, failed=failed, seconds=time.perf_counter() - started)
        return said_there


def controller_url(name: str) -> str:
    """Where the controller's Service `name` answers: by what Kubernetes sets in the pod's environment, else by DNS."""
    if name.startswith(("http://", "https://")):
        return name.rstrip("/")
    prefix = name.upper().replace("-", "_")
    host, port = os.environ.get(f"{prefix}_SERVICE_HOST", name), os.environ.get(f"{prefix}_SERVICE_PORT", "8090")
    return f"http://{host}:{port}"
