"""The pipeline file: one model's whole loop, as types. `config/pipelines/*.yaml` is parsed into `Pipeline`."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from pressrun.config.cron import parse_schedule
from pressrun.config.explain import wrong_at
from pressrun.config.families import (
    DistilledFamily,
    TransformerFamily,
    kind_of_family,
    refuse_teachers,
    refuse_unknown_family,
)
from pressrun.config.section import Duration, Interval, Name, Section, Share, Uses
from pressrun.config.values import parse_hour, refuse_bare_uses, unknown_metric

ArticleField = Literal["article_id", "published_at", "source", "section", "title", "body", "url", "language", "label"]


class Own(Section):
    """Code of your own. `uses` names a class, made with `options`; or a function where it is only called."""

    uses: Uses
    options: dict[str, Any] = Field(default_factory=dict)

    _is_a_mapping = model_validator(mode="before")(refuse_bare_uses)


class NamedOwn(Own):
    name: Name


class Read(Section):
    """How the files of articles are read. `path` is a glob; by default everything in the pipeline's landing folder."""

    path: str | None = None
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = "auto"
    header: bool = True
    columns: list[ArticleField | None] | dict[ArticleField, str] = Field(
        default_factory=dict,
        description="no header: our names in the file's order, null to skip; with one: our name → the file's name",
    )

    @model_validator(mode="after")
    def _columns_make_articles(self) -> Read:
        named = [field for field in self.columns if field]
        repeated = [i for i, field in enumerate(self.columns) if field and field in list(self.columns)[:i]]
        if repeated:
            raise wrong_at("columns", repeated[0], reason="it is listed before; write null for a column to skip")
        if isinstance(self.columns, list) and named and not {"title", "body"} & set(named):
            raise wrong_at("columns", reason="an article has a title or a body; name the column of one at least")
        headless = not self.header and self.format not in ("jsonl", "parquet")
        if headless and not (isinstance(self.columns, list) and named):
            reason = "without a header it is a list of our names in the file's order, for example [label, title, body]"
            raise wrong_at("columns", reason=reason)
        return self


class Batch(Section):
    """What a usual batch of articles looks like; outside of it the night stops before a label is bought."""

    min_articles: int = Field(default=1, ge=0)
    max_volume_ratio: float = Field(default=5.0, gt=1, description="against the median of earlier batches, both ways")
    max_null_share: Share = Field(default=0.05, description="of articles without a title or a body, and of rejects")
    max_duplicate_share: Share = 0.5
    languages: list[str] = Field(default_factory=list, description="empty: any")
    max_language_share_change: Share = 0.2
    max_source_share_change: Share = 0.4


class Articles(Section):
    read: Read = Read()
    batch: Batch = Batch()
    max_bytes: int = Field(default=1_000_000, gt=0, description="a longer article is a reject")


class Interactions(Section):
    """What readers were shown and clicked. `path` is a glob; reader ids are kept as pseudonyms alone."""

    path: str
    format: Literal["auto", "parquet", "mind"] = Field(
        default="auto", description="auto: Parquet by its suffix, any other file as MIND's behaviors.tsv"
    )


class Sample(Section):
    rows: int = Field(default=1200, gt=0)
    strata: list[Literal["source", "section", "predicted_topic"]] = ["predicted_topic"]  # noqa: RUF012 -- copied
    near_duplicate_jaccard: Share = 0.8
    engine: Literal["spark", "duckdb"] | None = Field(default=None, description="null: the environment's")


class LabelerSpec(Section):
    """One link of the chain: what it is surer of than `accept_above` is kept, the rest goes to the next."""

    labeler: Literal["static", "llm", "people", "given"] | None = None
    uses: Uses | None = None
    accept_above: Share = 0.0
    model: str | None = Field(default=None, description="any model pydantic-ai reaches, as provider:name")
    base_url: str | None = Field(default=None, description="of an OpenAI-compatible server")
    prompt: str | None = None
    budget_usd: float | None = Field(default=None, ge=0)
    wait: Duration = timedelta(hours=4)
    most: int | None = Field(default=None, ge=0, description="at the most so many articles a night")
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of(self) -> LabelerSpec:
        if (self.labeler is None) == (self.uses is None):
            raise ValueError("name either labeler (static, llm, people, given) or uses (package.module:Name)")
        if self.labeler == "llm" and not self.model:
            raise ValueError("an llm labeler needs model, for example openai:gpt-5-mini")
        return self


class Audit(Section):
    """A random share of each night's sample that people label without seeing the machine's answer."""

    share: Share = 0.05
    floor: Share = Field(default=0.85, description="the machine labels' accuracy on the audit must not fall below")
    min_rows: int = Field(default=30, ge=1)


class Label(Section):
    taxonomy: str
    chain: list[LabelerSpec] = Field(min_length=1)
    audit: Audit = Audit()
    oracle: bool = Field(default=False, description="answers people's questions from the data's own labels; for demos")

    @model_validator(mode="after")
    def _people_come_last(self) -> Label:
        for index, spec in enumerate(self.chain[:-1]):
            if spec.labeler == "people":
                reason = "people come last, once: nobody can wait for them and go on within a night; move it to the end"
                raise wrong_at("chain", index, "labeler", reason=reason)
        return self


FamilySpec: TypeAlias = Annotated[
    Annotated[Literal["svm", "lightgbm"], Tag("built_in")]
    | Annotated[TransformerFamily, Tag("transformer")]
    | Annotated[DistilledFamily, Tag("distilled")]
    | Annotated[NamedOwn, Tag("own")],
    Discriminator(kind_of_family),
    BeforeValidator(refuse_unknown_family),
]


class Train(Section):
    families: list[FamilySpec] = Field(default=["svm", "lightgbm"], min_length=1)
    features: list[Literal["tfidf", "hashed", "static"] | Own] = Field(
        default=["tfidf", "static"],
        min_length=1,
        max_length=4,
        description="hashed needs no vocabulary: what the news did not speak of yesterday has a column today",
    )
    self_training: bool = True
    holdout: Share = Field(default=0.2, description="of the examples, for choosing the family and calibrating")
    seed: int = 17

    @model_validator(mode="after")
    def _each_is_listed_once(self) -> Train:
        names = [family if isinstance(family, str) else family.name for family in self.families]
        for key, listed in (("families", names), ("features", self.features)):
            again = [index for index, one in enumerate(listed) if one in listed[:index]]
            if again:
                raise wrong_at(key, again[0], reason="it is listed before; take it out or give it another name")
        refuse_teachers(list(zip(names, self.families, strict=True)))
        return self


class Gate(Section):
    """`floors` and `non_inferiority` name macro_f1, accuracy, f1:<topic> or one of `metrics`."""

    metrics: list[NamedOwn] = Field(default_factory=list, description="of your own, the larger the better")
    floors: dict[str, Share] = Field(default_factory=lambda: {"macro_f1": 0.75})
    non_inferiority: dict[str, Share] = Field(default_factory=lambda: {"macro_f1": 0.02})
    slices: list[Literal["source", "section", "language"]] = ["source", "section"]  # noqa: RUF012 -- copied
    slice_margin: Share = 0.1
    topic_margin: Share = 0.1
    min_audited: int = Field(default=100, ge=1)
    min_audited_slice: int = Field(default=30, ge=1)
    max_calibration_error: Share = 0.15
    latency_p99_ms: float = Field(default=50, gt=0)
    alpha: Share = 0.05
    bootstrap: int = Field(default=2000, ge=100)
    checks: list[Own] = Field(default_factory=list)

    @model_validator(mode="after")
    def _metrics_are_known(self) -> Gate:
        own = [metric.name for metric in self.metrics]
        for key, named in (("floors", self.floors), ("non_inferiority", self.non_inferiority)):
            for name in named:
                if mistake := unknown_metric(name, own):
                    raise wrong_at(key, name, reason=mistake)
        for index, name in enumerate(own):
            if not unknown_metric(name, own[:index]):
                raise wrong_at("metrics", index, "name", reason="there is a metric of this name; choose another")
            if name not in {*self.floors, *self.non_inferiority}:
                reason = "nothing is judged by it; name it in gate.floors or gate.non_inferiority, or take it out"
                raise wrong_at("metrics", index, "name", reason=reason)
        return self


class Budgets(Section):
    """How much worse than the champion's the candidate's traffic may be."""

    error_rate: Share = Field(default=0.01, description="absolute, above the champion's")
    latency_ratio: float = Field(default=1.5, gt=1, description="times the champion's, for typical and slow requests")
    latency_floor_ms: float = Field(default=5.0, gt=0, description="below it all is fast enough, whatever the ratio")
    disagreement: Share = Field(
        default=0.3, description="of shadowed pairs whose top topic differs, above what the gate saw of the two"
    )
    abstention: Share | None = Field(
        default=None,
        description="of shadowed pairs that only the candidate declines, above what the gate saw of the two",
    )
    declines_below: Share = Field(
        default=0.5, description="an answer whose most likely topic is less likely than this declines"
    )
    outcomes: dict[str, Share] = Field(
        default_factory=dict,
        description="what share of what goes well at the champion may be lost, by name; {clicks: 0.2}: a fifth",
    )


class Rollout(Section):
    steps: list[Annotated[int, Field(gt=0, le=100)]] = Field(default_factory=lambda: [5, 25, 50, 100])
    min_requests: int = Field(default=100, ge=1, description="of the candidate, a step")
    max_step: Duration = Field(default=timedelta(minutes=30), description="with too few requests by then: insufficient")
    bake: Duration = timedelta(minutes=30)
    shadow: Share = Field(default=0.2, description="of requests sent to both arms, to compare answers")
    baseline: bool = Field(
        default=False,
        description="in a cluster: compare with a fresh deployment of the champion, as young as the candidate's",
    )
    budgets: Budgets = Budgets()

    @field_validator("steps")
    @classmethod
    def _steps_rise(cls, steps: list[int]) -> list[int]:
        if steps != sorted(set(steps)) or steps[-1:] != [100]:
            raise ValueError(f"steps must rise and end with 100, got {steps}")
        return steps

    @model_validator(mode="after")
    def _abstention_is_seen(self) -> Rollout:
        if self.budgets.abstention is not None and not self.shadow:
            reason = "answers that decline are counted of shadowed pairs, and shadow is 0; raise it, or take this out"
            raise wrong_at("budgets", "abstention", reason=reason)
        return self


class Drift(Section):
    every: Interval = timedelta(hours=1)
    window: Interval = timedelta(hours=1)
    cooldown: Duration = timedelta(hours=6)
    min_rows: int = Field(default=200, ge=1)
    max_topic_share_change: Share = 0.15
    max_confidence_change: Share = 0.08
    max_drifted_features_share: Share = 0.5
    tests: list[Own] = Field(default_factory=list)


class Alerts(Section):
    slack: str | None = Field(default=None, description="a channel, for example #news-ml")


class Pipeline(Section):
    """One model's loop: what it reads, how it is labeled, trained, judged, rolled out and watched."""

    model: Name
    task: Literal["classification"] = "classification"
    owner: str
    description: str = ""
    schedule: Annotated[str | None, BeforeValidator(parse_schedule)] = "0 2 * * *"
    budget_usd_month: float | None = Field(
        default=None, ge=0, description="all steps of a calendar month (UTC): once they have cost it no step begins"
    )
    fresh_by: Annotated[time | None, BeforeValidator(parse_hour)] = None
    articles: Articles = Articles()
    interactions: Interactions | None = None
    sample: Sample = Sample()
    label: Label
    train: Train = Train()
    gate: Gate = Gate()
    rollout: Rollout = Rollout()
    drift: Drift = Drift()
    alerts: Alerts = Alerts()
