"""Good bundles, and how an attacker who may write every file changes them: digests and sizes always fit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from pressrun.bundle import Bundle, write_bundle
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.tfidf import Tfidf
from tests.bundle import made


def linear(folder: Path, **more: Any) -> Bundle:
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    return write_bundle(folder, name="topics", labels=["a", "b"], steps=[tfidf], model=model, slope=2.0, **more)


def trees(folder: Path, objective: str = "regression") -> Bundle:
    model = Lightgbm(text=made.booster(objective).model_to_string())
    names = [f"column_{place}" for place in range(6)]
    return write_bundle(folder, name="clicks", task="regression", input="columns", columns=names, model=model)


def transformer(folder: Path, **more: Any) -> Bundle:
    return write_bundle(folder, name="articles", task="embedding", model=made.transformer(pooling="mean"), **more)


def manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "bundle.json").read_text()))


def change(folder: Path, **changes: Any) -> None:
    (folder / "bundle.json").write_text(json.dumps({**manifest(folder), **changes}))


def replace(folder: Path, name: str, content: bytes) -> None:
    """Another content for a file, with the digest and size that belong to it."""
    (folder / name).write_bytes(content)
    told = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    change(folder, files={**manifest(folder)["files"], name: told})
