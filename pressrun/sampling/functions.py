"""The Arrow functions that both engines apply, batch by batch: what SQL cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pressrun.bundle import article_text
from pressrun.bundle.static_embeddings import Floats
from pressrun.sampling.pairs import jaccard
from pressrun.sampling.shingles import buckets, rows_of_band
from pressrun.sampling.topics import nearest

Batches = Iterable[pa.RecordBatch]


@dataclass(frozen=True, kw_only=True)
class ArrowFunction:
    """`apply` maps record batches to record batches of `schema`; `ddl` is that schema as Spark writes it."""

    apply: Callable[[Batches], Iterator[pa.RecordBatch]]
    schema: pa.Schema
    ddl: str


_TOPICS = pa.schema({"article_id": pa.string(), "predicted_topic": pa.string()})
_BUCKETS = pa.schema({"article_id": pa.string(), "bucket": pa.int64()})
_PAIRS = pa.schema({"one": pa.string(), "other": pa.string()})


def predict_topics(vectors: Floats, names: tuple[str, ...]) -> ArrowFunction:
    """(article_id, title, body) → (article_id, predicted_topic)."""
    apply = partial(_predict, vectors=vectors, names=names)
    return ArrowFunction(apply=apply, schema=_TOPICS, ddl="article_id string, predicted_topic string")


def bucket_articles(threshold: float) -> ArrowFunction:
    """(article_id, title, body) → (article_id, bucket), a row a band."""
    return ArrowFunction(
        apply=partial(_bucket, rows=rows_of_band(threshold)), schema=_BUCKETS, ddl="article_id string, bucket long"
    )


def verify_pairs(threshold: float) -> ArrowFunction:
    """(one, other, and the title and body of both) → (one, other) whose Jaccard similarity is `threshold` or more."""
    apply = partial(_verify, threshold=threshold)
    return ArrowFunction(apply=apply, schema=_PAIRS, ddl="one string, other string")


def read_texts(titles: pa.Array | pa.ChunkedArray, bodies: pa.Array | pa.ChunkedArray) -> list[str]:
    """Title and body of each article, of which near-duplicates are told by the words."""
    joined = pc.binary_join_element_wise(pc.fill_null(titles, ""), pc.fill_null(bodies, ""), "\n")
    texts: list[str] = joined.to_pylist()
    return texts


def _predict(batches: Batches, *, vectors: Floats, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        topics = nearest(_texts(batch, "title", "body"), vectors, names)
        yield pa.record_batch([batch["article_id"], pa.array(topics, pa.string())], schema=_TOPICS)


def _bucket(batches: Batches, *, rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = buckets(read_texts(batch["title"], batch["body"]), rows)
        ids = batch["article_id"].take(pa.array(np.repeat(np.arange(len(found)), found.shape[1])))
        yield pa.record_batch([ids, pa.array(found.ravel())], schema=_BUCKETS)


def _verify(batches: Batches, *, threshold: float) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        ids = pa.chunked_array([batch["one"], batch["other"]]).combine_chunks().dictionary_encode()
        places = ids.indices.to_numpy()
        # Most articles are in several pairs, and each is cut into shingles once.
        firsts = pa.array(np.unique(places, return_index=True)[1])
        titles, bodies = (
            pa.chunked_array([batch[f"one_{name}"], batch[f"other_{name}"]]).take(firsts) for name in ("title", "body")
        )
        one, other = places.reshape(2, -1)
        alike = jaccard(read_texts(titles, bodies), one, other) >= threshold
        yield pa.record_batch([batch["one"], batch["other"]], schema=_PAIRS).filter(pa.array(alike))


def _texts(batch: pa.RecordBatch, title: str, body: str) -> list[str]:
    return [article_text(t, b) for t, b in zip(batch[title].to_pylist(), batch[body].to_pylist(), strict=True)]
