"""Articles to groups of near-duplicates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pressrun.sampling.functions import read_texts
from pressrun.sampling.pairs import Places, alike, candidates, components
from pressrun.sampling.shingles import buckets, rows_of_band

GROUPS = pa.schema([pa.field("article_id", pa.string(), False), pa.field("group_id", pa.string(), False)])


def near_duplicates(articles: pa.Table, threshold: float) -> pa.Table:
    """The near-duplicate group of each of the articles (article_id, title, body), which differ in article_id.

    In this process, by the same buckets and the same rule as Spark's query over them.
    """
    ordered = articles.sort_by("article_id")
    texts = read_texts(ordered["title"], ordered["body"])
    return _named(ordered["article_id"].combine_chunks(), similar_pairs(texts, threshold))


def similar_pairs(texts: Sequence[str], threshold: float) -> Places:
    """The pairs of places of near-duplicates, (2, p), of which those similar only through others are left out."""
    return alike(texts, candidates(buckets(texts, rows_of_band(threshold))), threshold)


def group(articles: pa.Array | pa.ChunkedArray, pairs: pa.Table) -> pa.Table:
    """Each article with its group by the pairs (one, other) of near-duplicates, in one process.

    Pairs are few beside articles, and their order does not change the outcome.
    """
    ids = articles.take(pc.sort_indices(articles)).cast(pa.string())
    ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    places = [pc.index_in(pairs[name], value_set=ids).to_numpy().astype(np.int64) for name in ("one", "other")]
    return _named(ids, np.stack(places))


def _named(ids: pa.Array, pairs: Places) -> pa.Table:
    """Groups are the connected components, each named by the first of its articles, which stand in order."""
    component = components(len(ids), pairs)
    firsts = np.unique(component, return_index=True)[1]
    return pa.table([ids, ids.take(pa.array(firsts[component]))], schema=GROUPS)
