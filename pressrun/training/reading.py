"""Families that read the articles themselves: what they are given, what they give back, where they work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pressrun.bundle import Bundle
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.transformer import Transformer
from pressrun.config.families import Registered
from pressrun.progress import Progress, silent
from pressrun.training.corpus import Answers, Corpus
from pressrun.training.errors import TrainingError
from pressrun.training.teacher import Codes, Reals

Model: TypeAlias = Linear | Lightgbm | Transformer
Places: TypeAlias = NDArray[np.intp]
Curve: TypeAlias = Callable[[str, str, float, int], None]
"""Hears a family's name, a metric's, its value and the step, while the family trains."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """What to learn from, row by row of the corpus.

    `targets` (n,) number the `topics`; `weights` (n,) are 0 where a row has no target. `allowed` (n,): the rows that
    may be learned from at all, those without a target too. `order` (n,): the highest are the first to be held out, and
    near-duplicates have the same number, so that they stay together.
    """

    corpus: Corpus
    targets: Codes
    weights: Reals
    allowed: NDArray[np.bool_]
    order: Reals
    topics: tuple[str, ...]
    seed: int

    @property
    def classes(self) -> int:
        return len(self.topics)

    def split(self, share: float) -> tuple[Places, Places]:
        """The rows with a target, without and with the `share` of them that is held out first; groups stay whole."""
        used = np.flatnonzero(self.weights > 0)
        by_order = used[np.argsort(self.order[used], kind="stable")]
        wanted = max(1, round(share * len(used)))
        last = self.order[by_order[-wanted]]
        late = self.order[used] >= last
        return used[~late], used[late]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a model stands in for, as a teacher or itself before it was made small; `name` as people say it."""

    name: str
    answers: Answers


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model with the `targets` and `weights` (n,) that it was fitted on. `unseen`: rows it kept from its fit.

    It is kept in place of the family named `in_place_of` where it loses no more than `max_loss` of macro-F1 against it.

    `measured` are metrics and `notes` sentences that belong on its report.
    """

    model: Model
    targets: Codes
    weights: Reals
    unseen: Places = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    reference: Reference | None = None
    in_place_of: str | None = None
    max_loss: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@runtime_checkable
class ReadingFamily(Protocol):
    """A family that reads articles, not features."""

    def fit_articles(self, given: TrainingSet) -> Fitted:
        """The same for the same `given`. Raises TrainingError where it makes no model."""
        ...


def _no_curve(family: str, metric: str, value: float, step: int) -> None:
    """A `Curve` that nobody hears."""


def _no_registry(teacher: Registered) -> Bundle:
    raise TrainingError(f"{teacher.model} version {teacher.version} cannot be a teacher here: there is no registry")


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where families work. `checkpoints`, one training's own, outlives a killed try; without one nothing is kept.

    `registered` opens a version of the registry.
    """

    checkpoints: Path | None = None
    progress: Progress = silent
    curve: Curve = _no_curve
    registered: Callable[[Registered], Bundle] = _no_registry
