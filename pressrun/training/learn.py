"""From texts and few or many labels to a model: the one training code, in the loop and in the benchmark.

People's labels count in full; machine labels and the teacher's confident beliefs fill in where people said nothing
(self-training, Yarowsky 1995). The family is chosen, and its probabilities calibrated, on held-out examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from pressrun.bundle.models import softmax
from pressrun.config.taxonomy import Taxonomy
from pressrun.stats import compare_classifiers
from pressrun.training.calibration import calibrate
from pressrun.training.corpus import Corpus
from pressrun.training.errors import TrainingError
from pressrun.training.families import AnyFamily, tuned
from pressrun.training.measured import Measured, against
from pressrun.training.reading import Fitted, Model, ReadingFamily, TrainingSet
from pressrun.training.teacher import UNKNOWN, Codes, Reals, teach, zero_shot

Flags = NDArray[np.bool_]
MIN_CONFIDENCE = 0.5
MIN_HELD_OUT = 30
# The central 68% of a normal distribution lie within one standard error.
ONE_ERROR = 0.32


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What is known of the corpus's articles, row by row.

    `people`: a topic's number or UNKNOWN. `machine`: probabilities (n, k), rows of nan where no machine answered.
    `held_out`: rows kept from the first fits, for choosing and calibrating. `order`: see `TrainingSet`; None: none is
    known, and chance decides.
    """

    people: Codes
    machine: Reals
    held_out: Flags
    order: Reals | None = None


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What a model is fitted on: each row's topic and weight, 0 for rows left out."""

    targets: Codes
    weights: Reals


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The model with how it came to be. `truth` and `held_out_scores` are the held-out rows' topics and probabilities.

    `curve` gives the family's macro-F1 on the held-out rows for numbers of training rows. `measured` and `notes` are
    what the families have to say, those that were not chosen too.
    """

    topics: tuple[str, ...]
    family: str
    model: Model
    slope: float
    examples: Examples
    family_scores: Mapping[str, float]
    chosen_on: str
    truth: Codes
    held_out_scores: Reals
    curve: tuple[tuple[int, float], ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def scores(self, read: Any) -> Reals:
        """Calibrated probabilities (n, k) in the order of `topics`, of what `Corpus.read` gives for the model."""
        return softmax(self.model.decisions(read), self.slope)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What stays the same for all fits of one training."""

    corpus: Corpus
    labels: Labels
    topics: tuple[str, ...]
    seed: int
    judged_on: Codes
    truth: Codes


@dataclass(frozen=True, kw_only=True)
class _Judged:
    name: str
    family: AnyFamily
    macro_f1: float
    decisions: Reals
    measured: Measured
    in_place_of: str | None
    max_loss: float

    def replaces(self, best: _Judged) -> bool:
        """Whether it is a student that loses little enough against its teacher."""
        return self.in_place_of == best.name and best.macro_f1 - self.macro_f1 <= self.max_loss


def learn(
    corpus: Corpus,
    labels: Labels,
    *,
    taxonomy: Taxonomy,
    families: Sequence[tuple[str, AnyFamily]],
    self_training: bool = True,
    seed: int = 17,
    curve_shares: Sequence[float] = (),
) -> Learned:
    """Chooses a family on the held-out rows and fits it on all of them. Raises TrainingError with too few topics."""
    prior = prior_beliefs(corpus, labels, taxonomy)
    train = np.where(labels.held_out, UNKNOWN, labels.people)
    first = make_examples(corpus, train, labels, prior, self_training=self_training, skip=labels.held_out)
    rows, truth, chosen_on = _judge_rows(labels, prior, first)
    classes = len(taxonomy.topics)
    task = _Task(corpus=corpus, labels=labels, topics=taxonomy.names, seed=seed, judged_on=rows, truth=truth)
    judged = [_judge(name, _tuned(made, corpus, first, seed), task, first) for name, made in families]
    best = _choose(judged, truth, classes=classes, seed=seed)
    slope = calibrate(best.decisions, truth)
    # A family that reads articles takes too long for a curve; it tells how its own loss fell.
    shares = () if isinstance(best.family, ReadingFamily) else curve_shares
    parts = [thin(first, share, seed) for share in shares]
    curve = [(part, _judge(best.name, best.family, task, part)) for part in parts]
    whole = make_examples(corpus, labels.people, labels, prior, self_training=self_training)
    fitted = fit(best.family, task, whole, allowed=np.ones(len(corpus.texts), dtype=bool))
    return Learned(
        topics=taxonomy.names,
        family=best.name,
        model=fitted.model,
        slope=slope,
        examples=Examples(targets=fitted.targets, weights=fitted.weights),
        family_scores={one.name: one.macro_f1 for one in judged},
        chosen_on=chosen_on,
        truth=truth,
        held_out_scores=softmax(best.decisions, slope),
        curve=tuple((_count(part), one.macro_f1) for part, one in [*curve, (first, best)]),
        measured={name: value for one in judged for name, value in one.measured.values.items()},
        notes=tuple(note for one in judged for note in one.measured.notes),
    )


def _choose(judged: Sequence[_Judged], truth: Codes, *, classes: int, seed: int) -> _Judged:
    """The first family listed, unless a later one is better by more than one standard error, or its student.

    The one-standard-error rule (Breiman et al. 1984) on the paired difference: few held-out rows choose at random else.
    """
    best = judged[0]
    for one in judged[1:]:
        if one.replaces(best):
            best = one
            continue
        mine, theirs = one.decisions.argmax(axis=1), best.decisions.argmax(axis=1)
        found = compare_classifiers(truth, mine, theirs, classes=classes, alpha=ONE_ERROR, resamples=500, seed=seed)
        if found.macro_f1.difference_low is not None and found.macro_f1.difference_low > 0:
            best = one
    return best


def thin(examples: Examples, share: float, seed: int) -> Examples:
    """The examples with only a share of them kept; the first of each topic always stays."""
    order = np.random.default_rng(seed).permutation(len(examples.weights))
    kept = np.zeros(len(order), dtype=bool)
    kept[order[: int(share * len(order))]] = True
    used = np.flatnonzero(examples.weights > 0)
    kept[used[np.unique(examples.targets[used], return_index=True)[1]]] = True
    return Examples(targets=examples.targets, weights=np.where(kept, examples.weights, 0.0))


def _tuned(family: AnyFamily, corpus: Corpus, examples: Examples, seed: int) -> AnyFamily:
    if isinstance(family, ReadingFamily):
        return family
    used = examples.weights > 0
    targets, weights = examples.targets[used], examples.weights[used]
    return tuned(family, features=corpus.features[used], targets=targets, weights=weights, seed=seed)


def _count(examples: Examples) -> int:
    return int((examples.weights > 0).sum())


def prior_beliefs(corpus: Corpus, labels: Labels, taxonomy: Taxonomy) -> Reals:
    """The machine labelers' probabilities where they answered, the topics' seeds elsewhere."""
    answered = np.asarray(~np.isnan(labels.machine).any(axis=1))
    return np.where(answered[:, None], labels.machine, zero_shot(corpus.embeddings, taxonomy))


def make_examples(
    corpus: Corpus, people: Codes, labels: Labels, prior: Reals, *, self_training: bool, skip: Flags | None = None
) -> Examples:
    """People's labels at weight 1; below it what machines and the teacher believe, the surer the heavier."""
    known = people != UNKNOWN
    targets, weights = np.where(known, people, 0), known.astype(np.float64)
    filled = ~known & (np.ones(len(people), bool) if self_training else ~np.isnan(labels.machine).any(axis=1))
    if filled.any():
        beliefs = teach(corpus.embeddings, prior, people) if self_training else prior
        sure = beliefs.max(axis=1)
        filled &= sure >= MIN_CONFIDENCE
        targets = np.where(filled, beliefs.argmax(axis=1), targets)
        weights = np.where(filled, sure, weights)
    if skip is not None:
        weights = np.where(skip, 0.0, weights)
    return Examples(targets=targets.astype(np.int64), weights=weights)


def fit(family: AnyFamily, task: _Task, examples: Examples, *, allowed: Flags) -> Fitted:
    """Fits on the rows with weight. Raises TrainingError unless two topics at least have some."""
    used = examples.weights > 0
    present = np.unique(examples.targets[used])
    if len(present) < 2:
        raise TrainingError(
            f"Only {len(present)} topic has labeled articles, a model needs 2. Label more articles, or turn on "
            "train.self_training so that the taxonomy's seeds find articles of the others."
        )
    targets, weights, seed = examples.targets, examples.weights, task.seed
    if isinstance(family, ReadingFamily):
        order = np.random.default_rng(seed).random(len(used)) if task.labels.order is None else task.labels.order
        given = TrainingSet(
            corpus=task.corpus,
            targets=targets,
            weights=weights,
            allowed=allowed,
            order=order,
            topics=task.topics,
            seed=seed,
        )
        return family.fit_articles(given)
    features = task.corpus.features[used]
    classes = len(task.topics)
    model = family.fit(features=features, targets=targets[used], weights=weights[used], classes=classes, seed=seed)
    return Fitted(model=model, targets=targets, weights=weights)


def _judge_rows(labels: Labels, prior: Reals, first: Examples) -> tuple[Codes, Codes, str]:
    """Rows to judge on and their truth: people's held-out labels where there are enough, else machines' beliefs."""
    rows = np.flatnonzero(labels.held_out & (labels.people != UNKNOWN))
    if len(rows) >= MIN_HELD_OUT:
        return rows, labels.people[rows], f"{len(rows)} held-out labels by people"
    rows = np.flatnonzero(labels.held_out)
    if len(rows) >= MIN_HELD_OUT:
        truth = np.where(labels.people[rows] != UNKNOWN, labels.people[rows], prior[rows].argmax(axis=1))
        return rows, truth.astype(np.int64), f"{len(rows)} held-out machine labels: too few by people to choose on"
    rows = np.flatnonzero(first.weights > 0)
    return rows, first.targets[rows], "the training examples themselves: too few are held out"


def _judge(name: str, family: AnyFamily, task: _Task, examples: Examples) -> _Judged:
    fitted = fit(family, task, examples, allowed=~task.labels.held_out)
    decisions = task.corpus.decisions(fitted.model, task.judged_on)
    macro_f1 = float(f1_score(task.truth, decisions.argmax(axis=1), average="macro", zero_division=0.0))
    texts = task.corpus.some(task.judged_on)
    measured = against(name, fitted, task.corpus.answers(fitted.model), texts, task.truth, decisions)
    return _Judged(
        name=name,
        family=family,
        macro_f1=macro_f1,
        decisions=decisions,
        measured=measured,
        in_place_of=fitted.in_place_of,
        max_loss=fitted.max_loss,
    )
