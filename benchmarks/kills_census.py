"""What a home holds, as a multiset: every row by its natural key, questions, messages, MLflow's runs and versions."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from deltalake import DeltaTable

from pressrun.lake.lake import Lake
from pressrun.lake.tables import SCHEMAS

Census = Counter[str]
# What differs from one unharmed run to the next: times, random ids, and results that hold them.
_PASSING = {
    "written_at", "labeled_at", "at", "verdict_id", "verdict", "result", "fingerprint", "basis", "model_digest",
}  # fmt: skip


def census(home: Path, *, pipeline: str = "topics") -> Census:
    """Everything in the home that a stage leaves for good."""
    found: Census = Counter()
    lake = Lake(str(home / "lake"))
    for name in sorted(SCHEMAS):
        if (home / "lake" / name).is_dir():
            found.update(_rows(name, home / "lake" / name))
            found.update(_seen(name, lake, pipeline))
    found.update(_database(home / "pressrun.db"))
    found.update(_mlflow(home / "mlflow.db"))
    return found


def missing(expected: Census, found: Census) -> list[str]:
    return sorted((expected - found).elements())


def _rows(name: str, folder: Path) -> Iterator[str]:
    """What lies in the table, seen or not."""
    if not DeltaTable.is_deltatable(str(folder)):
        return
    for row in DeltaTable(str(folder)).to_pyarrow_table().to_pylist():
        yield f"row of {name}: {_told(row)}"


def _seen(name: str, lake: Lake, pipeline: str) -> Iterator[str]:
    for row in lake.read(lake.snapshot(name, pipeline=pipeline)).to_pylist():
        yield f"row seen of {name}: {_told(row)}"


def _told(row: dict[str, Any]) -> str:
    return json.dumps({k: _plain(v) for k, v in row.items() if k not in _PASSING}, default=str, sort_keys=True)


def _plain(value: Any) -> Any:
    """Scores to five digits: a batch of another size, as a retry has it, moves the last ones of a float32."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _database(file: Path) -> Iterator[str]:
    asked = "SELECT step_key, article_id, kind, state, answer, person FROM questions"
    yield from (f"question: {row}" for row in _select(file, asked))
    # Whether a message is on its way or there is another matter: what a dead process was delivering is free again
    # after a while.
    yield from (f"message: {row}" for row in _select(file, "SELECT thread FROM alert_messages"))
    yield from (f"thread: {row}" for row in _select(file, "SELECT thread, revision FROM alert_threads"))


def _mlflow(file: Path) -> Iterator[str]:
    """Runs by their step, with what was told of each; versions by theirs."""
    steps = dict(_select(file, "SELECT run_uuid, value FROM tags WHERE key = 'pressrun.step_key'"))
    for run, name, status, artifacts in _select(file, "SELECT run_uuid, name, status, artifact_uri FROM runs"):
        step = steps.get(run, "of no step")
        yield f"run: {step} {name} {status}"
        yield from (f"run's file: {step} {path}" for path in _files(artifacts))
    for table, columns in (("params", "key, value"), ("latest_metrics", "key, value, step"), ("tags", "key")):
        for run, *told in _select(file, f"SELECT run_uuid, {columns} FROM {table}"):
            yield f"run's {table}: {steps.get(run, 'of no step')} {_plain(told)}"
    for run, count in _select(file, "SELECT destination_id, count(*) FROM inputs GROUP BY destination_id"):
        yield f"run's inputs: {steps.get(run, 'of no step')} {count}"
    marks = "SELECT name, version, value FROM model_version_tags WHERE key IN ('pressrun.step_key', 'pressrun.digest')"
    yield from (f"version: {row}" for row in _select(file, "SELECT name, version, status FROM model_versions"))
    yield from (f"version's mark: {row}" for row in _select(file, marks))
    yield from (f"alias: {row}" for row in _select(file, "SELECT name, alias, version FROM registered_model_aliases"))


def _files(uri: str) -> Iterator[str]:
    folder = Path(unquote(urlsplit(uri).path))
    # An upload that was cut off stays beside the file under a name of MLflow's own; nothing reads it.
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".artifact.uploading"))
    yield from (str(path.relative_to(folder)) for path in found)


def _select(file: Path, query: str) -> list[tuple[Any, ...]]:
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
