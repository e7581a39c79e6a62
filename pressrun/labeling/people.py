"""People's part: what they are asked, and the oracle that answers for them in demos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from pressrun.config.pipeline import LabelerSpec, Pipeline
from pressrun.config.taxonomy import Taxonomy
from pressrun.costs import ORACLE as ORACLE
from pressrun.jobs import NewQuestion, Questions
from pressrun.labeling.types import Article

MAX_CHARACTERS = 20_000
_LEASE = timedelta(minutes=10)
_AT_ONCE = 500


def people_of(pipeline: Pipeline) -> LabelerSpec | None:
    """The chain's people, if it has them."""
    last = pipeline.label.chain[-1]
    return last if last.labeler == "people" else None


def questions_for(
    *, unsure: Iterable[Article], audit: Iterable[Article], people: LabelerSpec | None
) -> list[NewQuestion]:
    """The blind audit, and what no machine was sure of where the chain has people; an article is asked about once."""
    blind = list(audit)
    known = {article.article_id for article in blind}
    chain = [article for article in unsure if article.article_id not in known] if people else []
    most = people.most if people else None
    return [_question(a, audit=True) for a in blind] + [_question(a, audit=False) for a in chain[:most]]


def answer_as_oracle(
    queue: Questions, *, pipeline: Pipeline, step_key: str, taxonomy: Taxonomy, given: Mapping[str, str]
) -> int:
    """Answers the step's questions from the data's own labels, through the queue that people use. For demos."""
    count = 0
    while held := queue.lease(pipeline=pipeline.model, holder=ORACLE, most=_AT_ONCE, lasting=_LEASE, step_key=step_key):
        for question in held:
            topic = taxonomy.resolve(given.get(question.article_id, ""))
            queue.answer(question_id=question.question_id, person=ORACLE, labels=[topic] if topic else [])
        count += len(held)
    return count


def _question(article: Article, *, audit: bool) -> NewQuestion:
    body = article.body[:MAX_CHARACTERS]
    return NewQuestion(
        article_id=article.article_id, kind="audit" if audit else "chain", title=article.title, body=body
    )
