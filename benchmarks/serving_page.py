"""The tables of the serving benchmark, in the terminal and as a page with its picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from serving_results import Record, matching, values
from serving_servers import OURS

Rows = list[list[str]]
NAMES = {"gbdt": "LightGBM", "text": "Text classifier", "transformer": "MiniLM"}
KINDS = tuple(NAMES)
PAGE = "serving.md"
_CLOSED = ["clients", "server", "answers/s", "range", "p50 ms", "p99 ms", "p99.9 ms", "CPU µs an answer", "errors"]
_OPEN = ["server", "of its peak", "requests/s", "answered", "p50 ms", "p99 ms", "p99.9 ms", "errors"]
_START = ["model", "server", "cold start s", "range", "MB at start", "MB under load"]
_COST = ["articles", "macro-F1 in 8 bits", "points lost against torch", "95% interval", "same class as in 32 bits"]
_RATIOS = ["Pressrun over", "seen", "to reach"]
_GOALS = {
    "gbdt_c64_over_mlflow": ("MLflow: LightGBM, 64 clients", "12"),
    "gbdt_c64_over_mlserver": ("MLServer: LightGBM, 64 clients", "8"),
    "gbdt_c64_over_mosec": ("mosec: LightGBM, 64 clients", "1 (aim 1.2)"),
    "text_c16_over_mlflow": ("MLflow: text, 16 clients", "10"),
    "transformer_over_torch_fastapi": ("torch behind FastAPI: MiniLM, 16 clients", "6"),
}


def closed_rows(records: Sequence[Record], kind: str) -> Rows:
    """A row for each number of clients and server, the fastest first."""
    mine, rows = matching(records, point="closed", model=kind), []
    for clients in sorted({one["clients"] for one in mine}):
        several = {peer: matching(mine, clients=clients, peer=peer) for peer in _peers(mine)}
        found = {peer: ones for peer, ones in several.items() if ones}
        for peer in sorted(found, key=lambda name: -_median(found[name], "per_second")):
            ones = found[peer]
            rows.append(
                [
                    str(clients), peer, f"{_median(ones, 'per_second'):,.0f}", _range(ones, "per_second", ",.0f"),
                    *_latencies(ones), f"{_median(ones, 'cpu_us'):,.0f}", str(sum(values(ones, "errors"))),
                ]
            )  # fmt: skip
    return rows


def open_rows(records: Sequence[Record], kind: str) -> Rows:
    mine, rows = matching(records, point="open", model=kind), []
    for peer in _peers(mine):
        for share in sorted({one["share"] for one in matching(mine, peer=peer)}):
            ones = matching(mine, peer=peer, share=share)
            answered = median(min(1.0, one["per_second"] / one["rate"]) for one in ones)
            rows.append(
                [
                    peer, f"{share:.0%}", f"{_median(ones, 'rate'):,.0f}", f"{answered:.1%}", *_latencies(ones),
                    str(sum(values(ones, "errors"))),
                ]
            )  # fmt: skip
    return rows


def disturbed(records: Sequence[Record]) -> str:
    """How much of both cores went to others, and how busy the generator was at the most."""
    points = [one for one in records if one["point"] in ("closed", "open")]
    others, busy = median(values(points, "others")), max(values(points, "busy"))
    return f"- In the median point others had {others:.1%} of both cores; the generator was {busy:.0%} busy at the most"


def start_rows(records: Sequence[Record]) -> Rows:
    rows = []
    for kind in KINDS:
        starts = matching(records, point="start", model=kind)
        for peer in _peers(starts):
            ones, loaded = matching(starts, peer=peer), matching(records, point="closed", model=kind, peer=peer)
            rows.append(
                [
                    NAMES[kind], peer, f"{_median(ones, 'cold_start'):.2f}", _range(ones, "cold_start", ".2f"),
                    f"{_median(ones, 'memory_mb'):,.0f}",
                    f"{max(values(loaded, 'memory_mb')):,.0f}" if loaded else "",
                ]
            )  # fmt: skip
    return rows


def cost_rows(records: Sequence[Record]) -> Rows:
    """What MiniLM in 8 bits loses on articles that its head has not seen."""
    found = matching(records, point="int8")
    if not found:
        return []
    lost, same = found[-1]["int8_against_torch"], found[-1]["agreement"]
    interval = f"{100 * lost['low']:.2f} to {100 * lost['high']:.2f}"
    return [[f"{lost['rows']:,}", f"{lost['macro_f1']:.4f}", f"{100 * lost['loss']:.2f}", interval, f"{same:.1%}"]]


def ratio_rows(told: Mapping[str, Any]) -> Rows:
    return [[*_named(name, value)] for name, value in told["ratios"].items()]


def _named(name: str, value: float | None) -> tuple[str, str, str]:
    title, goal = _GOALS[name]
    return title, "not measured" if value is None else f"{value:.1f}", goal


def _latencies(ones: Sequence[Record]) -> list[str]:
    return [f"{_median(ones, name):,.2f}" for name in ("p50", "p99", "p999")]


def _median(ones: Sequence[Record], name: str) -> float:
    return float(median(values(ones, name)))


def _range(ones: Sequence[Record], name: str, form: str) -> str:
    found = values(ones, name)
    return f"{min(found):{form}} to {max(found):{form}}" if len(found) > 1 else "once"


def _peers(records: Sequence[Record]) -> list[str]:
    return sorted({one["peer"] for one in records}, key=lambda peer: (peer != OURS, peer))


def show(console: Console, records: Sequence[Record]) -> None:
    for kind in KINDS:
        for title, headings, rows in (
            ("closed loop", _CLOSED, closed_rows(records, kind)), ("constant rate", _OPEN, open_rows(records, kind)),
        ):  # fmt: skip
            if rows:
                _print(console, f"{NAMES[kind]}, {title}", headings, rows)
    _print(console, "Start and memory", _START, start_rows(records))
    if cost := cost_rows(records):
        _print(console, "MiniLM in 8 bits", _COST, cost)


def _print(console: Console, title: str, headings: list[str], rows: Rows) -> None:
    table = Table(*headings, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


_PICTURE = "../pictures/serving.png"


def write_page(
    docs: Path, records: Sequence[Record], told: Mapping[str, Any], *, about: Mapping[str, str], sizes: Any
) -> None:
    """Fills the tables of docs/benchmarks/serving.md, and draws docs/pictures/serving.png."""
    kept = {"about": about, "sizes": sizes, "summary": told, "records": list(records)}
    (docs / "benchmarks" / "serving.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")
    page = docs / "benchmarks" / PAGE
    text = page.read_text(encoding="utf-8")
    tables = {
        "picture": f"![Answers a second with 64 clients, and p99 against the rate asked for]({_PICTURE})",
        "ratios": _markdown(_RATIOS, ratio_rows(told), left=1),
        "start": _markdown(_START, start_rows(records), left=2),
        "int8": _markdown(_COST, cost_rows(records), left=0),
        "machine": f"- {about['machine']}, {about['date']}, commit {about['commit']}\n{disturbed(records)}",
    }
    for kind in KINDS:
        tables[f"{kind} closed"] = _markdown(_CLOSED, closed_rows(records, kind), left=2)
        tables[f"{kind} open"] = _markdown(_OPEN, open_rows(records, kind), left=1)
    for name, table in tables.items():
        text = _filled(text, name, table)
    page.write_text(text, encoding="utf-8")
    draw(docs / "pictures" / "serving.png", records)


def _filled(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"docs/benchmarks/{PAGE} has no place for {name}: write {begin} and {end} where it belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _markdown(headings: list[str], rows: Rows, *, left: int) -> str:
    lines = [headings, ["---"] * left + ["--:"] * (len(headings) - left), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(file: Path, records: Sequence[Record]) -> None:
    """Above, answers a second with 64 clients; below, p99 against the rate that was asked for."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [kind for kind in KINDS if matching(records, point="closed", model=kind)]
    peers = _peers(matching(records, point="closed"))
    colours = dict(zip(peers, pyplot.get_cmap("tab10").colors, strict=False))
    figure, axes = pyplot.subplots(
        2, len(kinds), figsize=(4.6 * len(kinds), 7), dpi=120, layout="constrained", squeeze=False
    )
    for column, kind in enumerate(kinds):
        _bars(axes[0][column], records, kind, colours)
        _lines(axes[1][column], records, kind, colours)
    figure.legend(*axes[1][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(peers))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file)
    pyplot.close(figure)


def _bars(axis: Any, records: Sequence[Record], kind: str, colours: Mapping[str, Any]) -> None:
    mine = matching(records, point="closed", model=kind, clients=64)
    found = sorted((_median(matching(mine, peer=peer), "per_second"), peer) for peer in _peers(mine))
    for place, (rate, peer) in enumerate(found):
        each = values(mine, "per_second", peer=peer)
        axis.barh(place, rate, color=colours[peer], xerr=[[rate - min(each)], [max(each) - rate]])
        axis.annotate(f" {rate:,.0f}", (max(each), place), va="center")
    axis.set(title=f"{NAMES[kind]}: answers a second, 64 clients", yticks=range(len(found)))
    axis.set_yticklabels([peer for _, peer in found])
    axis.margins(x=0.2)


def _lines(axis: Any, records: Sequence[Record], kind: str, colours: Mapping[str, Any]) -> None:
    mine = matching(records, point="open", model=kind)
    for peer in _peers(mine):
        shares = sorted({one["share"] for one in matching(mine, peer=peer)})
        several = [matching(mine, peer=peer, share=share) for share in shares]
        points = [(_median(ones, "rate"), _median(ones, "p99")) for ones in several]
        axis.plot(*zip(*points, strict=True), marker="o", color=colours[peer], label=peer)
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set(xscale="log", yscale="log", xlabel="requests a second", title=f"{NAMES[kind]}: p99 in ms, waiting counted")
    axis.grid(alpha=0.3, which="both")
    for part in (axis.xaxis, axis.yaxis):
        part.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        part.set_minor_formatter(NullFormatter())
