"""Reading a part of a dataset: what was committed before a time is left out without a look into its files."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pressrun.lake import Lake, rows_of


def appended(lake: Lake, name: str, sequence: int) -> None:
    rows = rows_of("predictions", [{"request_id": name, "model": "topics"}])
    lake.append("predictions", rows, pipeline="topics", source="server", sequence=sequence)


def test_files_from_before_a_time_are_left_out_unopened(lake: Lake) -> None:
    appended(lake, "early", 1)
    (file,) = lake.files(lake.snapshot("predictions", pipeline="topics"))
    Path(file).write_bytes(b"nobody can read this")
    time.sleep(0.01)
    since = datetime.now(UTC)
    appended(lake, "late", 2)
    both = lake.snapshot("predictions", pipeline="topics")
    assert lake.read(both, ["request_id"], since=since)["request_id"].to_pylist() == ["late"]
    later = since + timedelta(hours=1)
    assert lake.read(both, ["request_id"], since=later).num_rows == 0
    with pytest.raises(pa.ArrowInvalid):
        lake.read(both, ["request_id"])
