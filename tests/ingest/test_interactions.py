"""Impressions: readers by pseudonym, MIND's and our own files."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.config.pipeline import Interactions
from pressrun.ingest.collect import Reject
from pressrun.ingest.files import matching
from pressrun.ingest.identity import article_id
from pressrun.ingest.interactions import read_interactions
from pressrun.ingest.readers import pseudonyms
from pressrun.simulator import Newsroom, articles_of, simulate

NONE = pa.chunked_array([[]], pa.string())
SMALL = Newsroom(nights=1, articles_per_night=20)


def test_mind_behaviors_become_a_row_an_article(tmp_path: Path) -> None:
    file = tmp_path / "behaviors.tsv"
    file.write_text("7\tU1\t11/15/2019 8:55:22 AM\tN9\tN1-0 N2-1\n8\tU1\tnever\t\tN1-0\n9\tU1\n")
    known = pa.chunked_array([["7-0"]])
    found, rejects = read_interactions(
        Interactions(path=str(file)), [file], known=known, pseudonym=pseudonyms(tmp_path)
    )
    rows = found.to_pylist()
    assert [(r["article_id"], r["position"], r["clicked"]) for r in rows] == [("N2", 1, True)]
    assert rows[0]["shown_at"] == datetime(2019, 11, 15, 8, 55, 22, tzinfo=UTC)
    assert [r.line for r in rejects] == [2, 3]


def test_the_simulators_impressions_join_its_articles_and_hide_readers(tmp_path: Path) -> None:
    simulate(SMALL, out=tmp_path)
    section = Interactions(path=str(tmp_path / "interactions" / "*.parquet"))
    found, rejects = read_interactions(section, matching(section.path), known=NONE, pseudonym=pseudonyms(tmp_path))
    rows = found.to_pylist()
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


def read(tmp_path: Path, rows: pa.Table, known: pa.ChunkedArray = NONE) -> tuple[list[dict[str, object]], list[Reject]]:
    pq.write_table(rows, tmp_path / "shown.parquet")
    section = Interactions(path=str(tmp_path / "shown.parquet"))
    found, rejects = read_interactions(section, matching(section.path), known=known, pseudonym=str.upper)
    return found.to_pylist(), rejects


def shown(**columns: object) -> pa.Table:
    return pa.table({"impression_id": ["a", "b", "c"], "article_id": ["x", "y", "z"]} | columns)


MOMENT = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([MOMENT] * 3),
        pa.array([MOMENT] * 3, pa.timestamp("ns", "Europe/Berlin")),
        pa.array([MOMENT.replace(tzinfo=None)] * 3, pa.timestamp("ms")),
        pa.array([MOMENT.isoformat()] * 3),
        pa.array([MOMENT.isoformat()] * 3).dictionary_encode(),
        pa.array([int(MOMENT.timestamp())] * 3),
    ],
)
def test_times_of_any_kind_are_read_as_utc(tmp_path: Path, times: pa.Array) -> None:
    rows, rejects = read(tmp_path, shown(shown_at=times))
    assert not rejects
    assert [row["shown_at"] for row in rows] == [MOMENT] * 3


def test_what_is_no_time_is_refused_alone(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, shown(shown_at=["2026-01-05", "never", None], reader_id=["r", None, "r"]))
    assert [(row["impression_id"], row["reader_id"]) for row in rows] == [("a", "R"), ("c", "R")]
    assert [reject.line for reject in rejects] == [2]
    rows, rejects = read(tmp_path, shown(shown_at=[MOMENT, MOMENT.replace(year=3000), MOMENT]))
    assert [reject.line for reject in rejects] == [2]


def test_rows_that_name_no_impression_or_article_are_refused_by_their_line(tmp_path: Path) -> None:
    names = pa.array(["a", None, "", "d", "e"])
    columns = {
        "impression_id": names,
        "article_id": ["x", "y", "z", "", None],
        "url": [None, None, None, "", "http://a.b/c"],
    }
    rows, rejects = read(tmp_path, pa.table(columns))
    assert [row["impression_id"] for row in rows] == ["a", "e"]
    assert rows[1]["article_id"] == article_id(url="http://a.b/c", title="", body="")
    assert [reject.line for reject in rejects] == [2, 3, 4]


def test_a_column_of_another_kind_is_refused_row_by_row(tmp_path: Path) -> None:
    rows, rejects = read(tmp_path, shown(clicked=["yes", None, "no"], position=[1.0, 2.0, 3.0]))
    assert [row["impression_id"] for row in rows] == ["b"]
    assert [reject.line for reject in rejects] == [1, 3]


def test_an_impression_is_kept_once_as_it_came_first(tmp_path: Path) -> None:
    twice = pa.concat_tables([shown(position=[1, 2, 3]), shown(position=[4, 5, 6])])
    rows, _ = read(tmp_path, twice, known=pa.chunked_array([["b"]]))
    assert [(row["impression_id"], row["position"]) for row in rows] == [("a", 1), ("c", 3)]
