"""A raw row to an article, or to the reason why it is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from urllib.parse import urlsplit

from pressrun.ingest.dates import parse_time
from pressrun.ingest.identity import article_id, canonical_url
from pressrun.ingest.language import detect
from pressrun.ingest.lines import decodable
from pressrun.ingest.rows import RawRow, Refused, excerpt

Provenance = Literal["given", "assumed", "synthetic"]
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SHORT = {"article_id": 200, "source": 500, "section": 500, "language": 35, "label": 500, "url": 4000}


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """One article as the lake holds it, with the label that its file gave it."""

    line: int
    article_id: str
    published_at: datetime | None
    source: str | None
    section: str | None
    title: str
    body: str
    url: str | None
    language: str
    published_at_provenance: Provenance | None
    source_provenance: Provenance | None
    section_provenance: Provenance | None
    label: str | None
    synthetic: bool


def parse_article(row: RawRow, *, max_bytes: int) -> Article | Refused:
    """The article of a row; refused when it is empty, too long, or holds what no article does."""
    try:
        texts = {field: _text(field, row.values.get(field)) for field in ("title", "body", *_SHORT)}
        _check_length(texts, max_bytes)
        return _article(row, texts, _time(row.values.get("published_at")))
    except ValueError as error:
        return Refused(line=row.line, reason=str(error), excerpt=excerpt(" ".join(_words(row.values))))


def _article(row: RawRow, texts: Mapping[str, str], published_at: datetime | None) -> Article:
    title, body, url = texts["title"], texts["body"], texts["url"] or None
    synthetic = _true(row.values.get("synthetic"))
    given: Provenance = "synthetic" if synthetic else "given"
    source, section = texts["source"] or _host(url), texts["section"] or None
    assumed: Provenance = "synthetic" if synthetic else "assumed"
    return Article(
        line=row.line,
        article_id=texts["article_id"] or article_id(url=url, title=title, body=body),
        published_at=published_at,
        source=source,
        section=section,
        title=title,
        body=body,
        url=url,
        language=texts["language"].lower().replace("_", "-").split("-")[0] or detect(f"{title}\n{body}"),
        published_at_provenance=given if published_at else None,
        source_provenance=(given if texts["source"] else assumed) if source else None,
        section_provenance=given if section else None,
        label=texts["label"] or None,
        synthetic=synthetic,
    )


def _text(field: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bytes | list | dict | set | tuple):
        raise ValueError(f"{field} is a {type(value).__name__}, text is expected")
    text = str(value).strip()
    if not decodable(text):
        raise ValueError(f"{field} holds a lone surrogate, which no text does")
    if match := _CONTROL.search(text):
        raise ValueError(f"{field} holds the control character U+{ord(match[0]):04X}")
    if len(text) > _SHORT.get(field, len(text)):
        raise ValueError(f"{field} is longer than {_SHORT[field]} characters")
    return text


def _check_length(texts: Mapping[str, str], max_bytes: int) -> None:
    size = sum(len(texts[field].encode("utf-8")) for field in ("title", "body"))
    if not size:
        raise ValueError("neither a title nor a body")
    if size > max_bytes:
        raise ValueError(f"{size:,} bytes, articles.max_bytes is {max_bytes:,}")


def _time(raw: object) -> datetime | None:
    try:
        return parse_time(raw)
    except ValueError as error:
        raise ValueError(f"published_at is no time: {excerpt(raw)[:60]!r}") from error


def _host(url: str | None) -> str | None:
    canonical = canonical_url(url) if url else None
    return urlsplit(canonical).netloc.removeprefix("www.") if canonical else None


def _true(value: object) -> bool:
    return value is True or str(value).strip().lower() in ("true", "1")


def _words(values: Mapping[str, object]) -> list[str]:
    return [str(value)[:400] for value in values.values() if isinstance(value, str | int | float | date)]
