"""Files of every format to rows, and what is refused of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pressrun.config.pipeline import Articles, Read
from pressrun.ingest import IngestError
from pressrun.ingest.read import rows_of_file
from pressrun.ingest.rows import RawRow, Refused


def read(file: Path, **section: object) -> tuple[list[RawRow], list[Refused]]:
    rows = list(rows_of_file(file, Articles(read=Read.model_validate(section), max_bytes=2000)))
    return [r for r in rows if isinstance(r, RawRow)], [r for r in rows if isinstance(r, Refused)]


def written(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


NO_HEADER = {"header": False, "columns": ["label", "title", "body"]}


def test_csv_without_a_header(tmp_path: Path) -> None:
    rows, refused = read(written(tmp_path, "a.csv", '"4","A ""quote""","one\ntwo"\n"1","b","c"\n'), **NO_HEADER)
    assert [row.values["title"] for row in rows] == ['A "quote"', "b"]
    assert [row.line for row in rows] == [1, 3]
    assert not refused


def test_csv_with_a_mapping_and_our_own_names(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "\ufeffheadline,body,other\nx,y,z\n")
    rows, _ = read(file, columns={"title": "headline"})
    assert rows[0].values == {"title": "x", "body": "y"}


def test_tsv_takes_quotes_as_they_are(tmp_path: Path) -> None:
    rows, _ = read(written(tmp_path, "a.tsv", 'title\tbody\n"Wheel" turns\ty"\n'))
    assert rows[0].values == {"title": '"Wheel" turns', "body": 'y"'}


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"headline": ["x"], "body": [None]}), tmp_path / "a.parquet")
    rows, _ = read(tmp_path / "a.parquet", columns={"title": "headline"})
    assert rows[0].values == {"title": "x", "body": None}


def test_jsonl_refuses_what_is_no_object(tmp_path: Path) -> None:
    lines = [json.dumps({"title": "x"}), "[1]", "{", "", "[" * 5000]
    rows, refused = read(written(tmp_path, "a.jsonl", "\n".join(lines)))
    assert len(rows) == 1
    assert [r.line for r in refused] == [2, 3, 5]


def test_a_missing_column_is_told_by_file_column_presence_and_key(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "head,body\nx,y\n")
    with pytest.raises(IngestError, match=r"a\.csv has no column 'headline'; it has head, body.*columns\.title"):
        read(file, columns={"title": "headline"})


def test_a_jsonl_without_the_mapped_column_says_so(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no column 'headline'"):
        read(written(tmp_path, "a.jsonl", '{"title": "x"}\n'), columns={"body": "headline"})


def test_a_stray_quote_costs_one_row_and_not_its_neighbours(tmp_path: Path) -> None:
    lines = ['1,a,"never closed', "2,b,c", "3,d,e", '4,f,"g"', "5,h,i"]
    rows, refused = read(written(tmp_path, "a.csv", "\n".join(lines)), **NO_HEADER)
    assert [r.line for r in refused] == [1]
    assert [row.values["label"] for row in rows] == ["2", "3", "4", "5"]


def test_wrong_column_counts_are_refused_by_line(tmp_path: Path) -> None:
    rows, refused = read(written(tmp_path, "a.csv", "1,a,b\n2,a\n3,a,b,c\n4,a,b\n"), **NO_HEADER)
    assert len(rows) == 2
    assert [(r.line, r.reason) for r in refused] == [
        (2, "2 columns where 3 are expected"),
        (3, "4 columns where 3 are expected"),
    ]


def test_undecodable_rows_are_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    rows, refused = read(written(tmp_path, "a.csv", b"1,caf\xe9,b\n2,caf\xc3\xa9,b\n"), **NO_HEADER)
    assert [row.values["title"] for row in rows] == ["café"]
    assert refused[0].reason == "not UTF-8"


def test_a_line_without_end_takes_no_memory_and_one_row(tmp_path: Path) -> None:
    huge = "1,a," + "x" * 5_000_000
    rows, refused = read(written(tmp_path, "a.csv", f"{huge}\n2,a,b\n"), **NO_HEADER)
    assert len(rows) == len(refused) == 1
    assert len(refused[0].excerpt) <= 200


@pytest.mark.parametrize("name", ["a.parquet", "a.doc"])
def test_a_file_that_cannot_be_read_is_one_reject(tmp_path: Path, name: str) -> None:
    rows, refused = read(written(tmp_path, name, "no such thing"))
    assert not rows
    assert [r.line for r in refused] == [0]


def test_utf16_is_refused_as_a_whole(tmp_path: Path) -> None:
    _, refused = read(written(tmp_path, "a.csv", "title,body\nx,y\n".encode("utf-16")))
    assert "UTF-8" in refused[0].reason
