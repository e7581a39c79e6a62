"""The conformance tests that anyone can call on code of their own: what is right passes, what is broken is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest

from pressrun.bundle.models import Linear
from pressrun.bundle.preprocessing import CenteredEmbeddings
from pressrun.bundle.tfidf import Tfidf
from pressrun.drift.conformance import assert_drift_test
from pressrun.gates.conformance import assert_gate_check, assert_metric
from pressrun.labeling import Answer, Article
from pressrun.labeling.conformance import assert_labeler
from pressrun.training.conformance import assert_family, assert_feature
from pressrun.verdict import Assertion, Decision
from tests.bundle.test_steps import table

NEVER_TWICE = count()


class ByWord:
    """Sports for who says goal, else Business."""

    def __init__(self, *, taxonomy: Any, topic: str = "Sports", sure: float = 0.9) -> None:
        self.name = f"own:word-{topic}"
        self.topic, self.sure = topic, sure

    def label(self, articles: Sequence[Article]) -> list[Answer]:
        return [self._answer(article) for article in articles]

    def _answer(self, article: Article) -> Answer:
        said = self.topic if "goal" in article.body else "Business"
        return Answer(article_id=article.article_id, labels=(said,), probabilities={said: self.sure})


class OtherName(ByWord):
    def __init__(self, *, taxonomy: Any) -> None:
        super().__init__(taxonomy=taxonomy)
        self.name = f"own:{next(NEVER_TWICE)}"


class Twice(ByWord):
    def label(self, articles: Sequence[Article]) -> list[Answer]:
        return [self._answer(article) for article in articles for _ in range(2)]


class Unlikely(ByWord):
    def _answer(self, article: Article) -> Answer:
        return Answer(article_id=article.article_id, labels=("Sports",))


class Gazetteer:
    """A vocabulary written by hand."""

    def __init__(self, *, words: Sequence[str] = ("home side", "shares", "bank")) -> None:
        self.words = words

    def fit(self, texts: Sequence[str]) -> Tfidf:
        return Tfidf(vocabulary={w: k for k, w in enumerate(self.words)}, idf=np.full(len(self.words), 2.0 / 3))


class OwnTable:
    def fit(self, texts: Sequence[str]) -> CenteredEmbeddings:
        return table()


class Cased(Tfidf):
    """A step with code of its own, which no bundle would bring along."""


class Smuggler:
    def fit(self, texts: Sequence[str]) -> Tfidf:
        return Cased(vocabulary={"shares": 0}, idf=np.ones(1))


class Service:
    def fit(self, texts: Sequence[str]) -> Any:
        return lambda text: [len(text)]


class Moody:
    def fit(self, texts: Sequence[str]) -> Tfidf:
        return Tfidf(vocabulary={"home": 0, "bank": 1}, idf=np.array([1.0, 1.0 + next(NEVER_TWICE)]))


class Endless:
    def fit(self, texts: Sequence[str]) -> Tfidf:
        return Tfidf(vocabulary={"home": 0, "bank": 1}, idf=np.array([1.0, np.nan]))


class Nearest:
    """The class whose mean is nearest."""

    def __init__(self, *, shift: float = 0.0) -> None:
        self.shift = shift

    def fit(self, *, features: Any, targets: Any, weights: Any, classes: int, seed: int) -> Linear:
        rows = features.toarray()
        means = np.stack([rows[targets == k].mean(axis=0) if (targets == k).any() else 0 * rows[0] for k in range(4)])
        absent = np.array([-50.0 * (not (targets == k).any()) for k in range(4)])
        offsets = (self.shift + absent - 0.5 * (means**2).sum(axis=1)).astype(np.float32)
        return Linear(coefficients=means.astype(np.float32), intercept=offsets)


class Forgetful(Nearest):
    def fit(self, **given: Any) -> Linear:
        made = super().fit(**given)
        return Linear(coefficients=made.coefficients, intercept=made.intercept + np.float32(100) * np.eye(4)[3])


def right(target: Any, predicted: Any, probabilities: Any) -> float:
    return float((target == predicted).mean())


class Likelihood:
    def __init__(self, *, labels: Sequence[str], scale: float = 1.0) -> None:
        self.scale = scale

    def __call__(self, target: Any, predicted: Any, probabilities: Any) -> float:
        return float(np.log(probabilities[np.arange(len(target)), target]).mean() * self.scale)


def wrong(target: Any, predicted: Any, probabilities: Any) -> float:
    return float((target != predicted).mean())


def rising(target: Any, predicted: Any, probabilities: Any) -> float:
    return float(next(NEVER_TWICE))


def nothing(target: Any, predicted: Any, probabilities: Any) -> float:
    return float("nan")


def content(*given: Any) -> list[Assertion]:
    return [Assertion(metric="mood", decision=Decision.PASS, reason="all is well")]


class Content:
    def __init__(self, *, mood: str = "well") -> None:
        self.mood = mood

    def __call__(self, *given: Any) -> list[Assertion]:
        return [Assertion(metric="mood", decision=Decision.PASS, reason=self.mood)]


def yes(*given: Any) -> list[Any]:
    return [True]


def silent(*given: Any) -> list[Assertion]:
    return [Assertion(metric="mood", decision=Decision.PASS, reason="")]


def changes_its_mind(*given: Any) -> list[Assertion]:
    return [Assertion(metric="mood", decision=Decision.PASS, reason=f"{next(NEVER_TWICE)}")]


def spoils(evidence: Any, policy: Any) -> Iterator[Assertion]:
    evidence.target[:] = (evidence.target + 1) % 3
    yield from content()


Test = Callable[..., None]
RIGHT: list[tuple[Test, Any, dict[str, Any]]] = [
    (assert_labeler, ByWord, {}),
    (assert_labeler, ByWord, {"sure": 0.4}),
    (assert_feature, Gazetteer, {}),
    (assert_feature, Gazetteer, {"words": ["market", "parliament"]}),
    (assert_family, Nearest, {"shift": 1.0}),
    (assert_metric, right, {}),
    (assert_metric, Likelihood, {"scale": 2.0}),
    (assert_gate_check, content, {}),
    (assert_gate_check, Content, {"mood": "calm"}),
    (assert_drift_test, content, {}),
    (assert_drift_test, Content, {"mood": "calm"}),
]
BROKEN: list[tuple[Test, Any, dict[str, Any], str]] = [
    (assert_labeler, Gazetteer, {}, "it lacks name, label"),
    (assert_labeler, ByWord, {"topic": "Weather"}, "are no topics of the taxonomy"),
    (assert_labeler, ByWord, {"topics": "Sports"}, "ByWord takes no topics"),
    (assert_labeler, OtherName, {}, "the same options must give the same name"),
    (assert_labeler, Twice, {}, "one answer an article"),
    (assert_labeler, Unlikely, {}, "have no probability"),
    (assert_feature, right, {}, "it is a function; name a class"),
    (assert_feature, Gazetteer, {"words": ["Shares"]}, "no text of these has any feature"),
    (assert_feature, Gazetteer, {"words": ["bank", "bank"]}, "no bundle can hold"),
    (assert_feature, Gazetteer, {"words": []}, "no column"),
    (assert_feature, Smuggler, {}, "no subclass; it gave Cased"),
    (assert_feature, Service, {}, "A model holds data alone"),
    (assert_feature, Moody, {}, "the same texts must give the same step"),
    (assert_feature, Endless, {}, "idf holds NaN or infinity"),
    (assert_family, Gazetteer, {}, "is what Pressrun calls"),
    (assert_family, Forgetful, {}, "a class without examples must not win"),
    (assert_metric, wrong, {}, "larger must be better"),
    (assert_metric, rising, {}, "the same answers must give the same value"),
    (assert_metric, nothing, {}, "it gave nan"),
    (assert_gate_check, yes, {}, "give Comparison or Assertion"),
    (assert_gate_check, silent, {}, "needs a reason"),
    (assert_gate_check, changes_its_mind, {}, "the same evidence must give the same checks"),
    (assert_gate_check, spoils, {}, "leave it as it is"),
    (assert_gate_check, right, {}, "is what Pressrun calls"),
    (assert_drift_test, yes, {}, "give Comparison or Assertion"),
    (assert_drift_test, changes_its_mind, {}, "the same windows must give the same checks"),
]


@pytest.mark.parametrize(("test", "own", "options"), RIGHT)
def test_what_keeps_its_protocol_passes(test: Test, own: Any, options: dict[str, Any]) -> None:
    test(own, options=options)


def test_a_table_of_embeddings_of_ones_own_is_a_feature() -> None:
    assert_feature(OwnTable, texts=["goal for the side", "shares", ""])


@pytest.mark.parametrize(("test", "own", "options", "said"), BROKEN)
def test_a_broken_promise_is_told(test: Test, own: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        test(own, options=options)
