"""Slack's Web API: what can be asked again is retried, what cannot is looked up first."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import HTTPException
from typing import Any, cast

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

from pressrun.alerts.render import blocks

EVENT = "pressrun_alert"
TIMEOUT_SECONDS = 10
_PAGE = 200
_PAGES = 5
_TROUBLE = (OSError, HTTPException, ValueError)


class UnknownOutcomeError(Exception):
    """Slack may or may not have taken the message. Search the history before posting it again."""


class RefusedError(Exception):
    """Slack answered and did not take the message."""


class UnreachableError(Exception):
    """Slack could not be asked; nothing was changed."""


class Slack:
    """The few calls that alerts need. Raises UnknownOutcomeError, RefusedError and UnreachableError only."""

    def __init__(self, *, token: str, base_url: str | None) -> None:
        url = (base_url.rstrip("/") + "/") if base_url else WebClient.BASE_URL
        # A post that ended in a 5xx or a lost connection may have been taken: only 429 is surely not.
        careful = [RateLimitErrorRetryHandler(max_retry_count=3)]
        repeatable = [
            *careful,
            ServerErrorRetryHandler(max_retry_count=2),
            ConnectionErrorRetryHandler(max_retry_count=2),
        ]
        self._posting = WebClient(token=token, base_url=url, timeout=TIMEOUT_SECONDS, retry_handlers=list(careful))
        self._asking = WebClient(token=token, base_url=url, timeout=TIMEOUT_SECONDS, retry_handlers=list(repeatable))

    def sign_in(self) -> None:
        """Asks Slack whether it takes the token; changes nothing."""
        try:
            self._asking.auth_test()
        except SlackApiError as error:
            failure = _failure(error)
            raise (failure if isinstance(failure, RefusedError) else UnreachableError(str(failure))) from error
        except _TROUBLE as error:
            raise UnreachableError(f"{type(error).__name__}: {error}") from error

    def post(self, *, channel: str, text: str, key: str, thread_ts: str | None) -> tuple[str, str]:
        """Posts once; returns (channel id, ts)."""
        metadata = {"event_type": EVENT, "event_payload": {"key": key}}
        try:
            answer = self._posting.chat_postMessage(
                channel=channel,
                text=text,
                blocks=blocks(text),
                metadata=metadata,
                thread_ts=thread_ts,
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            raise _failure(error) from error
        except _TROUBLE as error:
            raise UnknownOutcomeError(f"{type(error).__name__}: {error}") from error
        return str(answer["channel"]), str(answer["ts"])

    def update(self, *, channel: str, ts: str, text: str, key: str) -> None:
        """Replaces a message's text; safe to repeat."""
        metadata = {"event_type": EVENT, "event_payload": {"key": key}}
        try:
            self._asking.chat_update(channel=channel, ts=ts, text=text, blocks=blocks(text), metadata=metadata)
        except SlackApiError as error:
            raise _failure(error) from error
        except _TROUBLE as error:
            raise UnreachableError(f"{type(error).__name__}: {error}") from error

    def find(self, *, channel: str, key: str, thread_ts: str | None, oldest: float) -> str | None:
        """The ts of the message that carries `key`, if Slack has it."""
        try:
            for message in self._messages(channel=channel, thread_ts=thread_ts, oldest=oldest):
                if message.get("metadata", {}).get("event_payload", {}).get("key") == key:
                    return str(message["ts"])
        except SlackApiError as error:
            raise UnreachableError(_words(error)) from error
        except _TROUBLE as error:
            raise UnreachableError(f"{type(error).__name__}: {error}") from error
        return None

    def channel_id(self, channel: str) -> str:
        """The id of a channel given by name: histories are only searched by id."""
        if not channel.startswith("#"):
            return channel
        try:
            cursor: str | None = None
            while True:
                page = self._asking.conversations_list(
                    limit=_PAGE, cursor=cursor, exclude_archived=True, types="public_channel,private_channel"
                )
                for found in page.get("channels") or []:
                    if found["name"] == channel[1:]:
                        return str(found["id"])
                cursor = (page.get("response_metadata") or {}).get("next_cursor")
                if not cursor:
                    raise RefusedError(f"Slack has no channel {channel} that the app can see; invite it")
        except SlackApiError as error:
            raise UnreachableError(_words(error)) from error
        except _TROUBLE as error:
            raise UnreachableError(f"{type(error).__name__}: {error}") from error

    def _messages(self, *, channel: str, thread_ts: str | None, oldest: float) -> Iterable[dict[str, Any]]:
        cursor: str | None = None
        for _ in range(_PAGES):
            page = self._page(channel=channel, thread_ts=thread_ts, oldest=oldest, cursor=cursor)
            yield from page.get("messages", [])
            cursor = page.get("response_metadata", {}).get("next_cursor")
            if not cursor:
                return

    def _page(self, *, channel: str, thread_ts: str | None, oldest: float, cursor: str | None) -> dict[str, Any]:
        common: dict[str, Any] = {"channel": channel, "limit": _PAGE, "include_all_metadata": True, "cursor": cursor}
        if thread_ts is not None:
            return cast(dict[str, Any], self._asking.conversations_replies(ts=thread_ts, **common).data)
        return cast(dict[str, Any], self._asking.conversations_history(oldest=f"{oldest:.6f}", **common).data)


def _failure(error: SlackApiError) -> Exception:
    # Without a status it was no answer of Slack's at all, but some proxy's page.
    status = getattr(error.response, "status_code", 500)
    return UnknownOutcomeError(_words(error)) if status >= 500 else RefusedError(_words(error))


def _words(error: SlackApiError) -> str:
    data = error.response.data if hasattr(error.response, "data") else error.response
    reason = data.get("error") if isinstance(data, dict) else None
    return f"Slack answered {getattr(error.response, 'status_code', '?')} {reason or ''}".strip()
