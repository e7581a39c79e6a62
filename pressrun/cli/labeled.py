"""Labeled articles of a file, read as the pipeline reads its articles: the truth that a gate alone is given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from pressrun.config.pipeline import Articles, Pipeline
    from pressrun.config.taxonomy import Taxonomy
    from pressrun.ingest.article import Article
    from pressrun.ingest.rows import Refused

_COLUMNS = ("article_id", "title", "body", "source", "section", "language")
_PROVENANCE = ("published_at_provenance", "source_provenance", "section_provenance")


@dataclass(frozen=True, kw_only=True)
class Labeled:
    """Rows of article_id, title, body, target and more; `note` says what of the file was left out, if anything."""

    table: pa.Table
    note: str | None


def labeled_rows(file: Path, pipeline: Pipeline) -> Labeled:
    """The file's articles whose label the taxonomy knows.

    A file of another format than the pipeline's own has our names: title, body, label and perhaps article_id, source,
    section, language, url. Raises ValueError when it cannot be read at all, and IngestError when its columns do not
    fit.
    """
    import pyarrow as pa

    from pressrun.config.load import load_taxonomy
    from pressrun.ingest.article import parse_article
    from pressrun.ingest.read import rows_of_file
    from pressrun.ingest.rows import Refused

    articles, taxonomy = _articles(pipeline, file), load_taxonomy(pipeline)
    rows: dict[str, dict[str, Any]] = {}
    left: Counter[str] = Counter()
    for row in rows_of_file(file, articles):
        parsed = row if isinstance(row, Refused) else parse_article(row, max_bytes=articles.max_bytes)
        reason = _left_out(parsed, taxonomy, file)
        left[reason] += 1
        if not reason and not isinstance(parsed, Refused):
            rows.setdefault(parsed.article_id, _row(parsed, taxonomy))
    return Labeled(table=pa.Table.from_pylist(list(rows.values())), note=_note(left, file))


def _left_out(parsed: Article | Refused, taxonomy: Taxonomy, file: Path) -> str:
    """Why the row is no labeled article; empty for one that is."""
    from pressrun.ingest.rows import Refused

    if isinstance(parsed, Refused):
        if parsed.line == 0:
            raise ValueError(f"{file}: {parsed.reason}")
        return "refused"
    if parsed.label is None:
        return "without a label"
    return "" if taxonomy.resolve(parsed.label) else "outside the taxonomy"


def _row(article: Article, taxonomy: Taxonomy) -> dict[str, Any]:
    known = {name: getattr(article, name) for name in (*_COLUMNS, *_PROVENANCE)}
    return {**known, "target": taxonomy.resolve(article.label or "")}


def _note(left: Counter[str], file: Path) -> str | None:
    reasons = [f"{left[reason]:,} {reason}" for reason in ("refused", "without a label", "outside the taxonomy")]
    said = ", ".join(reason for reason in reasons if not reason.startswith("0 "))
    count = left.total() - left[""]
    return f"{count:,} of {left.total():,} rows of {file.name} were left out: {said}." if count else None


def _articles(pipeline: Pipeline, file: Path) -> Articles:
    """How the pipeline reads articles, where the file is of its format."""
    from pressrun.config.pipeline import Read
    from pressrun.ingest.files import format_of

    own, found = pipeline.articles.read, format_of(file, Read())
    if own.format == "auto" or found in (own.format, None):
        return pipeline.articles
    return pipeline.articles.model_copy(update={"read": Read()})
