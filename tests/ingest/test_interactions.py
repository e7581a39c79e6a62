"""Impressions: readers by pseudonym, MIND's and our own files."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pressrun.config.pipeline import Interactions
from pressrun.ingest.identity import article_id
from pressrun.ingest.interactions import read_interactions
from pressrun.ingest.readers import pseudonyms
from pressrun.simulator import Newsroom, articles_of, simulate

SMALL = Newsroom(nights=1, articles_per_night=20)


def test_mind_behaviors_become_a_row_an_article(tmp_path: Path) -> None:
    file = tmp_path / "behaviors.tsv"
    file.write_text("7\tU1\t11/15/2019 8:55:22 AM\tN9\tN1-0 N2-1\n8\tU1\tnever\t\tN1-0\n9\tU1\n")
    rows, rejects = read_interactions(Interactions(path=str(file)), known={"7-0"}, pseudonym=pseudonyms(tmp_path))
    assert [(r["article_id"], r["position"], r["clicked"]) for r in rows] == [("N2", 1, True)]
    assert rows[0]["shown_at"] == datetime(2019, 11, 15, 8, 55, 22, tzinfo=UTC)
    assert [r.line for r in rejects] == [2, 3]


def test_the_simulators_impressions_join_its_articles_and_hide_readers(tmp_path: Path) -> None:
    simulate(SMALL, out=tmp_path)
    section = Interactions(path=str(tmp_path / "interactions" / "*.parquet"))
    rows, rejects = read_interactions(section, known=(), pseudonym=pseudonyms(tmp_path))
    assert not rejects
    ids = {article_id(url=a.url, title=a.title, body=a.body) for a in articles_of(SMALL, 1)}
    assert {row["article_id"] for row in rows} <= ids
    assert not any("reader-" in str(row.values()) for row in rows)


def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRESSRUN_READER_KEY", raising=False)
    once, again = pseudonyms(tmp_path)("reader"), pseudonyms(tmp_path)("reader")
    assert once == again
    assert stat.S_IMODE((tmp_path / "reader.key").stat().st_mode) == 0o600
    monkeypatch.setenv("PRESSRUN_READER_KEY", "another")
    assert pseudonyms(tmp_path)("reader") != once
