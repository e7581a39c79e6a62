"""A local server that speaks Slack's Web API on the wire, with the trouble that Slack makes.

Methods, envelopes and errors as in https://api.slack.com/methods; driven only through slack-sdk.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import parse_qs

from tests.fakes.loopback import on_loopback

TOKEN = "xoxb-test"
Trouble = Literal["429", "500", "lost", "refused"]
"""`lost`: the request is obeyed, then the connection breaks with no answer. `refused`: it breaks before."""


@dataclass
class FakeSlack:
    """The workspace. `troubles` holds, by method, what happens to its next calls."""

    url: str = ""
    channels: dict[str, str] = field(default_factory=lambda: {"news-ml": "C0NEWS"})
    messages: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    troubles: dict[str, list[Trouble]] = field(default_factory=dict)
    retry_after: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["thread_ts"] in (None, message["ts"])]

    def replies(self, root: dict[str, Any]) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["thread_ts"] == root["ts"] and m is not root]

    def obey(self, method: str, given: dict[str, Any]) -> dict[str, Any]:
        handlers = {
            "auth.test": lambda _: {"ok": True, "user_id": "U0BOT", "team": "newsroom"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.list": self._list,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
        }
        return handlers[method](given) if method in handlers else _error("unknown_method")

    def _post(self, given: dict[str, Any]) -> dict[str, Any]:
        channel = self.channels.get(str(given.get("channel", "")).lstrip("#"), given.get("channel"))
        if channel not in self.channels.values():
            return _error("channel_not_found")
        if not given.get("text"):
            return _error("no_text")
        ts = f"1700000000.{len(self.messages) + 1:06d}"
        names = ("text", "blocks", "metadata", "thread_ts")
        message = {**{name: given.get(name) for name in names}, "ts": ts, "channel": channel, "edited": False}
        self.messages.append(message)
        return {"ok": True, "channel": channel, "ts": ts, "message": {"text": given["text"]}}

    def _update(self, given: dict[str, Any]) -> dict[str, Any]:
        for message in self.messages:
            if (message["channel"], message["ts"]) == (given.get("channel"), given.get("ts")):
                message.update(text=given["text"], blocks=given.get("blocks"), edited=True)
                return {"ok": True, "channel": message["channel"], "ts": message["ts"], "text": message["text"]}
        return _error("message_not_found")

    def _list(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [{"id": number, "name": name} for name, number in self.channels.items()]
        return {"ok": True, "channels": found, "response_metadata": {"next_cursor": ""}}

    def _history(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("channel") not in self.channels.values():
            return _error("channel_not_found")
        return self._page([m for m in reversed(self.roots) if m["channel"] == given["channel"]], given)

    def _replies(self, given: dict[str, Any]) -> dict[str, Any]:
        found = [m for m in self.messages if given.get("ts") in (m["ts"], m["thread_ts"])]
        return self._page(found, given) if found else _error("thread_not_found")

    def _page(self, found: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
        start, size = int(given.get("cursor") or 0), min(int(given.get("limit") or 100), 2)
        told = [_shown(m, metadata=_true(given.get("include_all_metadata"))) for m in found[start : start + size]]
        following = str(start + size) if start + size < len(found) else ""
        return {"ok": True, "messages": told, "response_metadata": {"next_cursor": following}}


@contextmanager
def fake_slack() -> Iterator[FakeSlack]:
    """The server on a free port of localhost; its `url` is what `environment.slack_url` takes."""
    fake = FakeSlack()
    with on_loopback(_handler(fake), fake) as address:
        fake.url = f"http://{address}/api/"
        yield fake


def _handler(fake: FakeSlack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            method = self.path.removeprefix("/api/").partition("?")[0]
            with fake.lock:
                fake.calls.append(method)
                waiting = fake.troubles.get(method) or []
                trouble = waiting.pop(0) if waiting else None
                answer = self._answer(method, body, trouble)
            if answer is None:
                self.close_connection = True
                self.connection.close()
                return
            self._send(*answer)

        do_GET = do_POST  # noqa: N815

        def _answer(
            self, method: str, body: bytes, trouble: Trouble | None
        ) -> tuple[int, dict[str, Any], dict[str, str]] | None:
            if trouble == "429":
                return 429, _error("ratelimited"), {"Retry-After": str(fake.retry_after)}
            if trouble == "500":
                return 500, _error("internal_error"), {}
            if trouble == "refused":
                return None
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return 200, _error("invalid_auth"), {}
            answer = fake.obey(method, self._given(body))
            return None if trouble == "lost" else (200, answer, {})

        def _given(self, body: bytes) -> dict[str, Any]:
            if "json" in self.headers.get("Content-Type", ""):
                given: dict[str, Any] = json.loads(body or b"{}")
                return given
            query = self.path.partition("?")[2]
            form = {name: values[-1] for name, values in parse_qs(body.decode() or query).items()}
            parsed = {name: json.loads(form[name]) for name in ("blocks", "metadata") if name in form}
            return {**form, **parsed}

        def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


def _error(name: str) -> dict[str, Any]:
    return {"ok": False, "error": name}


def _shown(message: dict[str, Any], *, metadata: bool) -> dict[str, Any]:
    names = ("ts", "text", "metadata") if metadata else ("ts", "text")
    return {name: message[name] for name in names}


def _true(value: object) -> bool:
    return str(value).lower() in {"1", "true"}
