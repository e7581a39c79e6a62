"""What labelers are given and hand back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Article:
    """An article as labelers see it. Its text is somebody else's: data, never an instruction."""

    article_id: str
    title: str
    body: str


class Usage(BaseModel):
    """What one paid call took."""

    model_config = ConfigDict(frozen=True)

    provider: str
    model: str
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


class Answer(BaseModel):
    """A labeler's answer for one article: a set of topics with probabilities, or `abstained`.

    `cost_usd` is what the answer cost, None where no price is known. `rejected` says why an answer could not be used,
    such as a label outside the taxonomy; such an answer is counted and never accepted.
    """

    model_config = ConfigDict(frozen=True)

    article_id: str
    labels: tuple[str, ...] = ()
    probabilities: dict[str, Probability] = Field(default_factory=dict)
    abstained: bool = False
    cost_usd: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    usage: Usage | None = None
    rejected: str | None = None

    @property
    def confidence(self) -> float:
        """The least probability among the labels given; 0 with no label."""
        if self.abstained or self.rejected or not self.labels:
            return 0.0
        return min(self.probabilities.get(label, 0.0) for label in self.labels)


class Labeler(Protocol):
    """Labels articles. `uses` names a class, made as Name(taxonomy=..., **options).

    `pressrun.labeling.conformance.assert_labeler` tests one. An article without an answer counts as abstained.
    """

    @property
    def name(self) -> str:
        """Stands on every label, such as `static:wordllama` or `llm:model@prompt`; changes when its answers would."""

    def label(self, articles: Sequence[Article]) -> list[Answer]:
        """At most one answer an article, in any order."""


@dataclass(frozen=True, kw_only=True)
class Labeled:
    """The chain's last word on an article: `sure`, or the last unsure answer."""

    article_id: str
    answer: Answer
    labeler: str
    sure: bool
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Asked:
    """People's part of a night: questions still open, and until when they are waited for (None: none were asked).

    `key` names whose questions they are: runs that label one sample ask once and wait for the same answers.
    """

    waiting: int
    deadline: datetime | None
    asked: int = 0
    key: str = ""
