"""A project of one's own that a test may spoil, and what `pressrun check` says of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from pressrun.check import check_all

REPOSITORY = Path(__file__).parents[2]
PIPELINE = "config/pipelines/topics.yaml"
TAXONOMY = "config/taxonomies/news-topics.yaml"


@dataclass(frozen=True, kw_only=True)
class Project:
    """The config that ships, copied into the working folder."""

    folder: Path

    def text(self, file: str = PIPELINE) -> str:
        return (REPOSITORY / file).read_text(encoding="utf-8")

    def spoil(self, old: str, new: str, *, file: str = PIPELINE) -> int:
        """Replaces the one `old`; returns the line where it stood."""
        text = self.text(file)
        assert text.count(old) == 1, old
        self.write(text.replace(old, new), file=file)
        return text[: text.index(old)].count("\n") + 1

    def write(self, text: str, *, file: str = PIPELINE) -> None:
        (self.folder / file).write_text(text, encoding="utf-8")

    def check(self) -> list[str]:
        return [str(problem) for problem in check_all()]


@pytest.fixture
def project(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return Project(folder=tmp_path)
