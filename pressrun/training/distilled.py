"""`family: distilled`: a small student learns a teacher's probabilities, on unlabeled articles too.

Hinton et al., "Distilling the knowledge in a neural network" (2015), with people's labels in place of the teacher's
answer where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pressrun.bundle import Bundle
from pressrun.bundle.models import softmax
from pressrun.config.families import DistilledFamily
from pressrun.training.calibration import calibrate
from pressrun.training.corpus import Answers, Corpus
from pressrun.training.errors import TrainingError
from pressrun.training.families import AnyFamily, Family
from pressrun.training.reading import Fitted, Model, Places, ReadingFamily, Reference, TrainingSet, Workshop
from pressrun.training.teacher import Codes, Reals

_VALIDATION = 0.1
# A class that the teacher holds for less likely than this teaches nothing, and costs a row.
_LEAST = 0.02


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a teacher believes: `beliefs` (n, k) of every article, and how it can be asked again."""

    beliefs: Reals
    reference: Reference


class Teacher(Protocol):
    def teach(self, given: TrainingSet) -> Taught: ...


class Distilled:
    """`student` learns what the teacher says; the teacher is made once, without the rows that judge."""

    def __init__(
        self, spec: DistilledFamily, *, teacher: Teacher, student: Family, workshop: Workshop | None = None
    ) -> None:
        self._spec, self._teacher, self._student = spec, teacher, student
        self._workshop = workshop or Workshop()
        self._taught: tuple[Corpus, Taught] | None = None

    def fit_articles(self, given: TrainingSet) -> Fitted:
        """Fits on all rows that may be learned from. Raises TrainingError as its teacher does."""
        taught = self._teaching(given)
        beliefs = taught.beliefs.copy()
        told = given.weights >= 1.0
        beliefs[told] = np.eye(given.classes)[given.targets[told]]
        beliefs[~given.allowed] = 0.0
        places, targets, weights = soft_rows(beliefs)
        model = self._student.fit(
            features=given.corpus.features[places],
            targets=targets,
            weights=weights,
            classes=given.classes,
            seed=given.seed,
        )
        return Fitted(
            model=model,
            targets=beliefs.argmax(axis=1).astype(np.int64),
            weights=beliefs.max(axis=1),
            reference=taught.reference,
            in_place_of=self._spec.teacher if isinstance(self._spec.teacher, str) else None,
            max_loss=self._spec.max_loss,
            measured={"taught_articles": float(len(np.unique(places)))},
        )

    def _teaching(self, given: TrainingSet) -> Taught:
        if self._taught is None or self._taught[0] is not given.corpus:
            self._workshop.progress(f"train: {self._spec.name}, its teacher reads {len(given.corpus.texts):,} articles")
            self._taught = given.corpus, self._teacher.teach(given)
        return self._taught[1]


def soft_rows(beliefs: Reals) -> tuple[Places, Codes, Reals]:
    """Beliefs (n, k) as weighted examples: an article once a class that it may be of, with that class's probability.

    The log loss of these is that of the probabilities. A row of zeros is left out.
    """
    kept = np.where(beliefs >= _LEAST, beliefs, 0.0)
    kept = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-12)
    places, targets = np.nonzero(kept)
    return places, targets.astype(np.int64), kept[places, targets]


def teacher_of(spec: DistilledFamily, workshop: Workshop, before: Mapping[str, AnyFamily]) -> Teacher:
    """The teacher that `spec` names; a registered one is opened now. Raises TrainingError and RegistryError."""
    if isinstance(spec.teacher, str):
        if spec.teacher not in before:
            raise TrainingError(f"{spec.name}: its teacher {spec.teacher} is no family that is listed before it")
        return _Listed(spec.teacher, before[spec.teacher])
    name = f"{spec.teacher.model} version {spec.teacher.version}"
    return _FromRegistry(name, workshop.registered(spec.teacher))


class _Listed:
    """A family of the same training; it is fitted as it was to be judged, and sure by what it has not seen."""

    def __init__(self, name: str, family: AnyFamily) -> None:
        self._name, self._family = name, family

    def teach(self, given: TrainingSet) -> Taught:
        model, unseen = self._fitted(given)
        everything = np.arange(len(given.corpus.texts))
        decisions = given.corpus.decisions(model, everything)
        slope = calibrate(decisions[unseen], given.targets[unseen])
        return Taught(
            beliefs=softmax(decisions, slope),
            reference=Reference(name=f"its teacher {self._name}", answers=given.corpus.answers(model)),
        )

    def _fitted(self, given: TrainingSet) -> tuple[Model, Places]:
        if isinstance(self._family, ReadingFamily):
            fitted = self._family.fit_articles(given)
            return fitted.model, fitted.unseen if len(fitted.unseen) else given.split(_VALIDATION)[1]
        train, unseen = given.split(_VALIDATION)
        if len(np.unique(given.targets[train])) < 2:
            train = unseen = np.concatenate([train, unseen])
        model = self._family.fit(
            features=given.corpus.features[train],
            targets=given.targets[train],
            weights=given.weights[train],
            classes=given.classes,
            seed=given.seed,
        )
        return model, unseen


class _FromRegistry:
    """A registered version, whose labels must be the topics, in any order."""

    def __init__(self, name: str, bundle: Bundle) -> None:
        self._name, self._bundle = name, bundle

    def teach(self, given: TrainingSet) -> Taught:
        answers = self._answers(given.topics)
        reference = Reference(name=f"its teacher {self._name}", answers=answers)
        return Taught(beliefs=answers(given.corpus.texts), reference=reference)

    def _answers(self, topics: tuple[str, ...]) -> Answers:
        labels = self._bundle.labels
        if set(labels) != set(topics) or self._bundle.manifest.input != "article_text":
            raise TrainingError(
                f"{self._name} cannot be a teacher: it tells {', '.join(labels) or 'no labels'} apart, the "
                f"taxonomy has {', '.join(topics)}. Name a version of the same taxonomy."
            )
        order = [labels.index(topic) for topic in topics]
        return lambda texts: self._bundle.scores(texts)[:, order]
