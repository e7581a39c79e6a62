"""What is wrong with the code of one's own under `train`, told before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pressrun.config.pipeline import Own, Pipeline
from pressrun.config.uses import Finding, check_uses
from pressrun.training.families import Family
from pressrun.training.features import Feature


def precheck(pipeline: Pipeline) -> Iterator[Finding]:
    """The findings of `train.families` and `train.features`."""
    named: tuple[tuple[str, Sequence[str | Own], type], ...] = (
        ("families", pipeline.train.families, Family),
        ("features", pipeline.train.features, Feature),
    )
    for key, specs, protocol in named:
        for index, spec in enumerate(specs):
            if isinstance(spec, Own):
                yield from check_uses(("train", key, index), spec.uses, spec.options, protocol)
