"""Do rows fit their table? Strict about names and kinds, lenient about widths (int32 in int64, large strings)."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.types as t

from pressrun.lake.errors import SchemaError
from pressrun.lake.tables import HOUSE


def declared(table: str, schemas: Mapping[str, pa.Schema]) -> pa.Schema:
    """The table's own columns. Raises SchemaError for a table that nobody declared."""
    if table not in schemas:
        raise SchemaError(f"no table {table!r}; the tables are {', '.join(sorted(schemas))} (pressrun/lake/tables.py)")
    return schemas[table]


def conform(table: str, rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` in the order and types of `schema`, house columns left out.

    Raises SchemaError naming table and column when one is missing, unknown, of another type, or null where it may not.
    """
    _same_names(table, set(rows.column_names) - set(HOUSE.names), set(schema.names))
    return pa.table([_column(table, rows[field.name], field) for field in schema], schema=schema)


def _same_names(table: str, given: set[str], wanted: set[str]) -> None:
    for what, names in (("lack", wanted - given), ("have unknown", given - wanted)):
        if names:
            raise SchemaError(
                f"{table}: the rows {what} column {', '.join(sorted(names))}; the table's columns are "
                f"{', '.join(sorted(wanted))} (pressrun/lake/tables.py)"
            )


def _column(table: str, column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if not _fits(column.type, field.type):
        raise SchemaError(f"{table}.{field.name} is {field.type}, given {column.type}; convert it before committing")
    try:
        cast = column.cast(field.type)
    except pa.ArrowException as error:
        raise SchemaError(f"{table}.{field.name} is {field.type}, given {column.type}: {error}") from error
    if not field.nullable and cast.null_count:
        raise SchemaError(f"{table}.{field.name} must not be null, and is in {cast.null_count} of {len(cast)} rows")
    return cast


def _fits(given: pa.DataType, wanted: pa.DataType) -> bool:
    if given.equals(wanted) or t.is_null(given):
        return True
    if t.is_dictionary(given):
        return _fits(given.value_type, wanted)
    if t.is_map(given) and t.is_map(wanted):
        return _fits(given.key_type, wanted.key_type) and _fits(given.item_type, wanted.item_type)
    if _is_list(given) and _is_list(wanted):
        return _fits(given.value_type, wanted.value_type)
    return _same_kind(given, wanted)


def _is_list(kind: pa.DataType) -> bool:
    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def _same_kind(given: pa.DataType, wanted: pa.DataType) -> bool:
    if t.is_timestamp(given) and t.is_timestamp(wanted):
        # A time without a zone is ambiguous: a cast would silently call it UTC.
        return (given.tz is None) == (wanted.tz is None)
    if t.is_floating(wanted):
        return bool(t.is_floating(given) or t.is_integer(given))
    kinds = (_is_text, t.is_integer)
    return any(kind(given) and kind(wanted) for kind in kinds)


def _is_text(kind: pa.DataType) -> bool:
    return bool(t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind))
