"""Registered models of two words, which answer by what their title says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pressrun.bundle import write_bundle
from pressrun.bundle.models import Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.config.environment import Environment
from pressrun.registry import ModelRef, register
from pressrun.registry.tracking import open_run

LABELS = ("Sports", "Business")


def registered(
    environment: Environment, folder: Path, *, night: int, sure: float = 2.0, wrong: bool = False
) -> ModelRef:
    """The model of a night: `goal` is Sports and `shares` is Business to it, or the other way round."""
    bundle = folder / f"bundle{night}"
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.0]))
    weights = np.array([[sure, -sure], [-sure, sure]], dtype=np.float32) * (-1 if wrong else 1)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    written = write_bundle(bundle, name="topics", labels=list(LABELS), steps=[tfidf], model=model, slope=2.0)
    step_key = f"topics_retrain/night {night}/train/-1"
    run_id = open_run(environment, experiment="topics", step_key=step_key, tags={})
    return register(environment, name="topics", step_key=step_key, run_id=run_id, bundle=bundle, digest=written.digest)
