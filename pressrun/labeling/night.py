"""A night's labels from its parts: the machine chain's staged answers and people's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
from pydantic import TypeAdapter

from pressrun.config.load import load_taxonomy
from pressrun.config.taxonomy import Taxonomy
from pressrun.jobs import Answered
from pressrun.labeling.audit import audited
from pressrun.labeling.build import machine_specs, make_links
from pressrun.labeling.chain import ChainResult, Link, run_chain
from pressrun.labeling.staged import StagedAnswers, only_one
from pressrun.labeling.types import Article, Labeled
from pressrun.lake.types import StageResult
from pressrun.step import Step


@dataclass(frozen=True, kw_only=True)
class Night:
    """The step's articles with the machines' answers; `audit` holds the ids that are audited."""

    articles: tuple[Article, ...]
    audit: frozenset[str]
    chain: ChainResult
    given: Mapping[str, str]
    taxonomy: Taxonomy
    links: tuple[Link, ...]

    @property
    def audit_articles(self) -> list[Article]:
        return [article for article in self.articles if article.article_id in self.audit]

    @property
    def unsure(self) -> list[Article]:
        return self.chain.unsure(self.articles)


def run_machines(step: Step, ingested: StageResult, sampled: StageResult) -> Night:
    """Runs the machine chain over the sample, or takes what it answered before. Safe to repeat."""
    articles, units = read_sample(step, ingested, sampled)
    given = read_given(step, ingested)
    links = make_links(step, given=given)
    taxonomy = load_taxonomy(step.pipeline)
    folder = step.lake.staging(step.key, "labeling")
    with only_one(folder):
        chain = run_chain(
            articles,
            links=links,
            topics=taxonomy.names,
            staged=lambda name: StagedAnswers(folder, labeler=f"{name}@{taxonomy.version}"),
            progress=step.progress,
        )
    share, model = step.pipeline.label.audit.share, step.pipeline.model
    chosen = frozenset(i for i, unit in units.items() if audited(unit, pipeline=model, share=share))
    return Night(articles=articles, audit=chosen, chain=chain, given=given, taxonomy=taxonomy, links=tuple(links))


def read_sample(step: Step, ingested: StageResult, sampled: StageResult) -> tuple[tuple[Article, ...], dict[str, str]]:
    """The sampled articles, and each one's group of near-duplicates (itself where it has none)."""
    rows = step.lake.read(sampled.datasets["samples"], ["article_id", "group_id"]).to_pylist()
    units = {row["article_id"]: row["group_id"] or row["article_id"] for row in rows}
    wanted = pc.field("article_id").isin(list(units))
    columns = ["article_id", "title", "body"]
    found = step.lake.read(ingested.datasets["articles"], columns, where=wanted).to_pylist() if units else []
    articles = [Article(article_id=r["article_id"], title=r["title"] or "", body=r["body"] or "") for r in found]
    return tuple(sorted(articles, key=lambda article: article.article_id)), units


def needs_given(step: Step) -> bool:
    """Whether the data's own labels decide any of this step's labels."""
    label = step.pipeline.label
    return label.oracle or any(spec.labeler == "given" for spec in label.chain)


def read_given(step: Step, ingested: StageResult) -> dict[str, str]:
    """The data's own labels by article; nothing when neither the oracle nor the chain uses them."""
    if not needs_given(step) or "given" not in ingested.datasets:
        return {}
    rows = step.lake.read(ingested.datasets["given"], ["article_id", "label", "raw"]).to_pylist()
    return {row["article_id"]: row["label"] or row["raw"] for row in rows if row["label"] or row["raw"]}


def label_rows(night: Night, answers: Sequence[Answered]) -> list[dict[str, Any]]:
    """Rows of table `labels`: the chain's last word on each article, and what people said."""
    version = night.taxonomy.version
    machine = [_machine_row(labeled, night, version) for labeled in night.chain.labeled.values()]
    return machine + [_person_row(answer) for answer in answers]


def _machine_row(labeled: Labeled, night: Night, version: str) -> dict[str, Any]:
    answer = labeled.answer
    return {
        "article_id": labeled.article_id,
        "taxonomy_version": version,
        "labels": list(answer.labels) if labeled.sure else [],
        "probabilities": list(answer.probabilities.items()),
        "abstained": not labeled.sure,
        "labeler": labeled.labeler,
        "role": "audit" if labeled.article_id in night.audit else "train",
        "cost_usd": answer.cost_usd,
        "labeled_at": labeled.at,
    }


def _person_row(answer: Answered) -> dict[str, Any]:
    return {
        "article_id": answer.article_id,
        "taxonomy_version": answer.taxonomy_version,
        "labels": list(answer.labels),
        "probabilities": [(label, 1.0) for label in answer.labels],
        "abstained": not answer.labels,
        "labeler": f"person:{answer.person}",
        "role": "audit" if answer.kind == "audit" else "train",
        "cost_usd": 0.0,
        "labeled_at": answer.answered_at,
    }


def spend_rows(step: Step, chain: ChainResult) -> list[dict[str, Any]]:
    """Rows of table `spend`, one a paid answer."""
    return [
        {"job_id": f"{step.key}/{name}/{answer.article_id}", **answer.usage.model_dump(), "cost_usd": answer.cost_usd}
        for name, answer in chain.answers
        if answer.usage
    ]


def reject_rows(chain: ChainResult) -> list[dict[str, Any]]:
    """Rows of table `rejects`, one an answer that could not be used."""
    return [
        {"origin": name, "reason": answer.rejected or "", "article_id": answer.article_id}
        for name, answer in chain.rejected
    ]


def staged_people(step: Step, collect: Any) -> list[Answered]:
    """People's answers as they stood when this step first collected them."""
    path, adapter = step.lake.staging(step.key, "labeling") / "people.json", TypeAdapter(list[Answered])
    if path.exists():
        return adapter.validate_json(path.read_bytes())
    answers: list[Answered] = collect()
    part = path.with_suffix(".part")
    part.write_bytes(adapter.dump_json(answers))
    part.replace(path)
    return answers


def has_machines(step: Step) -> bool:
    """Whether any link's labels are a machine's."""
    return any(spec.labeler != "given" for spec in machine_specs(step.pipeline))
