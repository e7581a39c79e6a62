"""What people read: results, verdicts, errors with their remedy; and the exit codes that scripts read."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

if TYPE_CHECKING:
    from pressrun.lake import StageResult
    from pressrun.verdict import Verdict

out = Console()
err = Console(stderr=True)
COLOURS = {"pass": "green", "fail": "red", "insufficient": "yellow", "error": "magenta"}
EXIT_CODES = "Exit codes: 0 pass or done, 1 fail, 2 error, 3 insufficient (too little data to tell)."


class ExitCode(IntEnum):
    """Of every command; a verdict's decision decides where there is one."""

    PASS = 0
    FAIL = 1
    ERROR = 2
    INSUFFICIENT = 3


class FriendlyGroup(TyperGroup):
    """Prints what went wrong as one message; the traceback only with --debug."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            # Typer's own ways out: usage errors, Exit and Abort, which it prints itself.
            if type(error).__module__.partition(".")[0] in ("click", "typer") or ctx.params.get("debug"):
                raise
            tell_error(error)
            raise typer.Exit(ExitCode.ERROR) from None


def tell_error(error: Exception) -> None:
    """The message of an expected error alone; of another kind its type, too, and how to see more."""
    text = str(error).strip() or type(error).__name__
    if type(error).__module__.startswith("pressrun.") or isinstance(error, OSError | ValueError):
        err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
        return
    text = f"{type(error).__name__}: {text}\nThis was not foreseen. `pressrun --debug ...` shows where it happened."
    err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)


def tell_progress(message: str, done: int = 0, total: int | None = None) -> None:
    """A `Progress` that prints lines."""
    share = f" {done:,}/{total:,}" if total else f" {done:,}" if done else ""
    err.print(f"  {escape(message)}{share}", style="dim", highlight=False, soft_wrap=True)


def conclude(result: StageResult) -> None:
    """Prints what a stage hands on and leaves with its verdict's exit code."""
    from pressrun.results import in_words

    out.print(f"[bold]{result.stage:<8}[/] {escape(in_words(result))}", highlight=False, soft_wrap=True)
    if result.reused_from:
        out.print(
            f"         reused from {escape(result.reused_from)}: same inputs, config and code",
            style="dim",
            soft_wrap=True,
        )
    if result.verdict:
        tell_verdict(result.verdict)
        raise typer.Exit(exit_code(result.verdict))


def exit_code(verdict: Verdict) -> ExitCode:
    return ExitCode[verdict.decision.name]


def tell_verdict(verdict: Verdict, *, all_checks: bool = False, home: Path | None = None) -> None:
    """The decision and its checks in words, a failed one first; those for information only where they fail, or all."""
    out.print(f"{decided(verdict.decision.value)} {verdict.kind} {escape(headline(verdict))}", highlight=False)
    worst_first = sorted(verdict.checks, key=lambda c: (c.decision.value == "pass", not c.required))
    shown = [c for c in worst_first if all_checks or c.required or c.decision.value in ("fail", "error")]
    for check in shown:
        of = f" of {check.slice}" if check.slice else ""
        aside = "" if check.required else " (for information)"
        line = f"{escape(check.metric + of)}: {escape(check.reason)}{aside}"
        out.print(f"  {decided(check.decision.value)} {line}", highlight=False, soft_wrap=True)
    if left := len(worst_first) - len(shown):
        elsewhere = f"PRESSRUN_HOME={home} " if home else ""
        where = f"{elsewhere}pressrun verdicts --show {verdict.verdict_id[:8]}"
        out.print(f"  {left} more checks are for information: {where}", style="dim", highlight=False, soft_wrap=True)
    for note in verdict.notes:
        out.print(f"  {escape(note)}", style="dim", highlight=False, soft_wrap=True)
    if verdict.report:
        out.print(f"  report {escape(verdict.report)}", style="dim", highlight=False, soft_wrap=True)


def decided(decision: str) -> str:
    """The decision as a coloured word."""
    return f"[bold {COLOURS[decision]}]{decision.upper():<5}[/]"


def headline(verdict: Verdict) -> str:
    """Of which model, against which, on made-up data or not."""
    model = f"{verdict.pipeline} v{verdict.model_version}" if verdict.model_version else verdict.pipeline
    against = f" against v{verdict.champion_version}" if verdict.champion_version else ""
    return f"{model}{against}{' (synthetic data)' if verdict.synthetic else ''}"
