"""The server's HTTP surface as an RSGI application: routes, limits and errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from pressrun.serving import answering, openapi
from pressrun.serving.bodies import Bodies
from pressrun.serving.errors import BadRequest, Overloaded, Refused
from pressrun.serving.hosting import FEW_ROWS, Host, Hosted
from pressrun.serving.log import PredictionLog
from pressrun.serving.protocol import Identity, parameters, parse_infer, parse_json
from pressrun.serving.reading import Inference, read_inference, read_plain
from pressrun.serving.records import Call, Privacy, call_of, new_request_id, rows_of
from pressrun.serving.scoring import Scored
from pressrun.serving.tensors import Tail
from pressrun.tracing import carried_by, span

if TYPE_CHECKING:
    from pressrun.serving.shadow import Shadow

HEADER_LENGTH = "inference-header-content-length"
_JSON = (("content-type", "application/json"),)
_TEXT = (("content-type", "text/plain; version=0.0.4; charset=utf-8"),)
_HTML = (("content-type", "text/html; charset=utf-8"),)
_NOT_LOGGED = "predictions cannot be logged, so none are given; the server's log has the reason"
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class Reply(NamedTuple):
    """An HTTP answer; `body` is JSON unless it is bytes already."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...] = _JSON


@dataclass(frozen=True, kw_only=True)
class Logging:
    """Where predictions are logged. `durable`: what cannot be logged is not answered, but refused for a while."""

    log: PredictionLog
    durable: bool = False
    privacy: Privacy = field(default_factory=Privacy)

    def write(self, hosted: Hosted, call: Call, request_id: str, inference: Inference, scored: Scored) -> None:
        """Adds a row for each of the request's. Raises OSError, with none of them added."""
        rows = rows_of(hosted.identity, call, request_id, inference, scored, hosted.bundle.labels)
        self.log.write([self.privacy.kept(row) for row in rows])


class App:
    """Answers the requests for a host's models. `draining` makes it unready while it goes on answering."""

    def __init__(
        self, host: Host, *, logging: Logging | None = None, controller: str | None = None, traced: bool = False
    ) -> None:
        self.draining, self._host, self._logging, self._traced = False, host, logging, traced
        self._not_logged, self._bodies = "", Bodies(host.limits.body_seconds)
        # One alone: each thread that computes keeps the loop waiting once more.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")
        self.shadow = self._shadow(controller) if controller else None
        self._gets: Mapping[str, Callable[[], Reply]] = {}
        self._posts: Mapping[str, tuple[Hosted, bool]] = {}
        host.changed = self._find_routes
        self._find_routes()

    def _find_routes(self) -> None:
        models = self._host.models
        gets: dict[str, Callable[[], Reply]] = {
            "/healthz": self._live,
            "/v2/health/live": self._live,
            "/readyz": self._ready,
            "/v2/health/ready": self._ready,
            "/v2": self._server,
            "/v2/models": self._models,
            "/metrics": self._counts,
            "/openapi.json": cache(self._openapi),
            "/docs": cache(self._docs),
        }
        posts: dict[str, tuple[Hosted, bool]] = {}
        for name, one in models.items():
            for base in (f"/v2/models/{name}", f"/v2/models/{name}/versions/{one.identity.version}"):
                gets[base] = partial(self._model, one)
                gets[f"{base}/ready"] = partial(self._ready, one)
                posts[f"{base}/infer"] = (one, False)
            posts.setdefault("/predict", (one, True))
            posts[f"/predict/{name}"] = (one, True)
        self._gets, self._posts = gets, posts

    def _shadow(self, controller: str) -> Shadow:
        # A server without a controller starts without the client that this takes.
        from pressrun.serving.shadow import Shadow

        (one,) = self._host.models.values()
        who = one.identity
        return Shadow(
            controller, model=who.model, generation=who.generation, started_as=who.arm, metrics=self._host.metrics
        )

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        path, method = scope.path, scope.method
        found = self._posts.get(path) if method == "POST" else None
        if found is None:
            reply = self.looked_up(path, method)
        else:
            reply = await (self._traced_post if self._traced else self._post)(path, *found, scope.headers, proto)
        body = reply.body if isinstance(reply.body, bytes) else _encode(reply.body)
        # Who is told nothing any more needs no error in the log.
        with suppress(ProtocolClosed):
            proto.response_bytes(reply.status, list(reply.headers), body)

    def looked_up(self, path: str, method: str) -> Reply:
        """The answer to all that is no question to a model."""
        path = path.rstrip("/") or "/"
        if method in ("GET", "HEAD") and path in self._gets:
            return self._gets[path]()
        if path in self._posts or path in self._gets:
            allowed = "POST" if path in self._posts else "GET, HEAD"
            if method == "POST" and path in self._posts:
                return _error(404, f"it is {path} here, without the slash")
            refusal = _error(405, f"{path} takes {allowed}, not {method}")
            return refusal._replace(headers=(*refusal.headers, ("allow", allowed)))
        return _error(404, f"no such path; this server has {', '.join(self._host.models) or 'no model'}, see /docs")

    async def _traced_post(self, path: str, hosted: Hosted, plain: bool, headers: Any, proto: Any) -> Reply:
        """A span of whoever asked; nothing of the article or the reader is told."""
        who, asked_by = self._now_known_as(hosted), carried_by(headers)
        with span(
            "pressrun.predict", carrier=asked_by, model=who.model, version=who.version, arm=who.arm,
            generation=who.generation,
        ) as told:  # fmt: skip
            reply = await self._post(path, hosted, plain, headers, proto)
            told.set_attribute("http.response.status_code", reply.status)
            return reply

    async def _post(self, path: str, hosted: Hosted, plain: bool, headers: Any, proto: Any) -> Reply:
        who, body, started = self._now_known_as(hosted), b"", time.perf_counter()
        call = Call(request_id=None, arm=who.arm, generation=who.generation, shadow=False, started=started)
        hosted.under_way += 1
        try:
            call = call_of(headers, who)
            body = await self._bodies.read(headers, proto)
            inference = _read(hosted, plain, headers, body)
            reply = await self._infer(hosted, plain, who, call, inference)
        except Refused as error:
            reply = _refused(error)
            if error.status == 400 and headers.get("content-encoding", "identity") != "identity":
                reply = _error(415, "bodies are read as they are; send it without Content-Encoding")
        except Exception:
            _log.exception("a request could not be answered")
            reply = _error(500, "the model could not answer; the server's log has the reason")
        finally:
            hosted.under_way -= 1
        hosted.metrics.answered(
            arm=call.arm, shadow=call.shadow, status=reply.status, seconds=time.perf_counter() - call.started
        )
        if self.shadow is not None and not call.shadow and reply.status in (200, 500):
            # What failed here is put to the other arm as well: there it may succeed.
            length = headers.get(HEADER_LENGTH)
            self.shadow.consider(path, body, reply.body if reply.status == 200 else None, header_length=length)
        return reply

    async def _infer(self, hosted: Hosted, plain: bool, who: Identity, call: Call, inference: Inference) -> Reply:
        task = hosted.bundle.manifest.task
        if inference.outputs is not None:
            answering.refuse_unknown(task, inference.outputs)
        if call.seconds is not None or inference.seconds is not None:
            inference = msgspec.structs.replace(inference, seconds=_left(call, inference))
        scored = await hosted.answer(inference)
        request_id, labels = call.request_id or inference.request_id or new_request_id(), hosted.bundle.labels
        await self._keep(hosted, call, request_id, inference, scored)
        hosted.metrics.described(scored.features)
        if (call.arm, call.generation) != (who.arm, who.generation):
            who = replace(who, arm=call.arm, generation=call.generation)
        if plain:
            if labels:
                best = scored.scores.argmax(axis=1).tolist()
                hosted.metrics.predicted(arm=call.arm, labels=[labels[place] for place in best])
            return Reply(status=200, body=answering.plain(who, request_id, task, labels, scored.scores))
        outputs = answering.outputs_of(task, labels, scored.scores)
        if labels:
            hosted.metrics.predicted(arm=call.arm, labels=outputs[0].values)  # type: ignore[arg-type]
        content, kind = answering.render(who, request_id, outputs, inference)
        return Reply(status=200, body=content, headers=kind)

    async def _keep(self, hosted: Hosted, call: Call, request_id: str, inference: Inference, scored: Scored) -> None:
        """Logs the rows. Raises Overloaded where nothing may be answered that is not logged."""
        if self._logging is None:
            return
        write = partial(self._logging.write, hosted, call, request_id, inference, scored)
        try:
            if inference.rows <= FEW_ROWS:
                write()
            else:
                # Thousands of rows take tens of milliseconds to make and write: meanwhile others are answered.
                await asyncio.get_running_loop().run_in_executor(self._writer, write)
            self._not_logged = ""
        except OSError as error:
            hosted.metrics.unlogged(arm=call.arm, rows=inference.rows)
            if self._not_logged != str(error):
                self._not_logged = str(error)
                _log.error("predictions are not logged until this is mended: %s (%s)", error, self._logging.log.spool)
            if self._logging.durable:
                raise Overloaded(_NOT_LOGGED, retry_after=5) from error

    def _now_known_as(self, hosted: Hosted) -> Identity:
        """A candidate that was promoted is the champion; only the controller knows."""
        arm = self.shadow.arm if self.shadow else None
        return replace(hosted.identity, arm=arm) if arm and arm != hosted.identity.arm else hosted.identity

    def _live(self) -> Reply:
        return Reply(status=200, body={"live": True})

    def _ready(self, hosted: Hosted | None = None) -> Reply:
        ready = bool(self._host.models) and not self.draining
        one = hosted or next(iter(self._host.models.values()), None)
        return Reply(status=200 if ready else 503, body={"ready": ready, **(parameters(one.identity) if one else {})})

    def _server(self) -> Reply:
        return Reply(status=200, body={"name": "pressrun", "version": "2", "extensions": ["binary_tensor_data"]})

    def _models(self) -> Reply:
        return Reply(status=200, body={"models": list(self._host.models)})

    def _model(self, one: Hosted) -> Reply:
        return Reply(status=200, body=openapi.metadata(one))

    def _openapi(self) -> Reply:
        return Reply(status=200, body=_encode(openapi.document(self._host.models)))

    def _docs(self) -> Reply:
        return Reply(status=200, body=openapi.page(self._host.models), headers=_HTML)

    def _counts(self) -> Reply:
        return Reply(status=200, body=self._host.metrics.render(), headers=_TEXT)


def _left(call: Call, inference: Inference) -> float:
    """Seconds to the first deadline; whoever asked began to wait when the request began to come."""
    seconds = min(one for one in (call.seconds, inference.seconds) if one is not None)
    return max(0.0, seconds - (time.perf_counter() - call.started))


def _read(hosted: Hosted, plain: bool, headers: Any, body: bytes) -> Inference:
    signature = hosted.bundle.manifest
    if plain:
        return read_plain(parse_json(body), signature)
    length = headers.get(HEADER_LENGTH)
    if length is None:
        return read_inference(parse_infer(body), Tail(), signature)
    if not (length.isascii() and length.isdigit()) or int(length[:10]) > len(body):
        raise BadRequest(f"{HEADER_LENGTH} must be the bytes of the body's JSON, at the most {len(body)}")
    end = int(length)
    return read_inference(parse_infer(body[:end]), Tail(memoryview(body)[end:]), signature)


def _refused(error: Refused) -> Reply:
    wait = () if error.retry_after is None else (("retry-after", str(error.retry_after)),)
    reply = _error(error.status, str(error))
    return reply._replace(headers=(*reply.headers, *wait))


def _error(status: int, message: str) -> Reply:
    return Reply(status=status, body={"error": message})
