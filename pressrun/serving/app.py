"""The server's HTTP surface as an RSGI application: routes, limits and errors."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pressrun.serving.log import PredictionLog
from pressrun.serving.metrics import Metrics
from pressrun.serving.protocol import (
    BadRequest,
    Identity,
    Inference,
    parameters,
    parse_article,
    parse_inference,
    parse_json,
    render_inference,
)
from pressrun.serving.records import Call, call_of, rows_of
from pressrun.serving.scoring import Overloaded, Scored, Scorer, ScoringQueue
from pressrun.tracing import carried_by, span

if TYPE_CHECKING:
    from pressrun.serving.shadow import Shadow

MAX_BODY = 4_000_000
READ_TO_REFUSE = 4 * MAX_BODY
_JSON = [("content-type", "application/json")]
_TEXT = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP answer; `body` is JSON unless it is bytes already."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = ()


class App:
    """Answers one model's requests. `draining` makes it unready while what is under way is still answered."""

    def __init__(
        self,
        bundle: Scorer,
        *,
        identity: Identity,
        log: PredictionLog | None,
        depth: int = 64,
        controller: str | None = None,
        traced: bool = False,
    ) -> None:
        self.identity, self.draining, self._traced = identity, False, traced
        self.queue = ScoringQueue(bundle, depth=depth)
        self._bundle, self._log, self._metrics = bundle, log, Metrics(identity)
        self._not_logged = ""
        self.shadow = self._shadow(controller) if controller else None
        self._gets: dict[str, Callable[[], Reply]] = {
            "/healthz": self._live,
            "/v2/health/live": self._live,
            "/readyz": self._ready,
            "/v2/health/ready": self._ready,
            f"/v2/models/{identity.model}/ready": self._ready,
            f"/v2/models/{identity.model}": self._model,
            f"/v2/models/{identity.model}/versions/{identity.version}": self._model,
            "/v2": self._server,
            "/metrics": self._counts,
        }
        self._posts: dict[str, tuple[Callable[[dict[str, Any]], Inference], Callable[..., Any]]] = {
            f"/v2/models/{identity.model}/infer": (parse_inference, self._protocol_answer),
            f"/v2/models/{identity.model}/versions/{identity.version}/infer": (parse_inference, self._protocol_answer),
            "/predict": (parse_article, self._plain_answer),
        }

    def _shadow(self, controller: str) -> Shadow:
        # A server without a controller starts without the client that this takes.
        from pressrun.serving.shadow import Shadow

        who = self.identity
        return Shadow(
            controller, model=who.model, generation=who.generation, started_as=who.arm, metrics=self._metrics
        )  # fmt: skip

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        reply = await self._reply(scope, proto)
        headers = [*(_JSON if not isinstance(reply.body, bytes) else _TEXT), *reply.headers]
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        proto.response_bytes(reply.status, headers, body)

    async def _reply(self, scope: Any, proto: Any) -> Reply:
        path = scope.path.rstrip("/") or "/"
        if scope.method in ("GET", "HEAD") and path in self._gets:
            return self._gets[path]()
        if path in self._posts and scope.method == "POST":
            return await (self._traced_post if self._traced else self._post)(path, scope.headers, proto)
        if path in self._posts or path in self._gets:
            return _error(405, f"{path} does not take {scope.method}")
        return _error(404, f"no such path; this server has the model {self.identity.model}, see /v2")

    async def _traced_post(self, path: str, headers: Any, proto: Any) -> Reply:
        """A span of whoever asked; nothing of the article or the reader is told."""
        who, asked_by = self._now_known_as(), carried_by(headers)
        with span(
            "pressrun.predict", carrier=asked_by, model=who.model, version=who.version, arm=who.arm,
            generation=who.generation,
        ) as told:  # fmt: skip
            reply = await self._post(path, headers, proto)
            told.set_attribute("http.response.status_code", reply.status)
            return reply

    async def _post(self, path: str, headers: Any, proto: Any) -> Reply:
        call, parse_and_answer = call_of(headers, self._now_known_as()), self._posts[path]
        body = b""
        try:
            body = await _body(headers, proto)
            reply = await self._infer(body, call, *parse_and_answer)
        except BadRequest as error:
            reply = _error(error.status, str(error))
        except Overloaded as error:
            reply = replace(_error(429, str(error)), headers=(("retry-after", "1"),))
        except Exception:
            _log.exception("a request could not be answered")
            reply = _error(500, "the model could not answer; the server's log has the reason")
        self._metrics.answered(
            arm=call.arm, shadow=call.shadow, status=reply.status, seconds=time.perf_counter() - call.started
        )
        self._consider(path, body, call, reply)
        return reply

    def _consider(self, path: str, body: bytes, call: Call, reply: Reply) -> None:
        """What failed here is put to the other arm as well: there it may succeed."""
        if self.shadow is not None and not call.shadow and reply.status in (200, 500):
            self.shadow.consider(path, body, reply.body if reply.status == 200 else None)

    async def _infer(
        self, body: bytes, call: Call, parse: Callable[..., Inference], answer: Callable[..., Any]
    ) -> Reply:
        inference = parse(parse_json(body))
        scored = await self.queue.score(inference.articles)
        request_id = call.request_id or inference.request_id or call.token
        self._metrics.pending(self.queue.pending)
        self._metrics.predicted(arm=call.arm, labels=scored.labels)
        self._metrics.described(scored.features)
        self._keep(rows_of(self.identity, call, request_id, inference, scored), call)
        who = replace(self.identity, arm=call.arm, generation=call.generation)
        return Reply(status=200, body=answer(who, request_id, scored))

    def _keep(self, rows: list[dict[str, Any]], call: Call) -> None:
        """Readers are answered whether or not it can be logged: a full disk is no reason to send them away."""
        if self._log is None:
            return
        try:
            self._log.write(rows)
            self._not_logged = ""
        except OSError as error:
            self._metrics.unlogged(arm=call.arm, rows=len(rows))
            if self._not_logged != str(error):
                self._not_logged = str(error)
                _log.error("predictions are not logged until this is mended: %s (%s)", error, self._log.spool)

    def _now_known_as(self) -> Identity:
        """A candidate that was promoted is the champion; only the controller knows."""
        arm = self.shadow.arm if self.shadow else None
        return replace(self.identity, arm=arm) if arm and arm != self.identity.arm else self.identity

    def _protocol_answer(self, who: Identity, request_id: str, scored: Scored) -> Any:
        return render_inference(who, request_id, scored.labels, scored.probabilities, self._bundle.labels)

    def _plain_answer(self, who: Identity, request_id: str, scored: Scored) -> Any:
        scores = zip(self._bundle.labels, scored.probabilities[0], strict=True)
        return {
            "label": scored.labels[0],
            "probabilities": {label: round(float(score), 6) for label, score in scores},
            "model": who.model,
            "request_id": request_id,
            **parameters(who),
        }

    def _live(self) -> Reply:
        return Reply(status=200, body={"live": True})

    def _ready(self) -> Reply:
        return Reply(
            status=503 if self.draining else 200, body={"ready": not self.draining, **parameters(self.identity)}
        )

    def _server(self) -> Reply:
        return Reply(status=200, body={"name": "pressrun", "version": "2", "extensions": []})

    def _model(self) -> Reply:
        given = [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in ("title", "body")]
        outputs = [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(self._bundle.labels)]},
        ]
        who = {"name": self.identity.model, "versions": [self.identity.version], "platform": "pressrun_bundle"}
        more = {"parameters": {**parameters(self.identity), "labels": list(self._bundle.labels)}}
        return Reply(status=200, body={**who, "inputs": given, "outputs": outputs, **more})

    def _counts(self) -> Reply:
        return Reply(status=200, body=self._metrics.render())


async def _body(headers: Any, proto: Any) -> bytes:
    """The request's body. Raises BadRequest (413) when it is too large; of such a body nothing is kept.

    A little too much is read to its end: a client that is still sending when the connection closes sees no answer.
    """
    too_large = BadRequest(f"the body is larger than {MAX_BODY} bytes; send fewer or shorter articles", status=413)
    declared = headers.get("content-length") or "0"
    if declared.isdigit() and int(declared) > READ_TO_REFUSE:
        raise too_large
    parts, received = bytearray(), 0
    async for part in proto:
        received += len(part)
        if received > READ_TO_REFUSE:
            raise too_large
        if received <= MAX_BODY:
            parts += part
    if received > MAX_BODY:
        raise too_large
    return bytes(parts)


def _error(status: int, message: str) -> Reply:
    return Reply(status=status, body={"error": message})
