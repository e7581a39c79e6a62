"""docs/simulator.md says what the simulator does."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.simulator import WORLDS
from pressrun.simulator.clicks import BASE, DWELL_BAIT, DWELL_TASTE, FATIGUE, FRESH
from pressrun.simulator.policy import CONTROL, TREATMENT
from pressrun.simulator.rows import ARTICLE, SLATE, TRUTH
from pressrun.simulator.worlds import STEADY

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_has_a_row_with_its_nights(name: str) -> None:
    nights = "any" if name == "steady" else WORLDS[name].nights
    assert f"| `{name}` | {nights} |" in PAGE


def test_the_formulas_have_the_codes_constants() -> None:
    assert f"logistic(−{-BASE} + taste" in TEXT
    assert f"+ {FRESH}·2^(−age/6 h) + appeal of a + pull of a − {FATIGUE}·log₂" in TEXT
    assert f"{DWELL_TASTE}·taste for the topic − {-DWELL_BAIT} for bait" in TEXT
    redesign = WORLDS["year"].redesign
    assert redesign
    for chances in (STEADY.examination, redesign.examination):
        assert ", ".join(f"{chance}" for chance in chances) in TEXT
    for policy in (CONTROL, TREATMENT):
        assert f"`{policy.version}` ({policy.arm}) has a = {policy.popularity}, b = {policy.freshness}" in TEXT


def test_every_column_of_the_truth_is_named() -> None:
    ids = {"impression_id", "slate_id", "reader_id", "url", "synthetic"}
    columns = {name for schema in (TRUTH, SLATE, ARTICLE) for name in schema.names} - ids
    assert not {name for name in columns if f"`{name}`" not in PAGE}


def test_the_estimate_prints_what_the_page_shows(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = re.findall(r"```sh\n(.*?)\n```", PAGE, flags=re.DOTALL)[1]
    assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0
    script, shown = (re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)[0] for kind in ("python", "text"))
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed == shown
