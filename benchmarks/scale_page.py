"""The tables of the scale benchmark, in the terminal and as a page with a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Rows = list[list[str]]
_STAGES = ["stage", "articles", "seconds", "µs an article", "CPU seconds", "peak MB", "grows as rows to the power"]
_COMPARED = ["articles", "judge", "seconds, median", "range", "datasketch over Pressrun", "recall"]
_LOOP = ["stage", "seconds", "of which"]


def stage_rows(stages: Sequence[Mapping[str, Any]]) -> Rows:
    ordered = sorted(stages, key=lambda one: (_ORDER.index(one["stage"]), one["rows"]))
    before: dict[str, Mapping[str, Any]] = {}
    rows = []
    for one in ordered:
        rows.append(_stage(one, before.get(one["stage"])))
        before[one["stage"]] = one
    return rows


_ORDER = ("ingest", "near_duplicates", "sample", "sample_on_spark", "score")


def _stage(one: Mapping[str, Any], smaller: Mapping[str, Any] | None) -> list[str]:
    return [
        one["stage"], f"{one['rows']:,}", f"{one['seconds']:.1f}", f"{1e6 * one['seconds'] / one['rows']:.0f}",
        f"{one['cpu_seconds']:.1f}", f"{one['peak_mb']:,.0f}", f"{exponent(one, smaller):.2f}" if smaller else "",
    ]  # fmt: skip


def exponent(one: Mapping[str, Any], smaller: Mapping[str, Any]) -> float:
    """By CPU seconds, which what else a machine does changes least: 1 is linear, 2 quadratic."""
    return log(one["cpu_seconds"] / smaller["cpu_seconds"]) / log(one["rows"] / smaller["rows"])


def compared_rows(compared: Mapping[str, Sequence[Mapping[str, Any]]]) -> Rows:
    rows = []
    for kind, several in compared.items():
        mine = next(one["seconds"] for one in several if one["name"] == "pressrun")
        for one in several:
            ratios = sorted(theirs / own for theirs, own in zip(one["seconds"], mine, strict=True))
            seconds = sorted(one["seconds"])
            rows.append(
                [
                    f"{one['rows']:,} {kind}", one["name"], f"{seconds[len(seconds) // 2]:.2f}",
                    f"{seconds[0]:.2f} to {seconds[-1]:.2f}", f"{ratios[len(ratios) // 2]:.1f}", f"{one['recall']:.4f}",
                ]
            )  # fmt: skip
    return rows


def loop_rows(loop: Mapping[str, Any]) -> Rows:
    return [[one["stage"], f"{one['seconds']:.1f}", one.get("note", "")] for one in loop["parts"]]


def show(console: Console, found: Mapping[str, Any]) -> None:
    _print(console, "Near-duplicates", _COMPARED, compared_rows(found["compared"]))
    _print(console, "Stages", _STAGES, stage_rows(found["stages"]))
    if found.get("loop"):
        _print(console, "A night of 10,000 articles through Airflow", _LOOP, loop_rows(found["loop"]))


def _print(console: Console, title: str, headings: list[str], rows: Rows) -> None:
    table = Table(*headings, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def write_page(docs: Path, found: Mapping[str, Any]) -> None:
    """Fills the tables between the marks of docs/benchmarks/scale.md, and draws docs/pictures/scale.png."""
    page = docs / "benchmarks" / "scale.md"
    text = page.read_text(encoding="utf-8")
    planted = [[words, f"{share:.4f}"] for words, share in found["planted"].items()]
    tables = {
        "compared": _markdown(_COMPARED, compared_rows(found["compared"]), left=2),
        "planted": _markdown(["words of the longer text", "pairs found"], planted, left=0),
        "stages": _markdown(_STAGES, stage_rows(found["stages"]), left=1),
        "machines": "\n".join(f"- {line}" for line in machines(found)),
    }
    if found.get("loop"):
        tables["loop"] = _markdown(_LOOP, loop_rows(found["loop"]), left=1)
    for name, table in tables.items():
        text = _filled(text, name, table)
    page.write_text(text, encoding="utf-8")
    draw(docs / "pictures" / "scale.png", found["stages"])


def machines(found: Mapping[str, Any]) -> list[str]:
    sizes: dict[str, set[int]] = {}
    for one in found["stages"]:
        sizes.setdefault(one["machine"], set()).add(one["rows"])
    return [f"{machine}: {', '.join(f'{rows:,}' for rows in sorted(of))} articles" for machine, of in sizes.items()]


def _filled(text: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"docs/benchmarks/scale.md has no place for {name}: write {begin} and {end} where it belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _markdown(headings: list[str], rows: Rows, *, left: int) -> str:
    lines = [headings, ["---"] * left + ["--:"] * (len(headings) - left), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(file: Path, stages: Sequence[Mapping[str, Any]]) -> None:
    """Seconds and memory by the number of articles, on logarithmic axes: a straight line of slope 1 is linear."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), dpi=120, layout="constrained")
    for axis, value, title in zip(axes, ("seconds", "peak_mb"), ("seconds", "peak memory, MB"), strict=True):
        for stage in _ORDER:
            points = sorted((one["rows"], one[value]) for one in stages if one["stage"] == stage)
            if points:
                axis.plot(*zip(*points, strict=True), marker="o", label=stage.replace("_", " "))
        axis.set(xscale="log", yscale="log", xlabel="articles a night", title=title)
        axis.grid(alpha=0.3, which="both")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_ORDER))
    figure.savefig(file)
    pyplot.close(figure)
