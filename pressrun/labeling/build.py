"""The chain's links from the pipeline file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pressrun.config.find import resolve_path
from pressrun.config.load import load_taxonomy
from pressrun.config.pipeline import LabelerSpec, Pipeline
from pressrun.config.problems import ConfigError, Problem
from pressrun.config.taxonomy import Taxonomy
from pressrun.config.uses import make_uses
from pressrun.jobs import Budgets, open_database
from pressrun.labeling.chain import Keep, Link
from pressrun.labeling.given import GivenLabeler
from pressrun.labeling.llm_options import LlmOptions, Purse
from pressrun.labeling.price import Price, find_price
from pressrun.labeling.prompt import Prompt, load_prompt
from pressrun.labeling.static import StaticLabeler
from pressrun.labeling.types import Labeler
from pressrun.lake.fingerprint import code_digest
from pressrun.step import Step

if TYPE_CHECKING:
    from pydantic_ai.models import Model


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What labelers are built from: the step, its taxonomy, the data's own labels by article, whose work it is."""

    step: Step
    taxonomy: Taxonomy
    given: Mapping[str, str]
    work: str


def make_links(step: Step, *, given: Mapping[str, str], work: str) -> list[Link]:
    """A link for each machine labeler of the chain; what it pays is counted as `work`'s.

    Raises ConfigError for what cannot be made.
    """
    setting = Setting(step=step, taxonomy=load_taxonomy(step.pipeline), given=given, work=work)
    return [_link(spec, setting) for spec in machine_specs(step.pipeline)]


def machine_specs(pipeline: Pipeline) -> list[LabelerSpec]:
    """The chain without its people, who come last."""
    return [spec for spec in pipeline.label.chain if spec.labeler != "people"]


def _link(spec: LabelerSpec, setting: Setting) -> Link:
    if spec.labeler == "llm":
        return _llm(spec, setting)
    made = _made(spec, setting)
    source = _source(spec, setting)
    return Link(name=made.name, make=lambda _keep: made, accept_above=spec.accept_above, most=spec.most, source=source)


def _source(spec: LabelerSpec, setting: Setting) -> str:
    """What answers hang on that cost nothing to ask for again: mended code, other options, other data."""
    code = code_digest(spec.uses.partition(":")[0]) if spec.uses else ""
    given = sorted(setting.given.items()) if spec.labeler == "given" else []
    return hashlib.sha256(repr((spec.uses, spec.options, code, given)).encode()).hexdigest()


def _made(spec: LabelerSpec, setting: Setting) -> Labeler:
    if spec.labeler == "given":
        return GivenLabeler(taxonomy=setting.taxonomy, given=setting.given)
    if spec.uses:
        return cast(Labeler, make_uses(spec.uses, Labeler, spec.options, taxonomy=setting.taxonomy))
    return StaticLabeler(taxonomy=setting.taxonomy, **spec.options)


def _llm(spec: LabelerSpec, setting: Setting) -> Link:
    options = LlmOptions.model_validate(spec.options)
    prompt = load_prompt(resolve_path(spec.prompt) if spec.prompt else None, taxonomy=setting.taxonomy)
    name = f"llm:{spec.model}@{prompt.name}"
    purse = _purse(spec, options, budget=f"{setting.work}/{name}", step=setting.step)

    def make(keep: Keep) -> Labeler:
        return _llm_labeler(spec, name=name, prompt=prompt, purse=purse, options=options, setting=setting, keep=keep)

    return Link(name=name, make=make, accept_above=spec.accept_above, most=spec.most)


def _llm_labeler(
    spec: LabelerSpec, *, name: str, prompt: Prompt, purse: Purse, options: LlmOptions, setting: Setting, keep: Keep
) -> Labeler:
    from pressrun.labeling.llm import LlmLabeler

    return LlmLabeler(
        name=name,
        make_model=lambda: _model(spec),
        prompt=prompt,
        topics=setting.taxonomy.names,
        purse=purse,
        options=options,
        keep=keep,
    )


def _model(spec: LabelerSpec) -> Model | str:
    if spec.base_url is None:
        return str(spec.model)
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    name = str(spec.model).partition(":")[2] or str(spec.model)
    # A server of one's own seldom wants a key; the client insists on one. OPENAI_API_KEY never goes to another host.
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=spec.base_url, api_key="none"))


def _purse(spec: LabelerSpec, options: LlmOptions, *, budget: str, step: Step) -> Purse:
    price = _price(spec, options)
    if reason := unkept_budget(spec, options):
        raise ConfigError([Problem(key="label.chain.budget_usd", value=str(spec.budget_usd), reason=reason)])
    budgets = Budgets(open_database(step.environment.database))
    return Purse(budgets=budgets, budget=budget, limit_usd=spec.budget_usd, price=price)


def unkept_budget(spec: LabelerSpec, options: LlmOptions) -> str | None:
    """Why `budget_usd` cannot be kept, if it cannot."""
    if spec.budget_usd is None or _price(spec, options).known:
        return None
    return (
        f"no price is known for {spec.model}, so budget_usd cannot be kept; give options: "
        "{input_usd: ..., output_usd: ...}, USD a million tokens"
    )


def _price(spec: LabelerSpec, options: LlmOptions) -> Price:
    given = (options.input_usd, options.output_usd)
    return find_price(str(spec.model), given=given, local=spec.base_url is not None)


def options_of(spec: LabelerSpec) -> dict[str, Any]:
    """What else than the file decides the labeler's answers: the prompt's text, as a digest by name."""
    if spec.labeler != "llm" or not spec.prompt:
        return {}
    return {"prompt": resolve_path(spec.prompt).read_text(encoding="utf-8")}
