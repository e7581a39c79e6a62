"""What is wrong with a chain of labelers, told before the first of them is made or paid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from pressrun.config.document import Document, Path_
from pressrun.config.explain import explain, near_miss
from pressrun.config.pipeline import LabelerSpec, Pipeline
from pressrun.config.uses import Finding, below, check_uses, wrong_options
from pressrun.labeling.build import unkept_budget
from pressrun.labeling.llm_options import LlmOptions
from pressrun.labeling.static import StaticLabeler
from pressrun.labeling.types import Labeler


def precheck(pipeline: Pipeline) -> Iterator[Finding]:
    """The findings of `label.chain`, in its order."""
    for index, spec in enumerate(pipeline.label.chain):
        yield from _labeler(("label", "chain", index), spec)


def _labeler(path: Path_, spec: LabelerSpec) -> Iterator[Finding]:
    if spec.uses:
        yield from check_uses(path, spec.uses, spec.options, Labeler, taxonomy=None)
    elif spec.labeler == "llm":
        yield from _llm(path, spec)
    elif spec.labeler == "static":
        yield from below(path, wrong_options(StaticLabeler, spec.options, taxonomy=None))
    elif spec.options:
        yield Finding(path=(*path, "options"), reason=f"{spec.labeler} takes no options; take it out")


def _llm(path: Path_, spec: LabelerSpec) -> Iterator[Finding]:
    yield from _provider(path, str(spec.model), local=spec.base_url is not None)
    try:
        options = LlmOptions.model_validate(spec.options)
    except ValidationError as error:
        alone = Document(file=Path(), data=spec.options, lines={})
        for problem in explain(error, alone, LlmOptions):
            key = (*path, "options", problem.key)
            yield Finding(path=key, reason=problem.reason, suggestion=problem.suggestion)
        return
    if reason := unkept_budget(spec, options):
        yield Finding(path=(*path, "budget_usd"), reason=reason)


def _provider(path: Path_, model: str, *, local: bool) -> Iterator[Finding]:
    from pydantic_ai.exceptions import UserError
    from pydantic_ai.providers import infer_provider_class

    provider, sign, name = model.partition(":")
    if local:
        return
    if not sign or not name:
        yield Finding(path=(*path, "model"), reason="name it as provider:name, for example openai:gpt-5-mini")
        return
    try:
        infer_provider_class(provider)
    except ImportError as error:
        yield Finding(path=(*path, "model"), reason=f"its provider is not installed: {error}")
    except (ValueError, UserError):
        meant = near_miss(provider, _providers())
        suggestion = f"{meant}:{name}" if meant else None
        yield Finding(path=(*path, "model"), reason=f"pydantic-ai knows no provider {provider}", suggestion=suggestion)


def _providers() -> set[str]:
    from pydantic_ai.models import KnownModelName

    names = get_args(KnownModelName.__value__ if hasattr(KnownModelName, "__value__") else KnownModelName)
    return {str(name).partition(":")[0] for name in names if ":" in str(name)}
