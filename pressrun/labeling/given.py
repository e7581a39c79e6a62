"""The data's own labels as a labeler, where a feed is already labeled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pressrun.config.taxonomy import Taxonomy
from pressrun.labeling.types import Answer, Article


class GivenLabeler:
    """Answers from `given` (article_id → topic), fully sure; abstains where the data says nothing."""

    name = "given"

    def __init__(self, *, taxonomy: Taxonomy, given: Mapping[str, str]) -> None:
        self._taxonomy = taxonomy
        self._given = given

    def label(self, articles: Sequence[Article]) -> list[Answer]:
        return [self._answer(article.article_id) for article in articles]

    def _answer(self, article_id: str) -> Answer:
        spelling = self._given.get(article_id)
        if spelling is None:
            return Answer(article_id=article_id, abstained=True)
        topic = self._taxonomy.resolve(spelling) or spelling
        return Answer(article_id=article_id, labels=(topic,), probabilities={topic: 1.0})
