"""The teacher: what each article is about before, and while, people say little.

Zero-shot: the cosine between an article and each topic's seeds (Chang et al. 2008, dataless classification). Then
expectation-maximisation of one Gaussian a topic with a shared, shrunk covariance, people's labels held fixed (Nigam
et al. 2000 in the space of the embeddings): the articles themselves show where topics part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pressrun.bundle.models import softmax
from pressrun.bundle.static_embeddings import embed, unit_rows
from pressrun.config.taxonomy import Taxonomy, Topic

Reals = NDArray[np.float64]
Codes = NDArray[np.int64]
UNKNOWN = -1
_SHARPNESS = 20.0
_SHRINKAGE = 0.3
_ROUNDS = 5


def zero_shot(embeddings: Reals, taxonomy: Taxonomy) -> Reals:
    """Probabilities (n, k) from names, descriptions and seeds alone; `embeddings` are centered unit rows."""
    topics = np.stack([embed(_phrases(topic)).mean(axis=0) for topic in taxonomy.topics])
    topics = unit_rows(unit_rows(topics) - unit_rows(topics).mean(axis=0))
    return softmax(embeddings @ topics.T, _SHARPNESS)


def _phrases(topic: Topic) -> list[str]:
    return [topic.name, *([topic.description] if topic.description else []), *topic.seeds]


def teach(embeddings: Reals, prior: Reals, people: Codes) -> Reals:
    """Probabilities (n, k) of every article's topic; `people` holds a topic's number or UNKNOWN an article."""
    known = people != UNKNOWN
    beliefs = prior.copy()
    weights = np.where(known, people_weight(int(known.sum()), len(people)), 1.0)
    for _ in range(_ROUNDS):
        beliefs[known] = np.eye(prior.shape[1])[people[known]]
        beliefs = _round(embeddings, beliefs, weights)
    return beliefs


def people_weight(people: int, articles: int) -> float:
    """How many machine-read articles one that a person read counts for: their votes never drown, nor rule alone."""
    return float(np.clip(0.5 * (articles - people) / max(people, 1), 1.0, 3.0))


def _round(embeddings: Reals, beliefs: Reals, weights: Reals) -> Reals:
    """One round of expectation-maximisation: the topics' Gaussians from the beliefs, new beliefs from them."""
    shares = beliefs * weights[:, None]
    mass = shares.sum(axis=0) + 1e-6
    means = (shares.T @ embeddings) / mass[:, None]
    scatter = (embeddings * weights[:, None]).T @ embeddings - (means.T * mass) @ means
    axes = np.linalg.solve(_shrunk(scatter / weights.sum()), means.T)
    offsets = np.log(mass / mass.sum()) - 0.5 * np.einsum("kd,dk->k", means, axes)
    return softmax(embeddings @ axes + offsets)


def _shrunk(covariance: Reals) -> Reals:
    size = len(covariance)
    level = np.trace(covariance) / size
    return np.asarray((1 - _SHRINKAGE) * covariance + (_SHRINKAGE * level + 1e-9) * np.eye(size))
