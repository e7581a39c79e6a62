"""How people read a verdict: one line, the terminal, Markdown for Slack and MLflow, HTML for the UI and reports.

Names, slices and reasons can come from articles and models, so each form escapes them for its reader.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pressrun.verdict.html import to_html
from pressrun.verdict.model import Check, Decision, Verdict
from pressrun.verdict.words import limit, measured, name_of, one_line, weightiest_first

__all__ = ["summary", "to_html", "to_markdown", "to_terminal", "why"]

# Enough to say what decided without becoming a paragraph.
_NAMED = 2
COLOURS = {
    Decision.PASS: "green",
    Decision.FAIL: "red",
    Decision.INSUFFICIENT: "yellow",
    Decision.ERROR: "magenta",
}


def summary(verdict: Verdict) -> str:
    """One line: the kind, the decision and why: `gate  FAIL  macro_f1 −0.062 [−0.081, −0.044] against the champion`."""
    return f"{verdict.kind}  {verdict.decision.value.upper()}  {why(verdict)}"


def why(verdict: Verdict) -> str:
    """The reasons of the checks that made the decision, what was measured against a champion first."""
    if verdict.kind == "batch" and verdict.decision is Decision.PASS:
        return one_line(f"as usual in {len(verdict.checks)} checks{' (synthetic)' if verdict.synthetic else ''}")
    ranked = weightiest_first(verdict)
    said = "; ".join(check.reason.rstrip(". ") for check in ranked[:_NAMED])
    more = f"; and {len(ranked) - _NAMED} more" if len(ranked) > _NAMED else ""
    marked = " (synthetic)" if verdict.synthetic else ""
    return one_line(f"{said or 'nothing was checked'}{more}{marked}")


def to_terminal(verdict: Verdict) -> RenderableType:
    """A rich renderable: the decision, then the checks as a table. Escape sequences in texts are removed."""
    colour = COLOURS[verdict.decision]
    head = Text.assemble((f"{verdict.decision.value.upper()} ", f"bold {colour}"), one_line(_title(verdict)))
    table = Table("", "check", "measured", "limit", "n", "why", box=None, pad_edge=False, header_style="dim")
    for check in verdict.checks:
        word = Text(check.decision.value, style=COLOURS[check.decision])
        cells = (name_of(check), measured(check), limit(check), f"{check.samples:,}", check.reason)
        table.add_row(word, *(Text(one_line(cell)) for cell in cells))
    notes = [Text(one_line(note), style="dim") for note in verdict.notes]
    return Group(head, table, *notes)


def to_markdown(verdict: Verdict) -> str:
    """Markdown with a table of the checks."""
    lines = [
        f"**{verdict.decision.value.upper()}** {_md(_title(verdict))}",
        "",
        "| decision | check | measured | limit | n | why |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(_md(cell) for cell in _cells(check)) + " |" for check in verdict.checks]
    lines += [f"\n{_md(note)}" for note in verdict.notes]
    return "\n".join(lines)


def _title(verdict: Verdict) -> str:
    version = f" v{verdict.model_version}" if verdict.model_version else ""
    champion = f", champion v{verdict.champion_version}" if verdict.champion_version else ""
    return f"{verdict.kind} of {verdict.pipeline}{version}{champion}{' · synthetic' if verdict.synthetic else ''}"


def _cells(check: Check) -> Sequence[str]:
    return check.decision.value, name_of(check), measured(check), limit(check), f"{check.samples:,}", check.reason


def _md(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~!&@])", r"\\\1", one_line(text))
