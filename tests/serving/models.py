"""Small real bundles of each kind of input, in a models file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from pressrun.bundle import Bundle, write_bundle
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.serving.hosting import Placed
from pressrun.serving.swapping import write_models

COLUMNS = ("age", "views", "length")


def topics(folder: Path) -> Bundle:
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    model = Linear(
        coefficients=np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32), intercept=np.zeros(2, dtype=np.float32)
    )
    return write_bundle(folder, name="topics", labels=["Sports", "Business"], steps=[tfidf], model=model, slope=2.0)


def clicks(folder: Path) -> Bundle:
    return write_bundle(
        folder, name="clicks", task="regression", input="columns", columns=COLUMNS, model=Lightgbm(text=_trees())
    )


def models_file(folder: Path) -> tuple[Path, dict[str, Bundle]]:
    """The file, and the bundles that it names as version 1 of each."""
    made = {"topics": topics(folder / "topics"), "clicks": clicks(folder / "clicks")}
    file = folder / "models.json"
    write_models(
        file,
        tuple(
            Placed(bundle=folder / name, model=name, version="1", digest=bundle.digest) for name, bundle in made.items()
        ),
    )
    return file, made


@cache
def _trees() -> str:
    import lightgbm

    chance = np.random.default_rng(0)
    rows = chance.normal(size=(500, len(COLUMNS)))
    data = lightgbm.Dataset(rows, rows[:, 0] + rows[:, 1] ** 2)
    options = {"objective": "regression", "verbose": -1, "num_threads": 1, "deterministic": True}
    return lightgbm.train(options, data, num_boost_round=20).model_to_string()
