"""A night's labels from its parts: the machine chain's staged answers and people's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from pressrun.config.load import load_taxonomy
from pressrun.config.taxonomy import Taxonomy
from pressrun.jobs import Answered
from pressrun.labeling.audit import audited
from pressrun.labeling.build import make_links
from pressrun.labeling.chain import ChainResult, Link, run_chain
from pressrun.labeling.desk import Desk
from pressrun.labeling.given import GivenLabeler
from pressrun.labeling.staged import StagedAnswers, only_one
from pressrun.labeling.types import Answer, Article, Labeled
from pressrun.lake.retraction import withdrawn
from pressrun.lake.tables import SCHEMAS
from pressrun.lake.types import StageResult
from pressrun.step import Step

REFUSED = "refused"


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


def run_machines(step: Step, ingested: StageResult, sampled: StageResult, desk: Desk) -> Night:
    """Runs the machine chain over the sample, or takes what it answered before. Safe to repeat."""
    articles, units = read_sample(step, ingested, sampled)
    given = read_given(step, ingested, sampled)
    gone = withdrawn(step.lake, step.pipeline.model)
    links = make_links(step, given=given, work=desk.work)
    taxonomy = load_taxonomy(step.pipeline)
    folder = desk.folder(step)
    with only_one(folder):
        chain = run_chain(
            articles,
            links=[link for link in links if not gone.has_word_of(link.name, None)],
            topics=taxonomy.names,
            staged=lambda link: StagedAnswers(folder, labeler=f"{link.name}@{taxonomy.version}{link.source}"),
            progress=step.progress,
        )
    share, model = step.pipeline.label.audit.share, step.pipeline.model
    chosen = frozenset(i for i, unit in units.items() if audited(unit, pipeline=model, share=share))
    return Night(articles=articles, audit=chosen, chain=chain, given=given, taxonomy=taxonomy, links=tuple(links))


def read_sample(step: Step, ingested: StageResult, sampled: StageResult) -> tuple[tuple[Article, ...], dict[str, str]]:
    """The sampled articles that are not withdrawn, and each one's group of near-duplicates (itself without one)."""
    drawn = step.lake.read(sampled.datasets["samples"], ["article_id", "group_id"])
    rows = withdrawn(step.lake, step.pipeline.model).without_articles(drawn).to_pylist()
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


def read_given(step: Step, ingested: StageResult, sampled: StageResult) -> dict[str, str]:
    """The data's own labels of the sample by article; nothing when neither the oracle nor the chain uses them."""
    if not needs_given(step) or "given" not in ingested.datasets:
        return {}
    sample = step.lake.read(sampled.datasets["samples"], ["article_id"])["article_id"]
    wanted = pc.field("article_id").isin(sample.combine_chunks())
    rows = step.lake.read(ingested.datasets["given"], ["article_id", "label", "raw"], where=wanted).to_pylist()
    return {row["article_id"]: row["label"] or row["raw"] for row in rows if row["label"] or row["raw"]}


def label_rows(night: Night, answers: Sequence[Answered], *, accepted: bool) -> list[dict[str, Any]]:
    """Rows of table `labels`: the chain's last word on each article, and what people said.

    Unless they are `accepted` the machines' labels have the role `refused`, and nothing is trained on them.
    """
    version = night.taxonomy.version
    machine = [_machine_row(labeled, night, version, accepted) for labeled in night.chain.labeled.values()]
    return machine + [person_row(answer) for answer in answers]


def _machine_row(labeled: Labeled, night: Night, version: str, accepted: bool) -> dict[str, Any]:
    answer = labeled.answer
    return {
        "article_id": labeled.article_id,
        "taxonomy_version": version,
        "labels": list(answer.labels) if labeled.sure else [],
        "probabilities": list(answer.probabilities.items()),
        "abstained": not labeled.sure,
        "labeler": labeled.labeler,
        "role": _role(labeled, night, accepted),
        "cost_usd": answer.cost_usd,
        "labeled_at": labeled.at,
    }


def _role(labeled: Labeled, night: Night, accepted: bool) -> str:
    if labeled.article_id in night.audit:
        return "audit"
    # The data's own labels are no machine's: the audit says nothing of them.
    return "train" if accepted or labeled.labeler == GivenLabeler.name else REFUSED


def person_row(answer: Answered) -> dict[str, Any]:
    """A person's answer as a row of table `labels`."""
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


def spend_rows(step: Step, night: Night, desk: Desk) -> list[dict[str, Any]]:
    """Rows of table `spend`, one a paid answer: a null cost where no price is known.

    What an earlier generation of this step paid for stays; what another step of this desk paid for is its own.
    """
    columns = [*SCHEMAS["spend"].names, "step_key"]
    known = step.lake.snapshot("spend", pipeline=step.pipeline.model, including=step.key)
    rows = {row["job_id"]: row for row in step.lake.read(known, columns).to_pylist()}
    paid = [(f"{desk.work}/{name}/{answer.article_id}", answer) for name, answer in night.chain.answers if answer.usage]
    new = [_spend_row(job, answer) for job, answer in paid if job not in rows]
    return [row for row in rows.values() if row.pop("step_key") == str(step.key)] + new


def _spend_row(job_id: str, answer: Answer) -> dict[str, Any]:
    usage = answer.usage.model_dump() if answer.usage else {}
    return {"job_id": job_id, **usage, "cost_usd": answer.cost_usd}


def reject_rows(chain: ChainResult) -> list[dict[str, Any]]:
    """Rows of table `rejects`, one an answer that could not be used."""
    return [
        {"origin": name, "reason": answer.rejected or "", "article_id": answer.article_id}
        for name, answer in chain.rejected
    ]


def has_machines(step: Step, night: Night) -> bool:
    """Whether any labels are a machine's: of a link that is not withdrawn."""
    gone = withdrawn(step.lake, step.pipeline.model)
    return any(link.name != GivenLabeler.name and not gone.has_word_of(link.name, None) for link in night.links)
