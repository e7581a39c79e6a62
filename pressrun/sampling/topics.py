"""Which topic an article is probably about: the nearest by static embeddings, without any label.

Good enough to spread a sample over topics; labelers decide what the topic is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pressrun.bundle.static_embeddings import Floats, embed, unit_rows
from pressrun.config.taxonomy import Taxonomy, Topic


def topic_vectors(taxonomy: Taxonomy) -> Floats:
    """One unit row a topic, (k, d): the mean of its name, description and seeds."""
    rows = [embed(_sayings(topic)).mean(axis=0) for topic in taxonomy.topics]
    return unit_rows(np.vstack(rows))


def nearest(texts: Sequence[str], vectors: Floats, names: Sequence[str]) -> list[str]:
    """The name of the topic nearest to each text by cosine."""
    closest = np.argmax(embed(texts) @ vectors.T, axis=1)
    return [names[index] for index in closest]


def _sayings(topic: Topic) -> list[str]:
    return [saying for saying in (topic.name, topic.description, *topic.seeds) if saying]
