"""The tables of the benchmark of hostile clients, in the terminal and as a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from serving_hostile_kinds import DISTURBANCES, GROUPS, Disturbance
from serving_results import Record, matching, values
from serving_servers import OURS

Rows = list[list[str]]
PAGE = "serving_hostile.md"
# Of a p99 beside a disturbance over the p99 alone.
MOST = 2.0
ANSWERED = 0.99
_LATENCIES = (
    "disturbance", "p50 alone", "beside", "p99 alone", "beside", "p99.9 alone", "beside", "errors",
    "generator busy", "hostile busy", "still connected",
)  # fmt: skip
_ANSWERS = ("body", "server", "answers", "in its words")


def ratios(records: Sequence[Record], peer: str, disturbance: str) -> list[float]:
    """p99 beside the disturbance over the p99 alone just before, in each repeat."""
    pairs = matching(records, point="pair", peer=peer, disturbance=disturbance)
    return [one["beside"]["p99"] / one["alone"]["p99"] for one in pairs]


def _worst(records: Sequence[Record], peer: str, group: str) -> float | None:
    """The largest median of a group's disturbances; None when none was measured."""
    each = [ratios(records, peer, one.name) for one in DISTURBANCES if one.group == group]
    found = [median(several) for several in each if several]
    return round(max(found), 2) if found else None


def summary(records: Sequence[Record]) -> dict[str, Any]:
    """What the last line says; None where it was not measured."""
    mine = matching(records, point="pair", peer=OURS)
    found = {f"p99_beside_{group}_over_alone": _worst(records, OURS, group) for group in GROUPS}
    return {
        "ratios": found,
        "peers": {
            peer: {f"p99_beside_{group}_over_alone": _worst(records, peer, group) for group in GROUPS}
            for peer in _peers(records)
            if peer != OURS
        },
        "kb_a_connection": {one.name: kilobytes(records, OURS, one) for one in DISTURBANCES if one.count},
        "healthy_errors": sum(one["alone"]["errors"] + one["beside"]["errors"] for one in mine),
        "server_errors": sum(count for status, count in _statuses(mine).items() if status.startswith("5")),
        "failed": sorted({one["disturbance"] for one in matching(records, point="failed", peer=OURS)}),
        "skipped": sorted({one["disturbance"] for one in matching(records, point="skipped")}),
        "over": sorted(name for name, value in found.items() if value is not None and value > MOST),
    }


def kilobytes(records: Sequence[Record], peer: str, disturbance: Disturbance) -> float | None:
    """What the server's memory grew by, over the connections that there were then."""
    pairs = matching(records, point="pair", peer=peer, disturbance=disturbance.name)
    return round(1024 * median(one["grown_mb"] / max(1, one["began"]) for one in pairs), 2) if pairs else None


def ratio_rows(records: Sequence[Record]) -> Rows:
    peers = _peers(records)
    return [
        [one.title, *(_ratio(records, peer, one.name) for peer in peers)] for one in DISTURBANCES if _any(records, one)
    ]


def _ratio(records: Sequence[Record], peer: str, disturbance: str) -> str:
    if matching(records, point="failed", peer=peer, disturbance=disturbance):
        return "failed"
    found = ratios(records, peer, disturbance)
    if not found:
        return "skipped" if matching(records, point="skipped", peer=peer, disturbance=disturbance) else ""
    pairs = matching(records, point="pair", peer=peer, disturbance=disturbance)
    errors, answered = sum(one["beside"]["errors"] for one in pairs), median(values(pairs, "answered"))
    between = f" ({min(found):.2f} to {max(found):.2f})" if len(found) > 1 else ""
    # What has no answer when time is up is in no p99.
    more = [f", {errors:,} errors"] * bool(errors) + [f", {answered:.0%} answered"] * (answered < ANSWERED)
    return f"{median(found):.2f}{between}{''.join(more)}"


def latency_rows(records: Sequence[Record], peer: str) -> Rows:
    """Medians over the repeats; the latencies in milliseconds."""
    rows = []
    for one in DISTURBANCES:
        pairs = matching(records, point="pair", peer=peer, disturbance=one.name)
        if pairs:
            both = [f"{median(p[who][q] for p in pairs):,.2f}" for q in ("p50", "p99", "p999") for who in _WHO]
            errors = sum(pair["alone"]["errors"] + pair["beside"]["errors"] for pair in pairs)
            busy = median(pair["beside"]["busy"] for pair in pairs)
            hostile = median(pair["hostile"].get("busy", 0.0) for pair in pairs)
            held = f"{median(values(pairs, 'held')):,.0f}" if one.count else ""
            rows.append([one.title, *both, str(errors), f"{busy:.0%}", f"{hostile:.0%}", held])
    return rows


_WHO = ("alone", "beside")


def memory_rows(records: Sequence[Record]) -> Rows:
    peers, rows = _peers(records), []
    for one in DISTURBANCES:
        if one.count and _any(records, one):
            found = [kilobytes(records, peer, one) for peer in peers]
            rows.append([one.title, *("" if value is None else f"{value:.1f}" for value in found)])
    return rows


def answer_rows(records: Sequence[Record]) -> Rows:
    """How each body was answered: the statuses with their counts, `none` where the connection ended without one."""
    rows = []
    for one in DISTURBANCES:
        for peer in _peers(records) if one.does == "bodies" else ():
            pairs = matching(records, point="pair", peer=peer, disturbance=one.name)
            if pairs:
                counts = ", ".join(f"{status} ({count:,})" for status, count in sorted(_statuses(pairs).items()))
                rows.append([one.title, peer, counts, _words(pairs)])
    return rows


def _words(pairs: Sequence[Record]) -> str:
    said = next((words for one in pairs if (words := one["hostile"].get("words"))), "")
    told = " ".join(said.replace("|", " ").replace("`", "'").split())
    return f"`{told[:120]}{'…' if len(told) > 120 else ''}`" if told else ""


def _statuses(pairs: Sequence[Record]) -> Counter[str]:
    found = Counter[str]()
    for one in pairs:
        found.update(one["hostile"].get("statuses", {}))
    return found


def _any(records: Sequence[Record], disturbance: Disturbance) -> bool:
    return bool(matching(records, disturbance=disturbance.name))


def _peers(records: Sequence[Record]) -> list[str]:
    return sorted({one["peer"] for one in records}, key=lambda peer: (peer != OURS, peer))


def show(console: Console, records: Sequence[Record]) -> None:
    peers = _peers(records)
    _print(console, "p99 beside over alone", ["disturbance", *peers], ratio_rows(records))
    for peer in peers:
        _print(console, f"{peer}: milliseconds", list(_LATENCIES), latency_rows(records, peer))
    _print(console, "kB of the server's memory a connection", ["disturbance", *peers], memory_rows(records))
    _print(console, "Answers", list(_ANSWERS), answer_rows(records))


def _print(console: Console, title: str, headings: list[str], rows: Rows) -> None:
    table = Table(*headings, title=title)
    for row in rows:
        table.add_row(*row)
    if rows:
        console.print(table)


def write_page(
    docs: Path, records: Sequence[Record], told: Mapping[str, Any], *, about: Mapping[str, str], sizes: Any
) -> None:
    """Fills the tables of docs/benchmarks/serving_hostile.md. Raises ValueError where one has no place."""
    kept = {"about": about, "sizes": sizes, "summary": told, "records": list(records)}
    (docs / "benchmarks" / "serving_hostile.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    page, peers = docs / "benchmarks" / PAGE, _peers(records)
    text = page.read_text(encoding="utf-8")
    tables = {
        "ratios": _markdown(["p99 beside over alone", *peers], ratio_rows(records)),
        "memory": _markdown(["kB a connection", *peers], memory_rows(records)),
        "answers": _markdown(_ANSWERS, answer_rows(records), left=len(_ANSWERS)),
        "machine": _machine(records, about, sizes),
        **{f"{peer} latencies": _markdown(_LATENCIES, latency_rows(records, peer)) for peer in peers},
    }
    for name, table in tables.items():
        text = _filled(text, name, table)
    page.write_text(text, encoding="utf-8")


def _machine(records: Sequence[Record], about: Mapping[str, str], sizes: Mapping[str, Any]) -> str:
    pairs = matching(records, point="pair")
    rates = ", ".join(
        f"{peer} {median(found):,.0f}" for peer in _peers(records) if (found := values(pairs, "rate", peer=peer))
    )
    busy = max(one["beside"]["busy"] + one["hostile"].get("busy", 0.0) for one in pairs)
    return (
        f"- {about['machine']}, {about['date']}, commit {about['commit']}\n"
        f"- {sizes['repeats']} repeats, {sizes['seconds']:g} s alone and {sizes['seconds']:g} s beside; requests a"
        f" second, {sizes['share']:.0%} of each server's peak: {rates}\n"
        f"- In the median pair others had {median(values(pairs, 'others')):.1%} of both cores; healthy and hostile"
        f" clients together kept theirs {busy:.0%} busy at the most"
    )


def _filled(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"docs/benchmarks/{PAGE} has no place for {name}: write {begin} and {end} where it belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _markdown(headings: Sequence[str], rows: Rows, *, left: int = 1) -> str:
    lines = [headings, ["---"] * left + ["--:"] * (len(headings) - left), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
