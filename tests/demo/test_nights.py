from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.config.pipeline import Read
from pressrun.demo.nights import data_files, deal, read_records, time_column

CSV = '"4","A ""quoted"" title","Body\\with a break"\n"1","Second","Other"\n"2","Third","More"\n'


def test_dealing_loses_and_repeats_no_record_and_keeps_the_format(tmp_path: Path) -> None:
    source = tmp_path / "articles.csv"
    source.write_text(CSV)
    read = Read(format="csv", header=False, columns=["label", "title", "body"])
    records = read_records(source, read=read)
    nights = deal(records, shares=[2, 1], time_column=time_column(read))
    for number, rows in enumerate(nights):
        records.write(rows, tmp_path / f"night-{number}.csv")
    again = [row for n in (0, 1) for row in read_records(tmp_path / f"night-{n}.csv", read=read).rows]
    assert sorted(map(str, again)) == sorted(map(str, records.rows))
    assert [len(rows) for rows in nights] == [2, 1]


def test_each_night_repeats_the_header(tmp_path: Path) -> None:
    source = tmp_path / "articles.tsv"
    source.write_text('id\ttitle\n1\tOne\n2\tTwo "x\n')
    records = read_records(source, read=Read())
    records.write(records.rows[1:], tmp_path / "night.tsv")
    assert (tmp_path / "night.tsv").read_text().splitlines() == ["id\ttitle", '2\tTwo "x']


def test_nights_follow_time_where_there_is_one(tmp_path: Path) -> None:
    source = tmp_path / "articles.parquet"
    pq.write_table(pa.table({"when": ["2026-03-02", "2026-03-01", "2026-03-03"], "title": ["b", "a", "c"]}), source)
    read = Read(columns={"published_at": "when", "title": "title"})
    nights = deal(read_records(source, read=read), shares=[1, 2], time_column=time_column(read))
    assert [[row["title"] for row in night] for night in nights] == [["a"], ["b", "c"]]  # type: ignore[index]


def test_dealing_is_the_same_each_time(tmp_path: Path) -> None:
    source = tmp_path / "articles.jsonl"
    source.write_text("".join(f'{{"title": "{n}"}}\n' for n in range(50)))
    records = read_records(source, read=Read())
    assert deal(records, shares=[1, 1], time_column=None) == deal(records, shares=[1, 1], time_column=None)


def test_a_folder_without_articles_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(ValueError, match=r"no CSV, TSV, JSONL or Parquet file; name the folder"):
        data_files(tmp_path)


def test_only_files_of_the_pipelines_format_are_articles(tmp_path: Path) -> None:
    for name in ("articles.csv", "impressions.tsv"):
        (tmp_path / name).write_text("x")
    assert data_files(tmp_path, format="csv") == [tmp_path / "articles.csv"]
    with pytest.raises(ValueError, match=r"holds \.csv, \.tsv files, and articles\.read\.format.*is jsonl"):
        data_files(tmp_path, format="jsonl")
