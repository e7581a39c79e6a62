"""Impressions column by column: what millions of rows need that are as they should be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as t
from numpy.typing import NDArray

from pressrun.ingest.dates import YEARS, parse_time
from pressrun.ingest.identity import article_id
from pressrun.lake.tables import SCHEMAS

_SCHEMA = SCHEMAS["interactions"]
_FIRST, _LAST = datetime(YEARS.start, 1, 2, tzinfo=UTC), datetime(YEARS.stop - 1, 12, 30, tzinfo=UTC)


def lacking(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    """Which rows name no impression, or no article, (n,)."""
    named = [_named(batch, name) for name in ("impression_id", "article_id", "url")]
    return np.asarray(~(named[0] & (named[1] | named[2])))


def shown_rows(batch: pa.RecordBatch, pseudonym: Callable[[str], str]) -> pa.Table:
    """The rows as those of `interactions`. None may be `lacking`.

    Raises ValueError and ArrowException when any row is not what its column says: which one, only each row's own
    reading tells.
    """
    columns = {field.name: _column(batch, field.name, field.type) for field in _SCHEMA if field.name not in _MADE}
    made = {name: make(batch, pseudonym) for name, make in _MADE.items()}
    return pa.table(columns | made).select(_SCHEMA.names).cast(_SCHEMA)


def first_of_each(rows: pa.Table, known: pa.ChunkedArray) -> pa.Table:
    """The first row of each impression that is not known."""
    new = rows.filter(pc.invert(pc.is_in(rows["impression_id"], value_set=known.combine_chunks())))
    if not new.num_rows:
        return new
    places = new["impression_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    firsts = np.unique(places, return_index=True)[1]
    return new if len(firsts) == new.num_rows else new.take(pa.array(firsts))


def _named(batch: pa.RecordBatch, name: str) -> NDArray[np.bool_]:
    if name not in batch.schema.names:
        return np.zeros(batch.num_rows, np.bool_)
    column = batch[name]
    present = np.asarray(column.is_valid())
    return present & np.asarray(pc.fill_null(pc.not_equal(column, ""), False)) if _is_text(column.type) else present


def _column(batch: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    given = batch[name]
    if not _fits(given.type, kind):
        raise pa.ArrowTypeError(f"{name} is {given.type}, {kind} is expected")
    return given.cast(kind)


def _articles(batch: pa.RecordBatch, pseudonym: Callable[[str], str]) -> pa.Array:
    given, urls = (_column(batch, name, pa.string()) for name in ("article_id", "url"))
    given = pc.if_else(pc.equal(given, ""), None, given)
    if not given.null_count:
        return given
    needed = pc.if_else(given.is_null(), urls, None)
    return pc.coalesce(given, _mapped(needed, lambda url: article_id(url=url, title="", body=""), pa.string()))


def _readers(batch: pa.RecordBatch, pseudonym: Callable[[str], str]) -> pa.Array:
    if "reader_id" not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.string())
    return _mapped(batch["reader_id"], lambda reader: pseudonym(str(reader)), pa.string())


def _times(batch: pa.RecordBatch, pseudonym: Callable[[str], str]) -> pa.Array:
    kind = _SCHEMA.field("shown_at").type
    if "shown_at" not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    given = batch["shown_at"]
    if not t.is_timestamp(given.type):
        return _mapped(given, parse_time, kind)
    zone = given.type.tz or "UTC"
    moments = given.cast(pa.timestamp("us", given.type.tz), safe=False)
    moments = (moments if given.type.tz else pc.assume_timezone(moments, zone)).cast(kind)
    return _of_our_time(moments)


def _of_our_time(moments: pa.Array) -> pa.Array:
    ends = pc.min_max(moments).as_py()
    if ends["min"] is not None and not _FIRST <= ends["min"] <= ends["max"] <= _LAST:
        raise ValueError("a time of a year that no impression is from")
    return moments


def _mapped(column: pa.Array, of: Callable[[Any], object], kind: pa.DataType) -> pa.Array:
    """`of` each value, computed once for those that are the same; null stays null."""
    encoded = column if t.is_dictionary(column.type) else column.dictionary_encode()
    values = [None if value is None else of(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(values, kind).take(encoded.indices)


def _fits(given: pa.DataType, wanted: pa.DataType) -> bool:
    if t.is_dictionary(given):
        return _fits(given.value_type, wanted)
    if _is_text(wanted):
        return _is_text(given) or bool(t.is_null(given))
    whole = t.is_integer(given) and (t.is_integer(wanted) or t.is_floating(wanted))
    return bool(given == wanted or whole or t.is_null(given) or (t.is_floating(given) and t.is_floating(wanted)))


def _is_text(kind: pa.DataType) -> bool:
    return bool(t.is_string(kind) or t.is_large_string(kind))


_MADE = {"article_id": _articles, "reader_id": _readers, "shown_at": _times}
