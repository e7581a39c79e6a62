"""What was measured so far, a line of JSON each, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from serving_servers import OURS

Record = dict[str, Any]


class Results:
    """The records in `file`; the first line holds the settings that they were measured with."""

    def __init__(self, file: Path, settings: Mapping[str, Any], *, fresh: bool) -> None:
        """Raises SystemExit when the file was made with other settings."""
        self.file, self.records = file, list[Record]()
        file.parent.mkdir(parents=True, exist_ok=True)
        if fresh or not file.is_file():
            file.write_text(json.dumps({"settings": settings}) + "\n", encoding="utf-8")
            return
        first, *rest = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        if first != json.loads(json.dumps({"settings": settings})):
            raise SystemExit(f"{file} was measured with {first['settings']}, now asked for is {settings}: add --fresh")
        self.records = rest

    def add(self, **record: Any) -> Record:
        self.records.append(record)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        return record

    def find(self, **wanted: Any) -> Record | None:
        return next((one for one in matching(self.records, **wanted)), None)


def matching(records: Iterable[Record], **wanted: Any) -> list[Record]:
    return [one for one in records if all(one.get(name) == value for name, value in wanted.items())]


def values(records: Sequence[Record], name: str, **wanted: Any) -> list[float]:
    return [one[name] for one in matching(records, **wanted)]


def ratio(records: Sequence[Record], kind: str, clients: int, peer: str) -> float | None:
    """Median over the repeats of Pressrun's answers a second over the peer's in the same repeat."""
    each = [{one["repeat"]: one["per_second"] for one in _closed(records, kind, clients, who)} for who in (OURS, peer)]
    both = [each[0][repeat] / each[1][repeat] for repeat in each[0].keys() & each[1].keys()]
    return round(median(both), 2) if both else None


def _closed(records: Sequence[Record], kind: str, clients: int, peer: str) -> list[Record]:
    return matching(records, point="closed", model=kind, clients=clients, peer=peer)


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """What the last line says; None where it was not measured."""
    return {
        "ratios": {
            "gbdt_c64_over_mlflow": ratio(records, "gbdt", 64, "mlflow"),
            "gbdt_c64_over_mlserver": ratio(records, "gbdt", 64, "mlserver"),
            "gbdt_c64_over_mosec": ratio(records, "gbdt", 64, "mosec"),
            "text_c16_over_mlflow": ratio(records, "text", 16, "mlflow"),
            "transformer_over_torch_fastapi": ratio(records, "transformer", 16, "fastapi"),
        },
        "gbdt_p50_c1_over_best": _p50_over_best(records),
        "cold_start_s": {
            kind: round(median(found), 2)
            for kind in ("gbdt", "text", "transformer")
            if (found := values(records, "cold_start", point="start", model=kind, peer=OURS))
        },
        "p99_at_80_percent_over_p99_at_20": {
            kind: _steepness(records, kind)
            for kind in ("gbdt", "text", "transformer")
            if matching(records, point="open", model=kind, peer=OURS)
        },
        "int8_macro_f1_loss": next((one["int8_against_torch"] for one in matching(records, point="int8")), None),
        "errors": sum(one.get("errors", 0) for one in records if one.get("peer") == OURS),
    }


def _p50_over_best(records: Sequence[Record]) -> float | None:
    """Pressrun's median latency with one client over that of the best of the others."""
    alone = matching(records, point="closed", model="gbdt", clients=1)
    p50 = {name: median(values(alone, "p50", peer=name)) for name in {one["peer"] for one in alone}}
    mine = p50.pop(OURS, None)
    return round(mine / min(p50.values()), 3) if mine and p50 else None


def _steepness(records: Sequence[Record], kind: str) -> float | None:
    p99 = [values(records, "p99", point="open", model=kind, peer=OURS, share=share) for share in (0.8, 0.2)]
    return round(median(p99[0]) / median(p99[1]), 2) if all(p99) else None
