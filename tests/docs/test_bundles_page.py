"""docs/bundles.md as its reader runs it: every block in its order, in one folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pressrun.bundle import load_bundle
from tests.bundle.made import graph, tokenizer

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "bundles.md").read_text(encoding="utf-8")
MADE = ("topics-1", "clicks-1", "minilm-1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every Python block of the page has run."""
    folder = tmp_path_factory.mktemp("bundles")
    (folder / "minilm").mkdir()
    (folder / "minilm" / "model.onnx").write_bytes(graph().SerializeToString())
    tokenizer().tokenizer.save(str(folder / "minilm" / "tokenizer.json"))
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL):
        ran = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, block + ran.stderr
        assert ran.stdout
    return folder


def test_the_examples_make_the_bundles_that_they_name(folder: Path) -> None:
    made = {name: load_bundle(folder / name).manifest.task for name in MADE}
    assert made == {"topics-1": "classification", "clicks-1": "classification", "minilm-1": "embedding"}
    topics = load_bundle(folder / "topics-1")
    assert topics.labels[topics.scores(["A goal at home"])[0].argmax()] == "Sports"


def test_fetching_takes_what_the_page_gives(folder: Path) -> None:
    (command,) = re.findall(r"^python (-m pressrun\.serving\.fetch .*)$", PAGE, flags=re.MULTILINE)
    digest = load_bundle(folder / "topics-1").digest
    given = [{"models:/topics/4": "topics-1", "9f2c…": digest}.get(word, word) for word in shlex.split(command)]
    subprocess.run([sys.executable, *given], cwd=folder, check=True)
    assert load_bundle(folder / "topics-4").digest == digest


def test_what_the_server_s_page_serves_is_made_on_this_one() -> None:
    served = re.findall(r"^python -m pressrun\.serving ([^-]\S*)", (DOCS / "serving.md").read_text(), re.MULTILINE)
    assert served
    assert set(served) <= set(MADE)
