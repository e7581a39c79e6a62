from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pressrun.drift.stage import ASKED, cooldown_of
from pressrun.drift.window import split, window_of
from pressrun.verdict import Verdict

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _stream(minutes: range, version: str = "2", arm: str = "champion", shadow: bool | None = None) -> pa.Table:
    rows = len(minutes)
    return pa.table(
        {
            "arm": [arm] * rows,
            "shadow": pa.array([shadow] * rows, pa.bool_()),
            "model_version": [version] * rows,
            "model_digest": ["d" + version] * rows,
            "at": pa.array([NOW - timedelta(minutes=m) for m in minutes], pa.timestamp("us", tz="UTC")),
            "label": ["World"] * rows,
            "confidence": [0.9] * rows,
        }
    )


def test_the_first_window_of_the_served_version_is_the_reference() -> None:
    stream = pa.concat_tables([_stream(range(300)), _stream(range(300, 400), version="1")])
    found = split(stream, now=NOW, window=timedelta(hours=1))
    assert (found.model_version, found.model_digest) == ("2", "d2")
    assert (found.reference.num_rows, found.current.num_rows) == (60, 60)
    assert found.since == NOW - timedelta(minutes=299)


def test_windows_of_a_young_model_do_not_overlap() -> None:
    found = split(_stream(range(90)), now=NOW, window=timedelta(hours=1))
    assert found.current.num_rows == 60
    assert found.reference.num_rows < 31


def test_shadows_and_candidates_are_left_out() -> None:
    stream = pa.concat_tables([_stream(range(90), shadow=True), _stream(range(90), arm="candidate")])
    assert split(stream, now=NOW, window=timedelta(hours=1)).model_version is None


def test_rows_without_an_answer_are_left_out_and_many_are_thinned() -> None:
    table = pa.table({"label": ["a", None, "b", "c"], "confidence": [0.5, 0.5, None, 0.7]})
    found = window_of(table, most=1)
    assert (len(found), found.rows) == (1, 2)


def test_only_a_drift_verdict_that_asked_starts_the_cooldown() -> None:
    def made(hours: int, *notes: str) -> Verdict:
        return Verdict(kind="drift", pipeline="topics", checks=(), at=NOW - timedelta(hours=hours), notes=notes)

    assert cooldown_of([made(1)], timedelta(hours=6)).until is None
    asked = cooldown_of([made(1), made(3, ASKED), made(9, ASKED)], timedelta(hours=6))
    assert asked.until == NOW + timedelta(hours=3)
    assert asked.holds(NOW)
    assert not asked.holds(NOW + timedelta(hours=3))
