"""Pairs of near-duplicates to groups of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

GROUPS = pa.schema([pa.field("article_id", pa.string(), False), pa.field("group_id", pa.string(), False)])


def group(articles: Sequence[str], pairs: Iterable[tuple[str, str]]) -> pa.Table:
    """Each article with its group: the connected component of the pairs, named by its smallest article_id.

    Union-find in one process: pairs are few beside articles, and an order of pairs does not change the outcome.
    """
    parents = {article: article for article in articles}
    for one, other in pairs:
        low, high = sorted((_root(parents, one), _root(parents, other)))
        parents[high] = low
    roots = [_root(parents, article) for article in articles]
    return pa.table([pa.array(articles, pa.string()), pa.array(roots, pa.string())], schema=GROUPS)


def _root(parents: dict[str, str], article: str) -> str:
    while (parent := parents[article]) != article:
        parents[article] = parents[parent]
        article = parent
    return article
