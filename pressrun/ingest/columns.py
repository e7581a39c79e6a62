"""Which of a file's columns is which of our fields, by `articles.read.columns`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import get_args

from pressrun.config.pipeline import ArticleField, Read
from pressrun.ingest.errors import IngestError

FIELDS: tuple[str, ...] = (*get_args(ArticleField), "synthetic")
"""`synthetic` is the simulator's mark: it is read where a file has it and is never mapped."""


def positions(read: Read, *, file: Path) -> list[str | None]:
    """The fields of a file's columns in their order.

    Raises IngestError without such a list, or without title or body.
    """
    if not isinstance(read.columns, list) or not read.columns:
        raise IngestError(
            f"{file} is read without a header: list its columns in order under articles.read.columns, "
            "for example [label, title, body]; null skips one"
        )
    _title_or_body([field for field in read.columns if field], present=read.columns, file=file)
    return list(read.columns)


def names(read: Read, present: Sequence[str], *, file: Path) -> dict[str, str]:
    """Our field → the file's column: what the mapping names, and our own names where it is silent.

    Raises IngestError naming the file, the column, what is there and the key to change.
    """
    if isinstance(read.columns, list) and read.columns:
        raise IngestError(
            f"{file} has named columns ({_listed(present)}): write articles.read.columns as our name: the file's name, "
            "for example {title: headline}"
        )
    mapped: dict[str, str] = (
        {str(ours): theirs for ours, theirs in read.columns.items()} if isinstance(read.columns, dict) else {}
    )
    missing(mapped, present, file=file)
    taken = set(mapped.values())
    own = {field: field for field in FIELDS if field in present and field not in mapped and field not in taken}
    _title_or_body([*mapped, *own], present=present, file=file)
    return mapped | own


def missing(mapped: dict[str, str], present: Collection[str], *, file: Path) -> None:
    """Raises IngestError for the first mapped column that the file lacks."""
    for ours, theirs in mapped.items():
        if theirs not in present:
            raise IngestError(
                f"{file} has no column {theirs!r}; it has {_listed(present)}. "
                f"Set articles.read.columns.{ours} to one of these"
            )


def _title_or_body(fields: Collection[str], *, present: Collection[str | None], file: Path) -> None:
    if not {"title", "body"} & set(fields):
        raise IngestError(
            f"{file} has neither a title nor a body; its columns are {_listed(present)}. "
            "Name them under articles.read.columns.title and articles.read.columns.body"
        )


def _listed(present: Collection[str | None]) -> str:
    return ", ".join(str(name)[:60] for name in list(present)[:30]) or "none"
