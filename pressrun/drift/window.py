"""Two windows of predictions: when all was well, and now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# What Evidently and the bootstraps are given at the most; more rows of a window change no decision.
MOST_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Window:
    """n predictions: the label said, how sure (n,), which article each is about, and numbers about its text."""

    labels: tuple[str, ...]
    confidence: NDArray[np.float64]
    clusters: NDArray[np.int64]
    features: Mapping[str, NDArray[np.float64]]
    rows: int

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The served version's predictions, split; `since` is its first one."""

    reference: pa.Table
    current: pa.Table
    model_version: str | None
    model_digest: str | None
    since: datetime | None


def window_of(table: pa.Table, name: str = "window", *, most: int = MOST_ROWS) -> Window:
    """Reads predictions (label, confidence; perhaps article_id or input_digest, and features), at most `most` of them.

    Raises ValueError when label or confidence is missing as a column; rows that lack either are left out.
    """
    missing = [column for column in ("label", "confidence") if column not in table.column_names]
    if missing:
        raise ValueError(f"the {name} lacks {', '.join(missing)}; it has {', '.join(table.column_names)}")
    held = table.filter(pc.and_(pc.is_valid(table["label"]), pc.is_finite(table["confidence"])))
    rows = _thinned(held, most).to_pylist()
    articles = [_article(row, number) for number, row in enumerate(rows)]
    return Window(
        labels=tuple(str(row["label"]) for row in rows),
        confidence=np.array([row["confidence"] for row in rows], dtype=np.float64),
        clusters=np.unique(np.array(articles, dtype=str), return_inverse=True)[1].ravel().astype(np.int64),
        features=_features(rows),
        rows=held.num_rows,
    )


def split(predictions: pa.Table, *, now: datetime, window: timedelta) -> Windows:
    """The newest `window` of the version that serves, against the first `window` that the same version served.

    Shadowed answers and other arms than the champion's are left out: nobody read them.
    """
    served = predictions.filter(pc.and_(pc.equal(predictions["arm"], "champion"), pc.invert(_shadow(predictions))))
    served = served.filter(pc.less_equal(served["at"], now)).sort_by("at")
    if not served.num_rows:
        return Windows(reference=served, current=served, model_version=None, model_digest=None, since=None)
    version = served["model_version"][-1]
    own = served.filter(pc.equal(served["model_version"], version)) if version.is_valid else served
    since = own["at"][0].as_py()
    turn = now - window
    early = pc.and_(pc.less(own["at"], min(since + window, turn)), pc.less_equal(own["at"], turn))
    return Windows(
        reference=own.filter(early),
        current=own.filter(pc.greater(own["at"], turn)),
        model_version=version.as_py(),
        model_digest=own["model_digest"][-1].as_py(),
        since=since,
    )


def _shadow(table: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(table["shadow"], False)


def _thinned(table: pa.Table, most: int) -> pa.Table:
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.linspace(0, table.num_rows - 1, most).astype(np.int64)))


def _article(row: Mapping[str, Any], number: int) -> str:
    return str(row.get("article_id") or row.get("input_digest") or f"row {number}")


def _features(rows: list[dict[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """Each feature that any row has, NaN where a row lacks it; Arrow gives maps as pairs and structs as dicts."""
    known = [dict(row.get("features") or {}) for row in rows]
    names = sorted({name for features in known for name in features})
    return {name: np.array([_number(features.get(name)) for features in known]) for name in names}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
