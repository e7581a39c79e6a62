"""The stage: which articles of the night are worth a label."""

from __future__ import annotations

import hashlib
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pressrun.config.load import load_taxonomy
from pressrun.config.taxonomy import Taxonomy
from pressrun.lake.tables import SCHEMAS
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.sampling import queries
from pressrun.sampling.engine import Engine, engine_name, open_engine
from pressrun.sampling.functions import bucket_articles, predict_topics, verify_pairs
from pressrun.sampling.groups import group
from pressrun.sampling.quotas import quotas
from pressrun.sampling.topics import topic_vectors
from pressrun.step import Step, run_once

STAGE = "sample"
_COLUMNS = ("article_id", "source", "section", "title", "body")

Reason = Literal["new", "backlog"]


def sample(step: Step, ingested: StageResult) -> StageResult:
    """Draws `sample.rows` articles of the batch; with an empty batch, of the articles that no night has drawn yet.

    Datasets: `samples` (exact quotas by stratum, one article a near-duplicate group, inclusion probabilities) and
    `groups` (the near-duplicate group of every article of the snapshot). With nothing left to draw both are empty and
    facts["nothing_new"] is true. The same inputs give the same rows on both engines.
    """
    articles, batch = ingested.datasets["articles"], ingested.datasets["batch"]
    drawn = None if batch.rows else step.lake.snapshot("samples", pipeline=step.pipeline.model)
    taxonomy = load_taxonomy(step.pipeline)
    return run_once(
        step,
        stage=STAGE,
        inputs={"articles": articles, "batch": batch, "drawn": drawn, "taxonomy": _digest(taxonomy)},
        section=step.pipeline.sample,
        work=lambda: _sample(step, ingested, drawn, taxonomy),
    )


def _sample(step: Step, ingested: StageResult, drawn: DatasetRef | None, taxonomy: Taxonomy) -> StageResult:
    if drawn is None:
        return _drawn(step, ingested, ingested.datasets["batch"], "new", taxonomy)
    left = _backlog(step, ingested.datasets["articles"], drawn)
    return _drawn(step, ingested, left, "backlog", taxonomy) if left.num_rows else _nothing(step)


def _backlog(step: Step, articles: DatasetRef, drawn: DatasetRef) -> pa.Table:
    """The articles that were never drawn, nor any near-duplicate of theirs."""
    rows = step.lake.read(articles, columns=list(_COLUMNS))
    groups = step.lake.read(step.lake.snapshot("groups", pipeline=step.pipeline.model))
    before = step.lake.read(drawn, columns=["article_id", "group_id"])
    told = groups.filter(_among(groups["group_id"], before["group_id"]))
    left = rows.filter(pc.invert(_among(rows["article_id"], told["article_id"])))
    return left.filter(pc.invert(_among(left["article_id"], before["article_id"])))


def _among(values: pa.ChunkedArray, wanted: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=wanted.combine_chunks())


def _drawn(
    step: Step, ingested: StageResult, pool: DatasetRef | pa.Table, reason: Reason, taxonomy: Taxonomy
) -> StageResult:
    with open_engine(step) as engine:
        step.progress("grouping near-duplicates", 0, 2)
        grouped = _group(engine, step, ingested.datasets["articles"])
        step.progress("drawing the sample", 1, 2)
        _put_pool(engine, pool)
        strata = _stratify(engine, step, taxonomy)
        sql = queries.samples(step_key=str(step.key), reason=reason)
        samples = engine.commit("samples", sql, step=step)
        facts = _facts(engine, step, strata)
    groups = step.lake.commit("groups", grouped, key=step.key, pipeline=step.pipeline.model)
    return _result(step, samples=samples, groups=groups, facts=facts)


def _group(engine: Engine, step: Step, articles: DatasetRef) -> pa.Table:
    """Every article with its near-duplicate group, also as the engine's view `article_groups`."""
    engine.load("all_articles", articles, _COLUMNS)
    engine.define("articles", queries.distinct("all_articles"))
    engine.apply("buckets", bucket_articles(), "SELECT article_id, title, body FROM articles")
    engine.apply("pairs", verify_pairs(step.pipeline.sample.near_duplicate_jaccard), queries.CANDIDATES)
    pairs = engine.fetch("SELECT one, other FROM pairs")
    ids = engine.fetch("SELECT article_id FROM articles ORDER BY article_id")["article_id"].to_pylist()
    grouped = group(ids, zip(pairs["one"].to_pylist(), pairs["other"].to_pylist(), strict=True))
    engine.put("article_groups", grouped)
    return grouped


def _put_pool(engine: Engine, pool: DatasetRef | pa.Table) -> None:
    if isinstance(pool, DatasetRef):
        engine.load("pooled", pool, _COLUMNS)
    else:
        engine.put("pooled", pool)
    engine.define("pool", queries.distinct("pooled"))


def _stratify(engine: Engine, step: Step, taxonomy: Taxonomy) -> int:
    """Views `representatives` and `quotas`; returns how many strata there are."""
    function = predict_topics(topic_vectors(taxonomy), taxonomy.names)
    engine.apply("topics", function, "SELECT article_id, title, body FROM pool")
    spec = step.pipeline.sample
    engine.define("representatives", queries.representatives(spec.strata, salt=step.pipeline.model))
    found = engine.fetch(queries.SIZES)
    sizes = dict(zip(found["stratum"].to_pylist(), found["size"].to_pylist(), strict=True))
    allotted = quotas(sizes, spec.rows)
    rows = {"stratum": pa.array(list(allotted), pa.string()), "quota": pa.array(list(allotted.values()), pa.int64())}
    engine.put("quotas", pa.table(rows))
    return len(sizes)


def _facts(engine: Engine, step: Step, strata: int) -> dict[str, object]:
    pool = engine.fetch("SELECT COUNT(*) AS n FROM pool")["n"][0].as_py()
    kept = engine.fetch("SELECT COUNT(*) AS n FROM representatives")["n"][0].as_py()
    return {"engine": engine_name(step), "pool": pool, "folded": pool - kept, "strata": strata, "nothing_new": False}


def _nothing(step: Step) -> StageResult:
    model = step.pipeline.model
    samples, groups = (
        step.lake.commit(table, SCHEMAS[table].empty_table(), key=step.key, pipeline=model)
        for table in ("samples", "groups")
    )
    return _result(step, samples=samples, groups=groups, facts={"nothing_new": True})


def _result(step: Step, *, samples: DatasetRef, groups: DatasetRef, facts: dict[str, object]) -> StageResult:
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        datasets={"samples": samples, "groups": groups},
        facts={"rows": samples.rows} | facts,
    )


def _digest(taxonomy: Taxonomy) -> str:
    return hashlib.sha256(taxonomy.model_dump_json().encode()).hexdigest()
