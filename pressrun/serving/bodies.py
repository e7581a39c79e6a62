"""Requests' bodies, read within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import Any

from granian.rsgi import ProtocolClosed, ProtocolError  # type: ignore[attr-defined]

from pressrun.serving.errors import BadRequest, ClientGone

MAX_BODY = 4_000_000
READ_TO_REFUSE = 4 * MAX_BODY
_LATE = "the body is late"


class Bodies:
    """Reads bodies, each in at most `seconds`. One timer watches all of them: one each would cost more than reading."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[asyncio.Task[Any], float] = {}
        self._watched = False

    async def read(self, headers: Any, proto: Any) -> bytes:
        """The request's body. Raises BadRequest: 413 when it is too large, 408 when it does not come; and ClientGone.

        A little too much is read to its end: a client that is still sending when the connection closes sees no answer.
        """
        declared = headers.get("content-length")
        length = int(declared) if declared is not None and declared.isdigit() else None
        if length is not None and length > READ_TO_REFUSE:
            raise _too_large()
        reading = asyncio.current_task()
        assert reading is not None
        self._watch(reading)
        try:
            if length is not None and length <= MAX_BODY:
                return bytes(await proto())
            return await _streamed(proto, at_least=length or 0, chunked="transfer-encoding" in headers)
        except asyncio.CancelledError as error:
            if error.args != (_LATE,):
                raise
            raise BadRequest(f"the body did not come within {self._seconds:g} s", status=408) from None
        except (ProtocolClosed, ProtocolError):
            raise ClientGone("its client has gone before it had sent all of it") from None
        finally:
            self._until.pop(reading, None)

    def _watch(self, reading: asyncio.Task[Any]) -> None:
        loop = asyncio.get_running_loop()
        self._until[reading] = until = loop.time() + self._seconds
        if not self._watched:
            self._watched = True
            loop.call_at(until, self._look)

    def _look(self) -> None:
        """Ends those that are late. All have the same time, so the first one that began is the first one to be late."""
        loop = asyncio.get_running_loop()
        while self._until:
            reading, until = next(iter(self._until.items()))
            if until > loop.time():
                loop.call_at(until, self._look)
                return
            del self._until[reading]
            reading.cancel(_LATE)
        self._watched = False


async def _streamed(proto: Any, *, at_least: int, chunked: bool) -> bytes:
    parts, received, ends = bytearray(), 0, 0
    async for part in proto:
        received += len(part)
        ends += not part
        if received > READ_TO_REFUSE:
            raise _too_large()
        if received <= MAX_BODY:
            parts += part
    # granian tells the end by an empty part, and what cut the body short by one more. HTTP/2 has no chunks, but its
    # clients may send an empty part of their own.
    if received < at_least or (chunked and ends > 1):
        raise ClientGone("the body broke off before its end, or trailers follow it, which are not taken")
    if received > MAX_BODY:
        raise _too_large()
    return bytes(parts)


def _too_large() -> BadRequest:
    return BadRequest(f"the body is larger than {MAX_BODY} bytes; send fewer or shorter rows", status=413)
