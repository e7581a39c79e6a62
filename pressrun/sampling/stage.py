"""The stage: which articles of the night are worth a label."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from pressrun.config.load import load_taxonomy
from pressrun.config.taxonomy import Taxonomy
from pressrun.lake.retraction import Withdrawn, withdrawn
from pressrun.lake.tables import SCHEMAS
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.sampling import queries
from pressrun.sampling.earlier import STAGE, Earlier, drawn_by, earlier_of
from pressrun.sampling.engine import Engine, engine_name, open_engine
from pressrun.sampling.functions import predict_topics
from pressrun.sampling.queries import Reason
from pressrun.sampling.quotas import quotas
from pressrun.sampling.topics import topic_vectors
from pressrun.step import Step, run_once, settled

_COLUMNS = ("article_id", "source", "section", "title", "body")


def sample(step: Step, ingested: StageResult) -> StageResult:
    """Draws `sample.rows` articles of the batch that no run has drawn yet.

    Where there are none: hands on the newest sample that was never labeled, because its run died, still labels it, or
    its labels were refused; else draws on all articles that no run has drawn. A fresh step without a batch hands on the
    newest sample, to be labeled again. Of two runs at once no article is drawn by both.

    Datasets: `samples` (exact quotas by stratum, one article a near-duplicate group, inclusion probabilities) and
    `groups` (the near-duplicate group of every article of the snapshot). With nothing left to draw `samples` is empty,
    `groups` are those of before, and facts["nothing_new"] is true. The same inputs give the same rows on both engines.
    """
    return settled(lambda: _attempt(step, ingested))


def _attempt(step: Step, ingested: StageResult) -> StageResult:
    batch, taxonomy = ingested.datasets["batch"], load_taxonomy(step.pipeline)
    drawn = step.lake.snapshot("samples", pipeline=step.pipeline.model, without=step.key)
    earlier, gone = earlier_of(step), withdrawn(step.lake, step.pipeline.model)
    return run_once(
        step,
        stage=STAGE,
        inputs={
            "articles": ingested.datasets["articles"],
            "batch": batch,
            # A batch that was drawn from by the same rules is that very sample, whatever was drawn since.
            "drawn": None if batch.rows else drawn,
            "waiting": None if batch.rows else drawn_by(earlier.waiting),
            "taxonomy": _digest(taxonomy),
            "withdrawn": gone.digest,
        },
        section=step.pipeline.sample,
        work=lambda: _sample(step, ingested, drawn, earlier, taxonomy, gone),
        upon=(drawn,),
    )


def _sample(
    step: Step,
    ingested: StageResult,
    drawn: DatasetRef,
    earlier: Earlier,
    taxonomy: Taxonomy,
    gone: Withdrawn,
) -> StageResult:
    batch = ingested.datasets["batch"]
    if step.fresh and not batch.rows and earlier.newest:
        return _handed_on(step, ingested, earlier, earlier.newest)
    left = _undrawn(step, batch, drawn, gone)
    if _count(left):
        return _drawn(step, ingested, left, "new", taxonomy)
    if earlier.waiting and _holds(step, earlier.waiting, gone):
        return _handed_on(step, ingested, earlier, earlier.waiting)
    backlog = _backlog(step, ingested.datasets["articles"], drawn, gone)
    if backlog.num_rows:
        return _drawn(step, ingested, backlog, "backlog", taxonomy)
    return _nothing(step, ingested, earlier)


def _undrawn(step: Step, batch: DatasetRef, drawn: DatasetRef, gone: Withdrawn) -> DatasetRef | pa.Table:
    """What is left of the batch: all of it, as it is, unless another run has drawn from it or some is withdrawn."""
    ids = step.lake.read(batch, columns=["article_id"])["article_id"]
    before = step.lake.read(drawn, columns=["article_id"])["article_id"]
    if not gone and not pc.any(_among(ids, before)).as_py():
        return batch
    return _backlog(step, batch, drawn, gone)


def _holds(step: Step, sampled: StageResult, gone: Withdrawn) -> bool:
    """Whether the sample has an article that is not withdrawn."""
    left = gone.without_articles(step.lake.read(sampled.datasets["samples"], columns=["article_id"]))
    return bool(left.num_rows)


def _count(pool: DatasetRef | pa.Table) -> int:
    return pool.rows if isinstance(pool, DatasetRef) else pool.num_rows


def _backlog(step: Step, articles: DatasetRef, drawn: DatasetRef, gone: Withdrawn) -> pa.Table:
    """The articles that were never drawn, nor any near-duplicate of theirs, and are not withdrawn."""
    rows = gone.without_articles(step.lake.read(articles, columns=list(_COLUMNS)))
    groups = step.lake.read(step.lake.snapshot("groups", pipeline=step.pipeline.model, without=step.key))
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
    return _result(step, ingested, samples=samples, groups=_kept(step, grouped), facts=facts)


def _handed_on(step: Step, ingested: StageResult, earlier: Earlier, source: StageResult) -> StageResult:
    """The sample of an earlier run, which drew it."""
    step.progress(f"the sample of {source.step_key} is to be labeled")
    _none_of_its_own(step, "samples")
    samples, facts = source.datasets["samples"], source.facts | {"drawn_by": drawn_by(source)}
    return _result(step, ingested, samples=samples, groups=_groups(step, ingested, earlier), facts=facts)


def _nothing(step: Step, ingested: StageResult, earlier: Earlier) -> StageResult:
    samples, groups = _none_of_its_own(step, "samples"), _groups(step, ingested, earlier)
    return _result(step, ingested, samples=samples, groups=groups, facts={"nothing_new": True})


def _none_of_its_own(step: Step, table: str) -> DatasetRef:
    """What an earlier try has drawn or grouped gives way, where the step needs none after all."""
    return step.lake.commit(table, SCHEMAS[table].empty_table(), key=step.key, pipeline=step.pipeline.model)


def _groups(step: Step, ingested: StageResult, earlier: Earlier) -> DatasetRef:
    """The groups of these very articles, as an earlier step found them; else found now."""
    known = earlier.groups(_grouped(step, ingested))
    if known is not None:
        _none_of_its_own(step, "groups")
        return known
    with open_engine(step) as engine:
        step.progress("grouping near-duplicates")
        grouped = _group(engine, step, ingested.datasets["articles"])
    return _kept(step, grouped)


def _kept(step: Step, grouped: pa.Table) -> DatasetRef:
    return step.lake.commit("groups", grouped, key=step.key, pipeline=step.pipeline.model)


def _grouped(step: Step, ingested: StageResult) -> str:
    """What groups hang on."""
    articles = ingested.datasets["articles"].digest
    return hashlib.sha256(f"{articles} {step.pipeline.sample.near_duplicate_jaccard}".encode()).hexdigest()


def _group(engine: Engine, step: Step, articles: DatasetRef) -> pa.Table:
    """Every article with its near-duplicate group, also as the engine's view `article_groups`."""
    engine.load("all_articles", articles, _COLUMNS)
    engine.define("articles", queries.distinct("all_articles"))
    grouped = engine.near_duplicates("articles", step.pipeline.sample.near_duplicate_jaccard)
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


def _result(
    step: Step, ingested: StageResult, *, samples: DatasetRef, groups: DatasetRef, facts: dict[str, object]
) -> StageResult:
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        datasets={"samples": samples, "groups": groups},
        facts={"rows": samples.rows} | facts | {"grouped": _grouped(step, ingested)},
    )


def _digest(taxonomy: Taxonomy) -> str:
    return hashlib.sha256(taxonomy.model_dump_json().encode()).hexdigest()
