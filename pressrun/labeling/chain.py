"""The chain of machine labelers: sure answers are kept, the rest goes to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from pressrun.labeling.staged import StagedAnswers
from pressrun.labeling.types import Answer, Article, Labeled, Labeler

Keep = Callable[[Answer], None]
BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Link:
    """A labeler with what it must be surer of, and at the most how many articles it gets.

    `make` is given where to keep answers at once; only called when something is left to be labeled. `source` is what
    its answers hang on besides the name: kept ones of another source are not its own.
    """

    name: str
    make: Callable[[Keep], Labeler]
    accept_above: float
    most: int | None = None
    source: str = ""


@dataclass(kw_only=True)
class ChainResult:
    """Every article's last word, the answers that could not be used, and every answer that was given, by labeler."""

    labeled: dict[str, Labeled] = field(default_factory=dict)
    rejected: list[tuple[str, Answer]] = field(default_factory=list)
    answers: list[tuple[str, Answer]] = field(default_factory=list)

    def unsure(self, articles: Iterable[Article]) -> list[Article]:
        """Those that no labeler is sure of, the least sure first."""
        left = [a for a in articles if a.article_id not in self.labeled or not self.labeled[a.article_id].sure]
        return sorted(left, key=lambda a: (self._confidence(a.article_id), a.article_id))

    def _confidence(self, article_id: str) -> float:
        found = self.labeled.get(article_id)
        return found.answer.confidence if found else 0.0


def run_chain(
    articles: Sequence[Article],
    *,
    links: Sequence[Link],
    topics: Sequence[str],
    staged: Callable[[Link], StagedAnswers],
    progress: Callable[[str, int, int | None], None] = lambda message, done, total: None,
) -> ChainResult:
    """Runs the links in order. What was answered before (by a step that died, or by another run) is in `staged`."""
    result = ChainResult()
    for link in links:
        due = result.unsure(articles)[: link.most]
        kept = staged(link)
        _label_missing(link, due, kept, progress)
        for article in due:
            if article.article_id in kept:
                _take(result, link, *kept[article.article_id], topics=frozenset(topics))
    return result


def _label_missing(link: Link, due: Sequence[Article], kept: StagedAnswers, progress: Callable[..., None]) -> None:
    missing = [article for article in due if article.article_id not in kept]
    labeler = link.make(kept.keep) if missing else None
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        progress(f"labeling with {link.name}", start, len(missing))
        for answer in checked(labeler.label(batch) if labeler else [], batch=batch):
            kept.keep(answer)


def _take(result: ChainResult, link: Link, answer: Answer, at: datetime, *, topics: frozenset[str]) -> None:
    used = within(answer, topics=topics)
    result.answers.append((link.name, used))
    if used.rejected:
        result.rejected.append((link.name, used))
    sure = bool(used.labels) and not used.abstained and not used.rejected and used.confidence >= link.accept_above
    labeled = Labeled(article_id=used.article_id, answer=used, labeler=link.name, sure=sure, at=at)
    earlier = result.labeled.get(used.article_id)
    # An abstention says less than the unsure answer before it.
    if earlier is None or sure or used.labels:
        result.labeled[used.article_id] = labeled


def checked(answers: Any, *, batch: Sequence[Article]) -> list[Answer]:
    """The answers that are for this batch. A labeler may be anybody's code, so what it hands back is parsed."""
    asked = {article.article_id for article in batch}
    try:
        parsed = [Answer.model_validate(answer) for answer in answers]
    except (TypeError, ValidationError) as error:
        raise TypeError(f"a labeler returns a list of pressrun.labeling.Answer; given: {error}") from error
    return [answer for answer in parsed if answer.article_id in asked]


def within(answer: Answer, *, topics: frozenset[str]) -> Answer:
    """The answer as it is, or as a rejected one when it names a label outside the taxonomy."""
    outside = sorted(set(answer.labels) - topics)
    if not outside or answer.rejected:
        return answer.model_copy(update={"labels": ()}) if answer.rejected else answer
    reason = f"label {outside[0][:80]!r} is outside the taxonomy ({', '.join(sorted(topics))})"
    return answer.model_copy(update={"rejected": reason, "labels": ()})
