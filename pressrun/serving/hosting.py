"""The models of one process, each with its own queue, cache and counts; one that goes loses no request."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import pressrun.bundle as bundles
from pressrun.serving import scoring
from pressrun.serving.batching import Batcher
from pressrun.serving.cache import Cache
from pressrun.serving.metrics import Metrics, ModelMetrics
from pressrun.serving.protocol import Identity
from pressrun.serving.reading import Inference
from pressrun.serving.scoring import Scored, Scorer

FEW_ROWS = 16
"""What is done for each row of a larger request leaves the event loop."""
_log = logging.getLogger(__name__)


class WrongModel(Exception):
    """The bundle is not the one that was asked for; trying again does not help, registering it again does."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a model may take (requests that wait or run, rows whose answers are kept, threads that compute one batch),
    and a client (seconds in which a request's body must come)."""

    depth: int = 512
    cached: int = 0
    threads: int = 1
    body_seconds: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A model to serve: where its bundle lies and what it is known as. None as digest takes any."""

    bundle: Path
    model: str
    version: str
    digest: str | None = None


@dataclass(kw_only=True, eq=False)
class Hosted:
    """One loaded model version."""

    identity: Identity
    bundle: Scorer
    batcher: Batcher
    cache: Cache[Scored] | None
    metrics: ModelMetrics
    under_way: int = 0
    """Requests whose answer is not given yet; their bodies may still be on the way."""

    async def answer(self, inference: Inference) -> Scored:
        """What the model says of each row. Raises Overloaded, DeadlinePassed and what the model raises."""
        until = math.inf if inference.seconds is None else time.monotonic() + inference.seconds
        if self.cache is None:
            return await self._scored(inference, await self.batcher.scores(inference.batch, until=until))
        key = "".join(inference.digests).encode()
        scored, found = await self.cache.get(key, lambda: self._worked_out(inference, until), until=until)
        self.metrics.cached(found)
        return scored

    @property
    def pending(self) -> int:
        return max(self.under_way, self.batcher.pending)

    def close(self) -> None:
        """Nothing is asked any more; also of one that was loaded and never served."""
        self.batcher.close()

    async def _worked_out(self, inference: Inference, until: float) -> Scored:
        # What is kept must not hold the whole batch that it was scored in.
        return await self._scored(inference, (await self.batcher.scores(inference.batch, until=until)).copy())

    async def _scored(self, inference: Inference, scores: np.ndarray) -> Scored:
        if inference.rows <= FEW_ROWS:
            return Scored(scores=scores, features=scoring.features_of(self.bundle, inference.batch))
        # Hundreds of long articles take as long to describe as to score: meanwhile others are answered.
        return Scored(
            scores=scores, features=await asyncio.to_thread(scoring.features_of, self.bundle, inference.batch)
        )


@dataclass
class Host:
    """The models that are served now; the first one's name is what `POST /predict` means."""

    metrics: Metrics
    limits: Limits = field(default_factory=Limits)
    models: Mapping[str, Hosted] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None
    _leaving: dict[asyncio.Task[None], Hosted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What is loaded and never served is none of it, and is not held by its counts.
        self.metrics.count_waiting(lambda: [(one.identity, one.batcher.pending) for one in self._all()])

    def load(self, placed: Placed, *, arm: str = "champion", generation: int = 0) -> Hosted:
        """The model, loaded, verified and warm. Raises BundleError and WrongModel."""
        bundle: Scorer = bundles.load_bundle(placed.bundle, threads=self.limits.threads)
        if placed.digest is not None and bundle.digest != placed.digest:
            raise WrongModel(
                f"{placed.bundle} holds the model {bundle.digest}, asked for was {placed.digest}: register it again"
            )
        identity = Identity(
            model=placed.model, version=placed.version, digest=bundle.digest, arm=arm, generation=generation
        )
        # The function is looked up at each call, so that a test can put another in its place.
        batcher = Batcher(lambda batch: scoring.score(bundle, batch), depth=self.limits.depth)
        batcher.measured(*scoring.warm_up(bundle))
        counts = self.metrics.of(identity)
        batcher.batched = counts.batched
        cache = Cache[Scored](self.limits.cached, rows=lambda kept: len(kept.scores)) if self.limits.cached else None
        return Hosted(identity=identity, bundle=bundle, batcher=batcher, cache=cache, metrics=counts)

    def serve(self, models: Iterable[Hosted]) -> None:
        """From now on these; of those that go, what is under way is still answered."""
        before, self.models = self.models, {one.identity.model: one for one in models}
        self.changed()
        for gone in before.values():
            if self.models.get(gone.identity.model) is not gone:
                self._leave(gone)

    @property
    def pending(self) -> int:
        return sum(one.pending for one in self._all())

    def close(self) -> None:
        for one in self.models.values():
            one.close()

    def _all(self) -> Iterable[Hosted]:
        return (*self.models.values(), *self._leaving.values())

    def _known_as(self) -> set[tuple[str, str]]:
        return {(one.identity.model, one.identity.version) for one in self.models.values()}

    def _leave(self, gone: Hosted) -> None:
        task = asyncio.ensure_future(self._left(gone))
        self._leaving[task] = gone
        task.add_done_callback(self._leaving.pop)

    async def _left(self, gone: Hosted) -> None:
        # A request that has been routed here counts before its body has come.
        while gone.pending:  # noqa: ASYNC110 -- polled for as long as its last requests take
            await asyncio.sleep(0.02)
        gone.close()
        if (gone.identity.model, gone.identity.version) not in self._known_as():
            gone.metrics.forget()
        who = gone.identity
        _log.info("%s v%s (%s) is no longer served", who.model, who.version, who.digest[:12])
