"""docs/tutorial.md as its reader runs it: every command, in one shell, and what it prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from pressrun.lake import Lake
from pressrun.verdict import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tutorial")]
REPOSITORY = Path(__file__).parents[2]
MARK = "TUTORIAL_RUN"
ROUTER_PORT = "8000"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from run to run: ids, and numbers with their signs.
_FREE = re.compile(r"\b[0-9a-f]{8,}\b|[+−-]?\d[\d.,:]*(?:e-\d+)?")
_ID, _NUMBER = r"[0-9a-f]{8,}", r"[+−-]?\d[\d.,:]*(?:e-\d+)?"
# A background process must not outlive the shell, whichever command fails.
_PREAMBLE = "set -euo pipefail\nexec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n"


@dataclass(frozen=True, kw_only=True)
class Block:
    """Commands, and the lines that the page shows below them."""

    commands: str
    shown: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its last command."""
        return self.commands.strip().splitlines()[-1].strip()


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the shell left: its exit code, the output of each block, processes and files."""

    code: int
    printed: Sequence[str]
    left_running: Sequence[str]
    folder: Path


def blocks() -> list[Block]:
    fences = _FENCE.findall((REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    after = [*fences[1:], ("", "")]
    return [
        Block(commands=text, shown=tuple(shown.splitlines()) if kind == "text" else ())
        for (language, text), (kind, shown) in zip(fences, after, strict=True)
        if language == "sh"
    ]


BLOCKS = blocks()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder, mark, port = checkout(tmp_path_factory.mktemp("tutorial")), uuid4().hex, str(free_port())
    try:
        code, output = run(script(port), folder=folder, given={MARK: mark, "PRESSRUN_ROUTER_PORT": port})
        left = [" ".join(process.cmdline()) for process in marked(mark)]
        printed = re.split(r"^### \d+ ###\n", output, flags=re.MULTILINE)[1:]
        yield Session(code=code, printed=printed, left_running=left, folder=folder)
    finally:
        for process in marked(mark):
            process.kill()


def checkout(folder: Path) -> Path:
    """What the page uses of a checkout. The arms' ports are others than a demo's on the same machine."""
    shutil.copytree(REPOSITORY / "config", folder / "config")
    (folder / ".venv").symlink_to(sys.prefix)
    laptop, port = folder / "config" / "environments" / "laptop.yaml", min(free_port(), 65_500)
    laptop.write_text(laptop.read_text().replace("[8010, 8029]", f"[{port}, {port + 30}]"))
    return folder


def script(port: str) -> str:
    parts = (f"echo; echo '### {n} ###'\n{block.commands}" for n, block in enumerate(BLOCKS))
    return (_PREAMBLE + "\n".join(parts)).replace(f":{ROUTER_PORT}", f":{port}")


def run(commands: str, *, folder: Path, given: Mapping[str, str]) -> tuple[int, str]:
    """The exit code, and all that was printed. A file takes it: a process left behind would hold a pipe open."""
    quiet = {"COLUMNS": "200", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder.parent / f"{folder.name}.log").open("w+") as log:
        shell = subprocess.run(
            ["bash", "-c", commands], cwd=folder, env={**a_readers_environment(), **quiet, **given}, check=False,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=800,
        )  # fmt: skip
        log.seek(0)
        return shell.returncode, log.read()


def a_readers_environment() -> dict[str, str]:
    """This one without what a developer or pytest has set."""
    others = ("AIRFLOW_", "MLFLOW_", "PRESSRUN_", "PYTEST_", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


def marked(mark: str) -> list[psutil.Process]:
    """The processes that came of the shell, in whatever session they are."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def pattern(line: str) -> str:
    """A shown line as an expression: its words as they are, ids and numbers free, … for anything."""
    parts, end = [], 0
    for match in _FREE.finditer(line):
        parts += [re.escape(line[end : match.start()]), _NUMBER if len(match[0]) < 8 or not match[0].isalnum() else _ID]
        end = match.end()
    text = "".join([*parts, re.escape(line[end:])])
    return re.sub(r"(\\?\s)+", r"\\s+", text.strip()).replace("…", r".*?")


def missing(block: Block, printed: str) -> list[str]:
    """The shown lines that were not printed, in their order."""
    place, absent = 0, []
    for line in block.shown:
        if line.strip() in ("", "…"):
            continue
        found = re.compile(pattern(line)).search(printed, place)
        place = found.end() if found else place
        absent += [] if found else [line]
    return absent


def test_only_ids_and_numbers_may_differ() -> None:
    block = Block(commands="pressrun gate", shown=("PASS  gate topics v1", "…", "  report …/gate-v1-….html"))
    report = "  report /tmp/x/gate-v22-4f.html\n"
    assert missing(block, f"PASS  gate\n  topics v3\n  more\n{report}") == []
    assert missing(block, f"FAIL  gate topics v1\n{report}") == ["PASS  gate topics v1"]


def test_every_command_runs(session: Session) -> None:
    assert session.code == 0, session.printed[-1]
    assert len(session.printed) == len(BLOCKS)


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=[f"{n}:{block.title}" for n, block in enumerate(BLOCKS)])
def test_what_the_page_shows_is_printed(session: Session, number: int) -> None:
    assert missing(BLOCKS[number], session.printed[number]) == [], session.printed[number]


def test_the_champion_answers_with_its_version(session: Session) -> None:
    number = next(n for n, block in enumerate(BLOCKS) if "json.tool" in block.commands)
    answer = json.loads(session.printed[number])
    assert (answer["label"], answer["model_version"], answer["arm"]) == ("Sports", "1", "champion")


def test_the_second_night_is_judged_against_the_first_and_promoted(session: Session) -> None:
    rows = Lake(str(session.folder / "newsroom/home/lake"))
    texts = rows.read(rows.snapshot("verdicts", pipeline="topics"), columns=["verdict"])["verdict"].to_pylist()
    decided = sorted((Verdict.model_validate_json(text) for text in texts), key=lambda verdict: verdict.at)
    last = [(one.kind, one.model_version, one.champion_version, one.decision.value) for one in decided[-2:]]
    assert last == [("gate", "2", "1", "pass"), ("canary", "2", "1", "pass")]
    assert all(one.synthetic for one in decided)


def test_nothing_is_left_but_the_newsroom(session: Session) -> None:
    assert session.left_running == []
    assert {path.name for path in session.folder.iterdir()} - {".pytest_cache"} == {".venv", "config", "newsroom"}
