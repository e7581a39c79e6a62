"""On how many withdrawn rows a model stands: what it was trained on, and what its gate took for the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pressrun.lake.errors import LakeError
from pressrun.lake.lake import Lake
from pressrun.lake.retraction import Withdrawn, withdrawn_examples
from pressrun.lake.true_labels import true_labels
from pressrun.lake.types import DatasetRef
from pressrun.overview.steps import Done


@dataclass(frozen=True, kw_only=True)
class StandsOn:
    """Withdrawn rows among the training examples and among the gate's true labels; None: they can be read no more."""

    trained: int | None = 0
    judged: int | None = 0

    def __bool__(self) -> bool:
        return self.trained != 0 or self.judged != 0

    def __str__(self) -> str:
        trained = "unknown" if self.trained is None else f"{self.trained:,}"
        judged = "unknown" if self.judged is None else f"{self.judged:,}"
        return f"trained on {trained} and gated on {judged} rows"


def stands_on(
    lake: Lake, gone: Withdrawn, *, examples: DatasetRef | None, labels: DatasetRef | None, judged: DatasetRef | None
) -> StandsOn:
    """Of a model trained on `examples`, which were made from `labels`, and gated on the truth among `judged`."""
    if not gone or examples is None:
        return StandsOn()
    try:
        trained = withdrawn_examples(lake, gone, examples, labels)
        seen = set(lake.read(examples, ["article_id"])["article_id"].to_pylist())
    except LakeError:
        return StandsOn(trained=None, judged=None)
    return StandsOn(trained=trained, judged=_judged(lake, gone, judged, seen) if judged else 0)


def gated_on(steps: Iterable[Done], digest: str) -> DatasetRef | None:
    """The labels among which the newest gate of the model with this digest found its truth."""
    done = list(steps)
    gates = [one for one in done if one.result.verdict is not None and one.stage == "gate"]
    mine = [one for one in gates if one.result.verdict is not None and one.result.verdict.model_digest == digest]
    runs = [one.run for one in mine]
    found = [one.result.datasets.get("all_labels") for one in done if one.stage == "label" and one.run in runs[-1:]]
    return found[-1] if found else None


def _judged(lake: Lake, gone: Withdrawn, labels: DatasetRef, trained: set[str]) -> int | None:
    columns = ["article_id", "labeler", "role", "labels", "abstained", "labeled_at"]
    try:
        truth = true_labels(lake.read(labels, columns).to_pylist())
    except LakeError:
        return None
    return sum(gone.has_label(label) for article, label in truth.items() if article not in trained)
