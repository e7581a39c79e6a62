"""The arrow schema of every table. The lake adds `pipeline`, `step_key` and `written_at` to each.

A column that must never be null is declared so; `commit` checks it. Add columns at will (older rows read as null);
renaming one or changing its type needs a new table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

TEXT, REAL, INT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
TEXTS, REALS = pa.list_(TEXT), pa.map_(TEXT, REAL)

HOUSE = pa.schema(
    [pa.field("pipeline", TEXT, False), pa.field("step_key", TEXT, False), pa.field("written_at", TIME, False)]
)


def _table(required: Mapping[str, pa.DataType], optional: Mapping[str, pa.DataType]) -> pa.Schema:
    fields = [pa.field(name, kind, nullable=False) for name, kind in required.items()]
    return pa.schema(fields + [pa.field(name, kind) for name, kind in optional.items()])


SCHEMAS: dict[str, pa.Schema] = {
    "articles": _table(
        {"article_id": TEXT},
        {
            "published_at": TIME,
            "source": TEXT,
            "section": TEXT,
            "title": TEXT,
            "body": TEXT,
            "url": TEXT,
            "language": TEXT,
            # given, assumed or synthetic
            "published_at_provenance": TEXT,
            "source_provenance": TEXT,
            "section_provenance": TEXT,
        },
    ),
    # The data's own labels: a topic of the taxonomy, and what the file said.
    "given": _table({"article_id": TEXT}, {"label": TEXT, "raw": TEXT}),
    "groups": _table({"article_id": TEXT, "group_id": TEXT}, {}),
    "interactions": _table(
        {"impression_id": TEXT, "article_id": TEXT},
        {
            "slate_id": TEXT,
            "reader_id": TEXT,
            "shown_at": TIME,
            "position": INT,
            "propensity": REAL,
            "arm": TEXT,
            "clicked": FLAG,
            "dwell_seconds": REAL,
            "model_version": TEXT,
        },
    ),
    "samples": _table(
        {"sample_id": TEXT, "article_id": TEXT},
        {"stratum": TEXT, "inclusion_probability": REAL, "reason": TEXT, "group_id": TEXT},
    ),
    "labels": _table(
        {"article_id": TEXT, "labeler": TEXT, "role": TEXT},
        {
            "taxonomy_version": TEXT,
            "labels": TEXTS,
            "probabilities": REALS,
            "abstained": FLAG,
            "cost_usd": REAL,
            "labeled_at": TIME,
        },
    ),
    "examples": _table(
        {"example_id": TEXT, "article_id": TEXT},
        {
            "task": TEXT,
            "entities": pa.map_(TEXT, TEXT),
            "group_id": TEXT,
            "target": TEXT,
            "weight": REAL,
            "split": TEXT,
            "provenance": TEXT,
            "labeler": TEXT,
        },
    ),
    "predictions": _table(
        {"request_id": TEXT, "model": TEXT},
        {
            "model_version": TEXT,
            "model_digest": TEXT,
            "arm": TEXT,
            "generation": INT,
            "shadow": FLAG,
            "article_id": TEXT,
            "impression_id": TEXT,
            "at": TIME,
            "input_digest": TEXT,
            "label": TEXT,
            "confidence": REAL,
            "scores": REALS,
            "features": REALS,
            "latency_ms": REAL,
            "sampling_rate": REAL,
        },
    ),
    "verdicts": _table(
        {"verdict_id": TEXT, "kind": TEXT, "decision": TEXT, "at": TIME, "verdict": TEXT},
        {"model_version": TEXT, "model_digest": TEXT},
    ),
    # Who let which verdict stand aside, until when; the verdict itself stays as it is.
    "overrides": _table(
        {"override_id": TEXT, "verdict_id": TEXT, "actor": TEXT, "reason": TEXT, "at": TIME, "expiry": TIME}, {}
    ),
    "rejects": _table({"origin": TEXT, "reason": TEXT}, {"line": INT, "article_id": TEXT, "excerpt": TEXT}),
    "spend": _table(
        {"job_id": TEXT},
        {
            "provider": TEXT,
            "model": TEXT,
            "input_tokens": INT,
            "cached_tokens": INT,
            "output_tokens": INT,
            "cost_usd": REAL,
        },
    ),
    # What may not come back: a reader, an impression or a slate, as a hash (see pressrun/lake/erased.py).
    "erased": _table({"kind": TEXT, "hash": TEXT, "erasure_id": TEXT}, {}),
    # Who had a reader erased, when and why, and what went; `files` has the rows that went from each file.
    "erasures": _table(
        {"erasure_id": TEXT, "subject": TEXT, "actor": TEXT, "reason": TEXT, "at": TIME, "receipt": TEXT},
        {"digest": TEXT, "rows": INT, "tables": TEXTS, "files": pa.map_(TEXT, INT)},
    ),
    # A source or labeler that is withdrawn, or (`undone`) let in again; the newest word on a name counts.
    "retractions": _table(
        {"retraction_id": TEXT, "kind": TEXT, "name": TEXT, "actor": TEXT, "reason": TEXT, "at": TIME, "undone": FLAG},
        {"since": TIME, "affected": TEXT},
    ),
    # The manifest: a step is finished, and its rows are seen as `state` says, when it has a row here.
    "steps": _table(
        {"stage": TEXT, "fingerprint": TEXT, "result": TEXT},
        {"reused_from": TEXT, "basis": TEXT, "state": TEXT, "asked": TEXT},
    ),
}


def rows_of(table: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows from dicts, in the table's schema; a column that a dict lacks is null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMAS[table])
