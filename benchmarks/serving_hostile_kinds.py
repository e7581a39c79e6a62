"""What is done to a server beside its healthy clients: connections, clients, and bodies that it has to refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

# Of a body that is too large for everybody, and of lists in lists.
TOO_LARGE, DEEP = 5_000_000, 200_000
# Rows that Pressrun takes at the most.
MOST_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """`count` connections at once, or `per_second` requests; `does` names a client of serving_hostile_clients."""

    name: str
    title: str
    group: str
    does: str
    count: int = 0
    per_second: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a hostile process is told: whom to ask, with what, and what to do. `body` is right unless it is to be wrong.

    Of `large` the answer is large.
    """

    does: str
    host: str
    port: int
    path: str
    body: str
    large: str
    count: int
    per_second: float

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def _bodies() -> tuple[Disturbance, ...]:
    titles = {
        "too_large": "bodies of 5 MB",
        "deep": "bodies of 200,000 lists in lists",
        "nan": "NaN for a number",
        "wrong_type": "words for numbers",
        "empty": "no rows",
        "no_json": "bytes that are no text",
        "too_many_rows": "5,000 rows",
    }
    refused = [
        Disturbance(name=name, title=f"{title}, 20 a second", group="bodies", does="bodies", per_second=20)
        for name, title in titles.items()
    ]
    largest = Disturbance(
        name="largest", title="4,096 rows, one such request a second", group="largest", does="bodies", per_second=1
    )
    return (*refused, largest)


IDLE = 10_000
DISTURBANCES = (
    Disturbance(name="idle_silent", title="10,000 idle, nothing sent", group="idle", does="idle_silent", count=IDLE),
    Disturbance(name="idle_half", title="10,000 idle, half a head sent", group="idle", does="idle_half", count=IDLE),
    Disturbance(name="idle_kept", title="10,000 idle, answered and kept", group="idle", does="idle_kept", count=IDLE),
    Disturbance(
        name="slow_senders", title="500 that send a byte a second", group="slow_senders", does="slow_senders", count=500
    ),
    Disturbance(
        name="slow_readers", title="200 that never read their answers", group="slow_readers", does="slow_readers",
        count=200,
    ),
    Disturbance(
        name="half_open", title="3,000 that vanished without a FIN", group="half_open", does="vanishing", count=3_000
    ),
    *_bodies(),
)  # fmt: skip
GROUPS = tuple(dict.fromkeys(one.group for one in DISTURBANCES))


def body_of(kind: str, wrapped: Callable[[str], str], row: str) -> bytes:
    """A body of that kind. `wrapped` makes a server's body of an input, here the `row` of a model, which is JSON."""
    if kind == "no_json":
        return b"\xff\x00\xfe" * 99
    if kind == "deep":
        return wrapped("[" * DEEP).encode()
    if kind in ("too_many_rows", "largest"):
        return _rows(wrapped, row, 5000 if kind == "too_many_rows" else MOST_ROWS).encode()
    values = json.loads(row)
    wrong = {
        "nan": lambda: "[" + ",".join(["NaN", *map(json.dumps, values[1:])]) + "]",
        "wrong_type": lambda: json.dumps(["many"] * len(values)),
        "too_large": lambda: "[" + ",".join(["0.5"] * (TOO_LARGE // 4)) + "]",
        "empty": lambda: "[]",
    }[kind]()
    body = wrapped(wrong)
    return (_shaped(body, len(values), 0) if kind == "empty" else body).encode()


def _rows(wrapped: Callable[[str], str], row: str, count: int) -> str:
    """As many rows: in a list of rows where a server reads such, else in one list as its shape says."""
    short = "[" + ",".join(["0.5"] * len(json.loads(row))) + "]"
    one = wrapped(short)
    nested = f"[{short}]" in one
    joined = ",".join([short] * count) if nested else f"[{','.join([short[1:-1]] * count)}]"
    return _shaped(wrapped(joined), len(json.loads(row)), count)


def _shaped(body: str, columns: int, rows: int) -> str:
    return body.replace(f'"shape":[1,{columns}]', f'"shape":[{rows},{columns}]', 1)
