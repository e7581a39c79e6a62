"""The stage: what landed becomes rows of the lake, once, and a verdict on the batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from pressrun.config.load import load_taxonomy
from pressrun.config.taxonomy import Taxonomy
from pressrun.ingest.article import Article
from pressrun.ingest.batch import BatchFacts, History, counted, judge
from pressrun.ingest.collect import Collected, Reject, RejectKey, collect
from pressrun.ingest.files import digest
from pressrun.ingest.interactions import read_interactions
from pressrun.ingest.landing import Landing
from pressrun.ingest.readers import pseudonyms
from pressrun.lake.tables import SCHEMAS, rows_of
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.step import Step, run_once, settled
from pressrun.verdict import Verdict

STAGE = "ingest"


def ingest(step: Step) -> StageResult:
    """Reads the pipeline's files into `articles`, `rejects` and `given`; what the lake already has is not added again.

    Datasets: `batch` (this step's articles), `articles` and `given` (all up to and with them), `rejects`, and
    with a section `interactions` this step's `interactions`. The verdict says whether the batch is like those before;
    with nothing new there is none, and facts["nothing_new"] is true. Rows of a batch that it stops are not seen: the
    next run, or this one when it is cleared, reads and judges them again. Of two runs at once each row is added by one.
    A step that has passed is only done again while the files that its articles came from are still there.
    Raises IngestError where the files do not fit `articles.read`.
    """
    with Landing(step.environment) as landing:
        return settled(lambda: _attempt(step, landing))


def _attempt(step: Step, landing: Landing) -> StageResult:
    files = landing.articles(step.pipeline)
    shown = step.pipeline.interactions
    impressions = landing.files(shown.path) if shown else []
    before = _before(step)
    taxonomy = load_taxonomy(step.pipeline)
    return run_once(
        step,
        stage=STAGE,
        inputs={"articles": before["articles"], "files": digest(files + impressions), "taxonomy": _digest(taxonomy)},
        section={"articles": step.pipeline.articles, "interactions": step.pipeline.interactions},
        work=lambda: _ingest(step, files, impressions, before, taxonomy),
        repeatable=lambda earlier: _still_there(step, earlier, files),
        upon=tuple(before.values()),
    )


def _before(step: Step) -> Mapping[str, DatasetRef]:
    """All that other steps have added."""
    names = ("articles", "rejects", *(["interactions"] if step.pipeline.interactions else []))
    return {name: step.lake.snapshot(name, pipeline=step.pipeline.model, without=step.key) for name in names}


def _still_there(step: Step, earlier: StageResult, files: list[Path]) -> bool:
    """Whether a step that is asked for anew can be: without its files it would lose articles that are in use."""
    gone = sorted(set(earlier.facts.get("files", ())) - {file.name for file in files})
    if gone and not earlier.stopped:
        step.progress(f"{', '.join(gone[:3])} can be read no more: what this step made before is kept")
        return False
    return True


def _ingest(
    step: Step, files: list[Path], impressions: list[Path], before: Mapping[str, DatasetRef], taxonomy: Taxonomy
) -> StageResult:
    earlier = step.lake.read(before["articles"], columns=["article_id", "source", "language", "step_key"])
    refused = _refused(step, before["rejects"])
    collected = _collect(step, files, earlier, refused)
    outside = _outside(collected, taxonomy)
    shown, unread = _interactions(step, impressions, before, refused)
    datasets = _commit(step, collected, [*collected.rejects, *outside, *unread], shown, taxonomy)
    nothing_new = not collected.articles and not collected.rejects
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        datasets=datasets,
        verdict=None if nothing_new else _verdict(step, collected, _history(earlier), datasets["batch"]),
        facts=_facts(collected) | {"labels_outside_taxonomy": len(outside), "nothing_new": nothing_new},
    )


def _collect(step: Step, files: list[Path], earlier: pa.Table, refused: set[RejectKey]) -> Collected:
    return collect(
        files,
        step.pipeline.articles,
        known=set(earlier["article_id"].to_pylist()),
        refused=refused,
        on_file=lambda file: step.progress(f"reading {file.name}", files.index(file), len(files)),
    )


def _refused(step: Step, before: DatasetRef) -> set[RejectKey]:
    rows = step.lake.read(before, columns=["origin", "line", "reason", "excerpt"]).to_pylist()
    return {(row["origin"], row["line"], row["reason"], row["excerpt"] or "") for row in rows}


def _interactions(
    step: Step, files: list[Path], before: Mapping[str, DatasetRef], refused: set[RejectKey]
) -> tuple[pa.Table, list[Reject]]:
    section = step.pipeline.interactions
    if section is None:
        return SCHEMAS["interactions"].empty_table(), []
    known = step.lake.read(before["interactions"], columns=["impression_id"])["impression_id"]
    shown, unread = read_interactions(section, files, known=known, pseudonym=pseudonyms(step.environment.home))
    return shown, [reject for reject in unread if reject.key not in refused]


def _commit(
    step: Step, collected: Collected, rejects: list[Reject], shown: pa.Table, taxonomy: Taxonomy
) -> dict[str, DatasetRef]:
    articles = list(collected.articles.values())
    tables = {
        "articles": articles_table(articles),
        "rejects": rows_of("rejects", map(asdict, rejects)),
        "given": given_table(articles, taxonomy),
    }
    if step.pipeline.interactions:
        tables["interactions"] = shown
    model = step.pipeline.model
    own = {name: step.lake.commit(name, rows, key=step.key, pipeline=model) for name, rows in tables.items()}
    whole = {name: step.lake.snapshot(name, pipeline=model, including=step.key) for name in ("articles", "given")}
    own["batch"] = own.pop("articles")
    return own | whole


def articles_table(articles: Iterable[Article]) -> pa.Table:
    """Rows of the table `articles`."""
    found = list(articles)
    columns = [pa.array([getattr(one, field.name) for one in found], field.type) for field in SCHEMAS["articles"]]
    return pa.table(columns, schema=SCHEMAS["articles"])


def given_table(articles: Iterable[Article], taxonomy: Taxonomy) -> pa.Table:
    """Rows of the table `given`: the topic where the taxonomy knows the label, and what the file said."""
    labeled = ((article.article_id, article.label) for article in articles if article.label)
    rows = ({"article_id": id_, "label": taxonomy.resolve(raw), "raw": raw} for id_, raw in labeled)
    return rows_of("given", rows)


def _outside(collected: Collected, taxonomy: Taxonomy) -> list[Reject]:
    """The labels, not the articles, that the taxonomy does not know."""
    return [
        Reject(
            origin=collected.origins[article.article_id],
            line=article.line,
            reason=f"the label {article.label[:60]!r} is not in the taxonomy {taxonomy.name}; the article is kept",
            excerpt=article.title[:200],
            article_id=article.article_id,
        )
        for article in collected.articles.values()
        if article.label and taxonomy.resolve(article.label) is None
    ]


def _verdict(step: Step, collected: Collected, history: History, batch: DatasetRef) -> Verdict:
    policy = step.pipeline.articles.batch
    return Verdict(
        kind="batch",
        pipeline=step.pipeline.model,
        step_key=str(step.key),
        checks=judge(_batch_facts(collected), history, policy),
        dataset=str(batch),
        policy_digest=hashlib.sha256(policy.model_dump_json().encode()).hexdigest(),
        synthetic=any(article.synthetic for article in collected.articles.values()),
    )


def _batch_facts(collected: Collected) -> BatchFacts:
    articles = list(collected.articles.values())
    return BatchFacts(
        articles=len(articles),
        new_rows=collected.new_rows,
        duplicates=collected.duplicates,
        incomplete=sum(not (article.title and article.body) for article in articles),
        rejects=len(collected.rejects),
        unreadable=[f"{reject.origin}: {reject.reason}" for reject in collected.unreadable],
        languages=counted(article.language for article in articles),
        sources=counted(article.source for article in articles),
        refusals=counted(reject.reason for reject in collected.rejects),
    )


def _history(earlier: pa.Table) -> History:
    return History(
        volumes=sorted(counted(earlier["step_key"].to_pylist()).values()),
        languages=counted(earlier["language"].to_pylist()),
        sources=counted(earlier["source"].to_pylist()),
    )


def _facts(collected: Collected) -> dict[str, object]:
    articles = collected.articles.values()
    return {
        "rows": collected.rows,
        "new": len(articles),
        "known": collected.known,
        "rejects": len(collected.rejects),
        "duplicates": collected.duplicates,
        "labeled": sum(article.label is not None for article in articles),
        "timed": sum(article.published_at is not None for article in articles),
        "synthetic": any(article.synthetic for article in articles),
        "files": collected.files,
    }


def _digest(taxonomy: Taxonomy) -> str:
    return hashlib.sha256(taxonomy.model_dump_json().encode()).hexdigest()
