"""The pages name commands and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from pressrun.cli import app

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def typed(page: Path) -> list[str]:
    """The lines of a page's shell blocks that call pressrun."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.removeprefix("uv run ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("pressrun ")]


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in typed(page)}))
def test_a_documented_command_can_be_typed(line: str) -> None:
    _, name, *arguments = shlex.split(line, comments=True)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    # `label` alone is one of its own commands.
    meant = [command, *getattr(command, "commands", {}).values()]
    known = {option for one in meant for parameter in one.params for option in parameter.opts}
    used = {argument.partition("=")[0] for argument in arguments if argument.startswith("-")}
    assert used - known == set()


def test_every_judge_and_every_intervention_is_documented() -> None:
    judges, interventions = {"gate", "canary", "drift", "override"}, {"pause", "resume", "promote", "abort"}
    assert {shlex.split(line)[1] for line in typed(REPOSITORY / "docs" / "judges.md")} == judges | interventions


def test_every_command_that_keeps_the_lake_is_documented() -> None:
    assert {shlex.split(line)[1] for line in typed(REPOSITORY / "docs" / "operations.md")} == {
        "maintain",
        "erase",
        "retract",
    }
