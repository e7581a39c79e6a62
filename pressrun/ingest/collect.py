"""Everything that landed, read once: new articles, what was refused, and the counts that the batch is judged by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pressrun.config.pipeline import Articles
from pressrun.ingest.article import Article, parse_article
from pressrun.ingest.files import excerpt_of_file
from pressrun.ingest.identity import content_key
from pressrun.ingest.read import rows_of_file
from pressrun.ingest.rows import Refused

RejectKey = tuple[str, int, str, str]


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A refused row: `origin` is the file's name.

    What was refused is a part of `key`: tomorrow's file of the same name may have the same fault on the same line.
    """

    origin: str
    line: int
    reason: str
    excerpt: str
    article_id: str | None = None

    @property
    def key(self) -> RejectKey:
        return (self.origin, self.line, self.reason, self.excerpt)


@dataclass(kw_only=True)
class Collected:
    """What a night's files hold that the lake does not. `new_rows` counts repeats, `articles` holds each once.

    `origins` names the file of each article.
    """

    articles: dict[str, Article] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    rows: int = 0
    new_rows: int = 0
    known: int = 0
    contents: set[int] = field(default_factory=set)

    @property
    def duplicates(self) -> int:
        """New rows that repeat the words of another of them."""
        return self.new_rows - len(self.contents)

    @property
    def files(self) -> list[str]:
        """The names of the files that the new articles come from."""
        return sorted(set(self.origins.values()))

    @property
    def unreadable(self) -> list[Reject]:
        return [reject for reject in self.rejects if reject.line == 0]


def collect(
    files: Iterable[Path],
    articles: Articles,
    *,
    known: Collection[str],
    refused: Collection[RejectKey],
    on_file: Callable[[Path], None] = lambda file: None,
) -> Collected:
    """Reads the files in order. What the lake knows by article_id, or refused before, is counted and left out."""
    collected = Collected()
    for file in files:
        on_file(file)
        for row in rows_of_file(file, articles):
            parsed = row if isinstance(row, Refused) else parse_article(row, max_bytes=articles.max_bytes)
            _add(collected, _told(parsed, file), file.name, known, refused)
    return collected


def _told(parsed: Article | Refused, file: Path) -> Article | Refused:
    """A file that is refused as a whole shows nothing of itself but its digest."""
    if isinstance(parsed, Refused) and parsed.line == 0 and not parsed.excerpt:
        return replace(parsed, excerpt=excerpt_of_file(file))
    return parsed


def _add(
    collected: Collected, parsed: Article | Refused, origin: str, known: Collection[str], refused: Collection[RejectKey]
) -> None:
    collected.rows += 1
    if isinstance(parsed, Refused):
        reject = Reject(origin=origin, line=parsed.line, reason=parsed.reason, excerpt=parsed.excerpt)
        if reject.key not in refused:
            collected.rejects.append(reject)
    elif parsed.article_id in known:
        collected.known += 1
    else:
        collected.new_rows += 1
        collected.contents.add(hash(content_key(parsed.title, parsed.body)))
        collected.articles.setdefault(parsed.article_id, parsed)
        collected.origins.setdefault(parsed.article_id, origin)
