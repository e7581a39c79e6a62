"""Near-duplicates beside datasketch, in one run: the same texts and shingles in, groups out; and what each finds.

Pairs that are true are known in two ways: all pairs of a part of the articles, by their exact Jaccard similarity; and
pairs planted at a known similarity, for texts of few and many words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from random import Random
from statistics import median

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray
from scipy import sparse

from pressrun.sampling.groups import similar_pairs
from pressrun.sampling.pairs import components
from pressrun.sampling.words import words_of
from pressrun.simulator import Newsroom, articles_of

THRESHOLD, PERMUTATIONS, REPEATS = 0.8, 128, 5
_WORD = re.compile(r"\w+")

Groups = NDArray[np.int64]
Pairs = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Seconds of each repeat on `rows` texts, and the share of the true pairs that ended in one group."""

    name: str
    rows: int
    seconds: tuple[float, ...]
    recall: float
    pairs: int

    @property
    def median(self) -> float:
        return median(self.seconds)


def datasketch_version() -> str:
    return version("datasketch")


def short_articles(rows: int) -> list[str]:
    """Simulated articles, of 44 words on average."""
    articles = articles_of(Newsroom(seed=3, articles_per_night=rows), 1)
    return [f"{article.title}\n{article.body}" for article in articles]


def long_articles(rows: int) -> list[str]:
    """Texts of 350 words as typesetters leave them: each is eight articles, every tenth a rewrite of one before."""
    random, parts = Random(4), short_articles(8 * rows)
    texts: list[str] = []
    for number in range(rows):
        text = " ".join(f"\u201c{part}\u201d \u2014" for part in parts[8 * number : 8 * number + 8])
        if texts and random.random() < 0.1:
            words = random.choice(texts[-200:]).split(" ")
            for place in random.sample(range(len(words)), random.randint(1, 20)):
                words[place] = "caf\u00e9"
            text = " ".join(words)
        texts.append(text)
    return texts


def ours(texts: Sequence[str]) -> Groups:
    """Pressrun, in this process and one thread."""
    return np.asarray(components(len(texts), similar_pairs(texts, THRESHOLD)), dtype=np.int64)


def datasketch(texts: Sequence[str], **lsh: object) -> Groups:
    """datasketch as documented, the faster of its ways at each step: bulk hashing and an insertion session."""
    sets = [word_pairs(text) for text in texts]
    sketches = MinHash.bulk(sets, num_perm=PERMUTATIONS)
    index = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, **lsh)
    with index.insertion_session() as session:
        for number, sketch in enumerate(sketches):
            session.insert(number, sketch)
    found = [
        (one, other)
        for one, sketch in enumerate(sketches)
        for other in index.query(sketch)
        if other > one and similar(sets[one], sets[other])
    ]
    return np.asarray(components(len(texts), np.array(found, dtype=np.int64).reshape(-1, 2).T), dtype=np.int64)


def word_pairs(text: str) -> set[bytes]:
    words = [word.encode("utf-8", "replace") for word in _WORD.findall(text.casefold())]
    return {one + b" " + other for one, other in pairwise(words)} or {b" ".join(words)}


def similar(one: set[bytes], other: set[bytes]) -> bool:
    shared = len(one & other)
    return shared >= THRESHOLD * (len(one) + len(other) - shared)


# The second asks datasketch to miss no more than Pressrun does; by default it weighs false positives as much.
JUDGES: dict[str, Callable[[Sequence[str]], Groups]] = {
    "pressrun": ours,
    "datasketch": datasketch,
    "datasketch, weights=(0.1, 0.9)": lambda texts: datasketch(texts, weights=(0.1, 0.9)),
}


def compare(texts: Sequence[str], truth: Pairs, repeats: int = REPEATS) -> list[Compared]:
    """Each judge in turn, so many times over, so that what else the machine does falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in JUDGES}
    recalls: dict[str, float] = {}
    for _ in range(repeats):
        for name, judge in JUDGES.items():
            start = time.perf_counter()
            groups = judge(texts)
            seconds[name].append(time.perf_counter() - start)
            recalls[name] = recall(groups, truth)
    return [
        Compared(name=name, rows=len(texts), seconds=tuple(took), recall=recalls[name], pairs=len(truth))
        for name, took in seconds.items()
    ]


def recall(groups: Groups, truth: Pairs) -> float:
    """The share of the true pairs in one group."""
    return float((groups[truth[:, 0]] == groups[truth[:, 1]]).mean()) if len(truth) else 1.0


def true_pairs(texts: Sequence[str], rows: int = 1000) -> Pairs:
    """Every pair of Jaccard similarity THRESHOLD or more, (p, 2), by comparing all with all; shingles spelt out."""
    numbers: dict[bytes, int] = {}
    sets = [[numbers.setdefault(pair, len(numbers)) for pair in word_pairs(text)] for text in texts]
    ends = np.cumsum([0, *map(len, sets)])
    columns = np.concatenate([np.array(row, dtype=np.int64) for row in sets])
    matrix = sparse.csr_matrix((np.ones(len(columns), np.int32), columns, ends), shape=(len(texts), len(numbers)))
    sizes, found = np.diff(ends), []
    for start in range(0, len(texts), rows):
        shared = (matrix[start : start + rows] @ matrix.T).tocoo()
        one, other = shared.row + start, shared.col
        union = sizes[one] + sizes[other] - shared.data
        found.append(np.stack([one, other])[:, (other > one) & (shared.data >= THRESHOLD * union)])
    return np.asarray(np.concatenate(found, axis=1).T, dtype=np.int64)


def planted(pairs: int, words: int, similarity: float, seed: int) -> tuple[list[str], Pairs]:
    """Texts of which the second of each two has the first's beginning: so much of it that they are just so similar."""
    random = Random(f"{seed}/{words}/{similarity}")
    texts = []
    for _ in range(pairs):
        text = [f"w{random.getrandbits(40)}" for _ in range(words)]
        texts += [" ".join(text), " ".join(text[: 1 + round(similarity * (words - 1))])]
    return texts, np.arange(2 * pairs).reshape(-1, 2)


def recall_of_planted(pairs: int, seed: int) -> dict[int, float]:
    """For texts of so many words: the share found of pairs of similarity exactly THRESHOLD, the hardest there are."""
    found = {}
    for words in (6, 11, 21, 41, 101, 401):
        texts, truth = planted(pairs, words, THRESHOLD, seed)
        assert len(words_of(texts[:1]).hashes) == words
        found[words] = recall(ours(texts), truth)
    return found
