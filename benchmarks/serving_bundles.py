"""The benchmark's models as bundles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from serving_models import FEATURES, Task
from serving_transformer import exported

from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.write import write_bundle


def write(task: Task, folder: Path) -> None:
    match task.kind:
        case "gbdt":
            _gbdt(task, folder)
        case "text":
            _text(task, folder)
        case "transformer":
            shutil.copytree(exported(task.folder) / "int8", folder)


def _gbdt(task: Task, folder: Path) -> None:
    write_bundle(
        folder,
        name="gbdt",
        task="regression",
        input="columns",
        columns=[f"x{number}" for number in range(FEATURES)],
        model=Lightgbm(text=(task.folder / "model.txt").read_text(encoding="utf-8")),
    )


def _text(task: Task, folder: Path) -> None:
    parameters = np.load(task.folder / "weights.npz")
    grams = json.loads((task.folder / "vocabulary.json").read_text(encoding="utf-8"))
    write_bundle(
        folder,
        name="text",
        labels=json.loads((task.folder / "labels.json").read_text(encoding="utf-8")),
        steps=[Tfidf(vocabulary={gram: column for column, gram in enumerate(grams)}, idf=parameters["idf"])],
        model=Linear(coefficients=parameters["coefficients"], intercept=parameters["intercept"]),
        slope=float(parameters["slope"]),
    )
