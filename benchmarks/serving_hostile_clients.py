"""The hostile clients, all of a kind in a process of their own: `python serving_hostile_clients.py < ORDER`.

The order is a line of JSON. When everything is set up a line of JSON is printed; then it goes on until its standard
input ends, and a last line says what came of it. Sockets are raw and the work is little: its core is the healthy
clients' as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from serving_hostile_kinds import Order

# So long nobody waits for a server that is well.
WAIT = 5.0
_TOGETHER, _PER_ADDRESS, _STEPS = 100, 5_000, 50
# Of those who never read. With segments as on the internet a server's kernel keeps some 100 kB for each; with the
# loopback's it would swallow megabytes of answers before the server had to wait.
_RECEIVE, _SEGMENT = 4096, 1400
# From <linux/in.h>: the port is chosen when it is known to whom.
_BIND_NO_PORT = 24
_AT_ONCE = struct.pack("ii", 1, 0)


class Clients:
    """Connections to a server: `begin` sets them up, `step` does a bit of work each `pause` seconds."""

    pause = 60.0
    reads = True

    def __init__(self, order: Order) -> None:
        self.order, self.sockets = order, list[socket.socket]()
        self.statuses, self.words = Counter[str](), ""

    def begin(self) -> None:
        """Raises TimeoutError when the server takes no more; those before are connected and stay."""
        for number in range(self.order.count):
            self.sockets.append(self.connected(number))
            self.greet(number, self.sockets[-1])

    def greet(self, number: int, one: socket.socket) -> None:
        """What a connection sends at first: nothing."""

    def step(self) -> None:
        """Nothing, unless there is something to do."""

    def connected(self, number: int) -> socket.socket:
        """Raises OSError. Processes have addresses of their own: connections that were just closed keep their port."""
        made = socket.socket()
        if not self.reads:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        if self.order.host.startswith("127."):
            made.setsockopt(socket.IPPROTO_IP, _BIND_NO_PORT, 1)
            made.bind((f"127.{1 + os.getpid() % 250}.{number // _PER_ADDRESS}.1", 0))
        made.settimeout(WAIT)
        made.connect((self.order.host, self.order.port))
        return made

    def request(self) -> bytes:
        content = self.order.body.encode("latin-1")
        return head(self.order.path, len(content)) + content

    def large(self) -> bytes:
        return b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n" % self.order.large.encode()

    def told(self, status: int | None, content: bytes = b"") -> None:
        self.statuses["none" if status is None else str(status)] += 1
        if status is not None and status >= 400 and not self.words:
            self.words = content.decode(errors="replace")[:300]

    def open(self) -> int:
        return sum(map(is_open, self.sockets))


class Silent(Clients):
    """They connect and say nothing."""


class HalfHead(Clients):
    """They send half a head and then nothing."""

    def greet(self, number: int, one: socket.socket) -> None:
        one.sendall(head(self.order.path, 9)[:40])


class Kept(Clients):
    """They are answered once, and keep their connection."""

    def begin(self) -> None:
        asked = self.request()
        for first in range(0, self.order.count, _TOGETHER):
            for number in range(first, min(self.order.count, first + _TOGETHER)):
                self.sockets.append(self.connected(number))
                self.sockets[-1].sendall(asked)
            for one in self.sockets[first:]:
                status, content = answer(one)
                self.told(status, content)
                if status is None:
                    raise TimeoutError("no answer")


class SlowSenders(Clients):
    """They send a byte a second, half of them from the start, half once the head is sent; who is cut off returns."""

    pause = 1.0 / _STEPS

    def begin(self) -> None:
        asked = self.request()
        length = len(asked) - len(self.order.body)
        self._texts = [asked if number % 2 else asked[length:] for number in range(self.order.count)]
        self._first = [b"" if number % 2 else asked[:length] for number in range(self.order.count)]
        self._sent, self._step, self._start = [0] * self.order.count, 0, time.monotonic()
        super().begin()

    def greet(self, number: int, one: socket.socket) -> None:
        one.sendall(self._first[number])
        self._sent[number] = 0

    def step(self) -> None:
        # What is due by the clock, however long the pause was.
        due = int((time.monotonic() - self._start) * _STEPS)
        for step in range(self._step, due):
            for number in range(step % _STEPS, self.order.count, _STEPS):
                self._send(number)
        self._step = due

    def _send(self, number: int) -> None:
        one, text = self.sockets[number], self._texts[number]
        with contextlib.suppress(OSError):
            if self._sent[number] < len(text) and is_silent(one):
                one.sendall(text[self._sent[number] : self._sent[number] + 1])
                self._sent[number] += 1
                return
        self.told(*answer(one))
        one.close()
        self.sockets[number] = self.connected(number)
        self.greet(number, self.sockets[number])


class SlowReaders(Clients):
    """They ask for something large again and again, and read none of it."""

    reads = False

    def greet(self, number: int, one: socket.socket) -> None:
        one.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            one.send(self.large() * 700)


class Vanishing(Clients):
    """A third says nothing, a third sends half a body, a third has answers under way when it is cut off."""

    reads = False

    def greet(self, number: int, one: socket.socket) -> None:
        half = self.request()[: -len(self.order.body) // 2]
        one.sendall((b"", half, self.large() * 20)[number % 3])


class Bodies(Clients):
    """One after the other, at a rate, each on a connection of its own; what answers later is waited for."""

    def begin(self) -> None:
        self.pause = 1.0 / self.order.per_second
        self._asked, self._due = self.request(), time.monotonic()

    def step(self) -> None:
        self._due = max(self._due + 1.0 / self.order.per_second, time.monotonic() - 1.0)
        try:
            with contextlib.closing(self.connected(0)) as one:
                with contextlib.suppress(ConnectionError):
                    one.sendall(self._asked)
                self.told(*answer(one))
        except OSError:
            self.told(None)
        self.pause = max(0.0, self._due - time.monotonic())


KINDS: dict[str, type[Clients]] = {
    "idle_silent": Silent,
    "idle_half": HalfHead,
    "idle_kept": Kept,
    "slow_senders": SlowSenders,
    "slow_readers": SlowReaders,
    "vanishing": Vanishing,
    "bodies": Bodies,
}


def head(path: str, length: int) -> bytes:
    fields = f"host: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}".encode()


def answer(one: socket.socket) -> tuple[int | None, bytes]:
    """The status and the body of one answer; (None, b"") when the connection ends before it."""
    received = b""
    try:
        while not complete(received):
            part = one.recv(1 << 16)
            if not part:
                break
            received += part
    except OSError:
        pass
    begin, found, content = received.partition(b"\r\n\r\n")
    return (int(begin.split(b" ", 2)[1]), content) if found else (None, b"")


def complete(received: bytes) -> bool:
    begin, found, content = received.partition(b"\r\n\r\n")
    lengths = [line for line in begin.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found) and bool(lengths) and len(content) >= int(lengths[0].partition(b":")[2])


def is_silent(one: socket.socket) -> bool:
    """Whether nothing has come, the end neither. Raises OSError for a connection that was reset."""
    # With a time limit of its own a socket would wait for it before it looks.
    one.setblocking(False)
    try:
        one.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        one.settimeout(WAIT)
    return False


def is_open(one: socket.socket) -> bool:
    """Whether it may still be answered: it is silent, or something has come that is not the end."""
    with contextlib.suppress(OSError):
        return is_silent(one) or bool(one.recv(1, socket.MSG_PEEK))
    return False


def steps(clients: Clients) -> Iterator[None]:
    """Until standard input ends."""
    while not select.select([sys.stdin], [], [], clients.pause)[0]:
        yield


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


def main() -> None:
    order = Order(**json.loads(sys.stdin.readline()))
    clients = KINDS[order.does](order)
    # Who is not let in any more is no reason to end: what healthy clients see then is the question.
    with contextlib.suppress(TimeoutError):
        clients.begin()
    say(open=clients.open())
    started, worked = time.monotonic(), time.process_time()
    for _ in steps(clients):
        clients.step()
    busy = (time.process_time() - worked) / (time.monotonic() - started)
    say(open=clients.open(), statuses=clients.statuses, words=clients.words, busy=round(busy, 4))
    for one in clients.sockets:
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


if __name__ == "__main__":
    main()
