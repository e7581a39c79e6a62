"""The train stage: labels and articles to a registered model, with its run in MLflow."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pressrun.bundle import Bundle, BundleError, write_bundle
from pressrun.bundle.transformer import Transformer
from pressrun.config.families import DistilledFamily
from pressrun.config.load import load_taxonomy
from pressrun.config.pipeline import Train
from pressrun.config.taxonomy import Taxonomy
from pressrun.lake.retraction import Withdrawn, still, withdrawn, words
from pressrun.lake.tables import rows_of
from pressrun.lake.types import DatasetRef, StageResult
from pressrun.registry import ModelRef, UnknownModelError, fetch, register
from pressrun.registry.tracking import connect
from pressrun.step import Step, run_once, settled
from pressrun.training.corpus import Corpus, read_corpus
from pressrun.training.errors import TrainingError
from pressrun.training.examples import Material, gather, trusted
from pressrun.training.families import AnyFamily, families
from pressrun.training.learn import Learned, learn
from pressrun.training.report import report
from pressrun.training.workshop import opened

STAGE = "train"
PARITY = 1e-5


def train(step: Step, ingested: StageResult, sampled: StageResult, labeled: StageResult) -> StageResult:
    """Trains on all nights' labels, registers the best family's bundle, and hands on its ModelRef in `facts`.

    What is withdrawn while it trains is left out, too: it begins again, and registers nothing that stood on it. Raises
    TrainingError (labels or settings make no model) and RegistryError (MLflow is out of reach).
    """
    return settled(lambda: _attempt(step, ingested, sampled, labeled))


def _attempt(step: Step, ingested: StageResult, sampled: StageResult, labeled: StageResult) -> StageResult:
    inputs: dict[str, DatasetRef | str | None] = {
        "articles": ingested.datasets["articles"],
        "groups": sampled.datasets["groups"],
        "labels": labeled.datasets["all_labels"],
    }
    taxonomy, said = load_taxonomy(step.pipeline), words(step.lake, step.pipeline.model)
    gone = withdrawn(step.lake, step.pipeline.model)
    section = {"train": step.pipeline.train.model_dump(mode="json"), "taxonomy": taxonomy.model_dump(mode="json")}
    return run_once(
        step,
        stage=STAGE,
        inputs=inputs | {"withdrawn": gone.digest},
        section=section,
        work=lambda: _train(step, inputs, taxonomy, gone, said),
        usable=lambda earlier: _still_registered(step, earlier),
        upon=(said,),
    )


def _still_registered(step: Step, earlier: StageResult) -> bool:
    model = ModelRef.model_validate(earlier.facts["model"])
    try:
        return fetch(step.environment, model.name, model.version).digest == model.digest
    except (UnknownModelError, BundleError):
        return False


def _train(step: Step, inputs: dict[str, Any], taxonomy: Taxonomy, gone: Withdrawn, said: DatasetRef) -> StageResult:
    connect(step.environment)  # an MLflow out of reach shows before minutes of fitting
    settings = step.pipeline.train
    with opened(step) as workshop:
        made = families(settings.families, workshop)  # what is missing for one shows before anything is read
        return _fitted(step, inputs, taxonomy, gone, said, made)


def _fitted(
    step: Step,
    inputs: dict[str, Any],
    taxonomy: Taxonomy,
    gone: Withdrawn,
    said: DatasetRef,
    made: Sequence[tuple[str, AnyFamily]],
) -> StageResult:
    settings = step.pipeline.train
    tables = {name: step.lake.read(dataset) for name, dataset in inputs.items()}
    tables["articles"] = gone.without_articles(tables["articles"])
    tables["labels"] = gone.without_labels(tables["labels"])
    material = gather(**tables, taxonomy=taxonomy, holdout=settings.holdout, fill=_reads_unlabeled(settings))
    step.progress(f"train: {len(material.articles):,} articles, split by {material.split_by}")
    corpus = read_corpus(material.texts, features=settings.features)
    learned = learn(
        corpus,
        material.known,
        taxonomy=taxonomy,
        families=made,
        self_training=settings.self_training,
        seed=settings.seed,
        curve_shares=(0.25, 0.5),
    )
    step.progress(f"train: kept {learned.family}")
    # No model is registered that stands on what is withdrawn by now.
    still(step.lake, said)
    # Before the model is registered, which says what it was trained on.
    rows = _examples(step.pipeline.model, material, learned)
    examples = step.lake.commit("examples", rows, key=step.key, pipeline=step.pipeline.model)
    with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        model = _publish(step, inputs, examples, taxonomy, material, corpus, learned, Path(scratch) / "bundle")
    return StageResult(
        stage=STAGE,
        step_key=str(step.key),
        datasets={"examples": examples},
        facts=_facts(model, material, learned),
    )


def _reads_unlabeled(settings: Train) -> bool:
    return settings.self_training or any(isinstance(spec, DistilledFamily) for spec in settings.families)


def _publish(
    step: Step,
    inputs: dict[str, Any],
    examples: DatasetRef,
    taxonomy: Taxonomy,
    material: Material,
    corpus: Corpus,
    learned: Learned,
    folder: Path,
) -> ModelRef:
    bundle = write_bundle(
        folder,
        name=step.pipeline.model,
        labels=learned.topics,
        steps=() if isinstance(learned.model, Transformer) else corpus.steps,
        model=learned.model,
        slope=learned.slope,
        family=learned.family,
        taxonomy_version=taxonomy.version,
    )
    check_parity(bundle, corpus, learned)
    run_id = report(step, inputs, learned, examples=examples, split_by=material.split_by, digest=bundle.digest)
    tags = {"pressrun.family": learned.family, "pressrun.labels": str(inputs["labels"])}
    return register(
        step.environment,
        name=step.pipeline.model,
        step_key=str(step.key),
        run_id=run_id,
        bundle=folder,
        digest=bundle.digest,
        tags=tags,
    )


def check_parity(bundle: Bundle, corpus: Corpus, learned: Learned, rows: int = 200) -> None:
    """The bundle, read back from its files, must answer as the trained model. Raises TrainingError beyond 1e-5."""
    places = np.arange(min(rows, len(corpus.texts)))
    from_files = bundle.scores(corpus.some(places))
    furthest = float(np.abs(from_files - learned.scores(corpus.read(bundle.model, places))).max())
    if furthest > PARITY:
        raise TrainingError(
            f"The bundle's scores differ from the model's by {furthest:.2g}, {PARITY:.0g} is allowed; nothing was "
            "registered. Report this with the bundle."
        )


def _examples(task: str, material: Material, learned: Learned) -> pa.Table:
    weights = learned.examples.weights
    return rows_of("examples", (_example(task, material, learned, int(i)) for i in np.flatnonzero(weights > 0)))


def _example(task: str, material: Material, learned: Learned, place: int) -> dict[str, Any]:
    article, label = material.articles[place]["article_id"], material.labels[place]
    provenance = "pseudo" if label is None else "people" if trusted(label["labeler"]) else "machine"
    return {
        "example_id": f"{task}:{article}",
        "article_id": article,
        "task": task,
        "entities": {"article": article},
        "group_id": material.groups[place],
        "target": learned.topics[learned.examples.targets[place]],
        "weight": float(learned.examples.weights[place]),
        "split": "holdout" if material.known.held_out[place] else "train",
        "provenance": provenance,
        "labeler": label["labeler"] if label else "teacher",
    }


def _facts(model: ModelRef, material: Material, learned: Learned) -> dict[str, Any]:
    told = [label for label in material.labels if label is not None]
    people = sum(trusted(label["labeler"]) for label in told)
    return {
        "model": model.model_dump(mode="json"),
        "family": learned.family,
        "families": dict(learned.family_scores),
        "chosen_on": learned.chosen_on,
        "split_by": material.split_by,
        "people": people,
        "machine": len(told) - people,
        "unlabeled": len(material.labels) - len(told),
        "set_aside": material.set_aside,
        "examples": int((learned.examples.weights > 0).sum()),
        "notes": list(learned.notes),
    }
