"""What MLflow is told of a training: datasets, parameters, metrics, a curve and a confusion matrix."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score, log_loss

from pressrun.lake.types import DatasetRef
from pressrun.registry import EXAMPLES_TAG, keep_settings
from pressrun.registry.tracking import answering, connect, log_inputs, open_run
from pressrun.step import Step
from pressrun.training.learn import Learned


def report(
    step: Step, inputs: dict[str, DatasetRef], learned: Learned, *, examples: DatasetRef, split_by: str, digest: str
) -> str:
    """Fills this step's run and gives its id. A retry fills the same run again with the same values."""
    client = connect(step.environment)
    parameters = _parameters(step, learned, split_by)
    # A step done anew under other settings may make the very same model; its run keeps the settings that it has.
    mark = hashlib.sha256(repr([(one.key, one.value) for one in parameters]).encode()).hexdigest()[:16]
    tags = {"mlflow.runName": step.key.run_id, "pressrun.digest": digest, "pressrun.parameters": mark}
    if runtime := step.runtime("train"):
        tags["pressrun.environment"] = runtime
    with answering(step.environment):
        run_id = open_run(step.environment, experiment=step.pipeline.model, step_key=str(step.key), tags=tags)
        client.log_batch(run_id, metrics=_metrics(learned), params=parameters)
        client.set_tag(run_id, EXAMPLES_TAG, examples.model_dump_json())
        log_inputs(client, run_id, _inputs(inputs))
        keep_settings(step.environment, run_id, step.pipeline.model_dump(mode="json"))
        client.log_figure(run_id, confusion_picture(learned), "confusion_matrix.png")
        client.set_terminated(run_id)
    return run_id


def _parameters(step: Step, learned: Learned, split_by: str) -> list[Any]:
    from mlflow.entities import Param

    chosen = {"family": learned.family, "chosen_on": learned.chosen_on, "split_by": split_by}
    settings = {name: json.dumps(value) for name, value in step.pipeline.train.model_dump(mode="json").items()}
    return [Param(name, str(value)[:500]) for name, value in {**settings, **chosen}.items()]


def _metrics(learned: Learned) -> list[Any]:
    from mlflow.entities import Metric

    answers = learned.held_out_scores.argmax(axis=1)
    places = list(range(len(learned.topics)))
    per_topic = f1_score(learned.truth, answers, labels=places, average=None, zero_division=0.0)
    values = {
        "holdout_macro_f1": learned.family_scores[learned.family],
        "holdout_log_loss": log_loss(learned.truth, learned.held_out_scores, labels=places),
        "holdout_rows": len(learned.truth),
        "examples": int((learned.examples.weights > 0).sum()),
        **{f"family_{name}_macro_f1": score for name, score in learned.family_scores.items()},
        **{_plain(name): value for name, value in learned.measured.items()},
        **{f"f1_{_plain(name)}": score for name, score in zip(learned.topics, per_topic, strict=True)},
    }
    curve = [Metric("learning_curve_macro_f1", score, 0, count) for count, score in learned.curve]
    return [Metric(name, float(value), 0, 0) for name, value in values.items()] + curve


def _plain(topic: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in topic)


def _inputs(inputs: dict[str, DatasetRef]) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput

    return [
        DatasetInput(Dataset(name=name, digest=ref.digest[:36], source_type="pressrun", source=ref.model_dump_json()))
        for name, ref in inputs.items()
    ]


def confusion_picture(learned: Learned) -> Any:
    """Truth by answer on the held-out rows, as a matplotlib figure."""
    from matplotlib.figure import Figure

    places = list(range(len(learned.topics)))
    counts = confusion_matrix(learned.truth, learned.held_out_scores.argmax(axis=1), labels=places)
    figure = Figure(figsize=(5, 4.4), dpi=120)
    axes = figure.subplots()
    axes.imshow(counts, cmap="Greens")
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=shade)
    axes.set_xticks(places, learned.topics, rotation=30, ha="right")
    axes.set_yticks(places, learned.topics)
    axes.set(xlabel="answer", ylabel="truth", title=learned.chosen_on)
    figure.tight_layout()
    return figure
