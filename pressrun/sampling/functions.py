"""The Arrow functions that both engines apply, batch by batch: what SQL cannot say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from pressrun.bundle import article_text
from pressrun.bundle.static_embeddings import Floats
from pressrun.sampling.shingles import buckets, jaccard, shingles
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


def bucket_articles() -> ArrowFunction:
    """(article_id, title, body) → (article_id, bucket), a row a band."""
    return ArrowFunction(apply=_bucket, schema=_BUCKETS, ddl="article_id string, bucket long")


def verify_pairs(threshold: float) -> ArrowFunction:
    """(one, other, and the title and body of both) → (one, other) whose Jaccard similarity is `threshold` or more."""
    apply = partial(_verify, threshold=threshold)
    return ArrowFunction(apply=apply, schema=_PAIRS, ddl="one string, other string")


def _predict(batches: Batches, *, vectors: Floats, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        topics = nearest(_texts(batch, "title", "body"), vectors, names)
        yield pa.record_batch([batch["article_id"], pa.array(topics, pa.string())], schema=_TOPICS)


def _bucket(batches: Batches) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        found = buckets(_texts(batch, "title", "body"))
        ids = batch["article_id"].take(
            pa.array([i for i in range(len(found)) for _ in range(found.shape[1])], pa.int64())
        )
        yield pa.record_batch([ids, pa.array(found.ravel())], schema=_BUCKETS)


def _verify(batches: Batches, *, threshold: float) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        pairs = zip(_texts(batch, "one_title", "one_body"), _texts(batch, "other_title", "other_body"), strict=True)
        alike = [jaccard(shingles(one), shingles(other)) >= threshold for one, other in pairs]
        kept = batch.select(["one", "other"]).filter(pa.array(alike, pa.bool_()))
        yield pa.record_batch([kept["one"], kept["other"]], schema=_PAIRS)


def _texts(batch: pa.RecordBatch, title: str, body: str) -> list[str]:
    return [article_text(t, b) for t, b in zip(batch[title].to_pylist(), batch[body].to_pylist(), strict=True)]
