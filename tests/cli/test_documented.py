"""docs/judges.md names commands and options that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from pressrun.cli import app

TEXT = (Path(__file__).parents[2] / "docs" / "judges.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_documented_command_can_be_typed(line: str) -> None:
    program, name, *arguments = shlex.split(line)
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    used = {argument for argument in arguments if argument.startswith("--")}
    assert (program, used - known) == ("pressrun", set())


def test_every_judge_and_every_intervention_is_documented() -> None:
    judges, interventions = {"gate", "canary", "drift", "override"}, {"pause", "resume", "promote", "abort"}
    assert {shlex.split(line)[1] for line in COMMANDS} == judges | interventions
