"""What is wrong under `train` with code of one's own, or missing for a transformer; told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pressrun.config.document import Path_
from pressrun.config.families import TransformerFamily
from pressrun.config.pipeline import Own, Pipeline
from pressrun.config.uses import Finding, check_uses
from pressrun.training.families import Family
from pressrun.training.features import Feature
from pressrun.training.pretrained import missing_extra, missing_model


def precheck(pipeline: Pipeline) -> Iterator[Finding]:
    """The findings of `train.families` and `train.features`."""
    named: tuple[tuple[str, Sequence[object], type], ...] = (
        ("families", pipeline.train.families, Family),
        ("features", pipeline.train.features, Feature),
    )
    for key, specs, protocol in named:
        for index, spec in enumerate(specs):
            if isinstance(spec, Own):
                yield from check_uses(("train", key, index), spec.uses, spec.options, protocol)
            elif isinstance(spec, TransformerFamily):
                yield from _lacking(("train", key, index), spec)


def _lacking(path: Path_, spec: TransformerFamily) -> Iterator[Finding]:
    for key, reason in (("family", missing_extra()), ("model", missing_model(spec.model))):
        if reason:
            yield Finding(path=(*path, key), reason=reason)
