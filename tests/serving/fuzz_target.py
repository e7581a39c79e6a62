"""What atheris runs in a process of its own: bytes go to every parser, and nothing but a refusal may come of them."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass

import atheris

with atheris.instrument_imports(
    include=["pressrun.serving.protocol", "pressrun.serving.reading", "pressrun.serving.tensors"]
):
    from pressrun.serving.protocol import parse_infer, parse_json
    from pressrun.serving.reading import read_inference, read_plain
    from pressrun.serving.tensors import Tail

from pressrun.serving.errors import BadRequest


@dataclass(frozen=True)
class Reads:
    input: str
    columns: tuple[str, ...] | None = None


SIGNATURES = (Reads("article_text"), Reads("text_pair"), Reads("columns", ("age", "views")))


def one_input(data: bytes) -> None:
    given = atheris.FuzzedDataProvider(data)
    signature = SIGNATURES[given.ConsumeIntInRange(0, 2)]
    length = given.ConsumeIntInRange(0, 200)
    body = given.ConsumeBytes(given.remaining_bytes())
    with suppress(BadRequest):
        read_inference(parse_infer(body[:length]), Tail(body[length:]), signature)
    with suppress(BadRequest):
        read_plain(parse_json(body), signature)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
