"""Whose own code a fingerprint follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.lake.fingerprint import code_digest, fingerprint


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "mine_of_the_test.py"
    file.write_text("class Labeler: pass\n")
    return file


def of(section: object) -> str:
    code_digest.cache_clear()
    return fingerprint(stage="label", pipeline="topics", inputs={}, section=section, code="c")


def test_mended_code_that_uses_names_changes_the_fingerprint_however_deep_it_stands(mine: Path) -> None:
    section = {"chain": [{"uses": "mine_of_the_test:Labeler", "options": {}}]}
    before = of(section)
    assert of(section) == before
    mine.write_text("class Labeler: mended = True\n")
    assert of(section) != before


def test_a_models_name_is_no_code_of_ones_own(mine: Path) -> None:
    section = {"chain": [{"labeler": "llm", "model": "mine_of_the_test:gpt"}]}
    before = of(section)
    mine.write_text("class Labeler: mended = True\n")
    assert of(section) == before
