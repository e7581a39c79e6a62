"""Both models' answers on the truth, from their bundles, and how fast the candidate gives them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pressrun.bundle import Bundle, article_text, load_bundle
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Gate
from pressrun.gates.truth import Truth
from pressrun.stats import quantile_interval
from pressrun.verdict import Assertion, Comparison, Decision

if TYPE_CHECKING:
    from pressrun.registry import ModelRef

_CALLS, _WARM, _ROUNDS = 200, 20, 3
_BATCH = 256
_EXAMPLE = ("Markets rise after the central bank holds rates", "Shares rose on Monday after rates were left alone.")


def open_model(environment: Environment, model: ModelRef) -> Bundle:
    """Loads a model's bundle, fetching it first if it is not here. Raises ValueError when it is not the one named."""
    folder = Path(model.bundle)
    if not folder.is_dir():
        from pressrun.registry import fetch

        folder = Path(fetch(environment, model.name, model.version).bundle)
    return load_bundle(folder, digest=model.digest)


def predictions(bundle: Bundle, truth: Truth) -> pa.Table:
    """The bundle's answers: article_id, label, probabilities. Raises ValueError for what are no probabilities."""
    texts = texts_of(truth)
    parts = [_scores(bundle, texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    scores = np.concatenate(parts) if parts else np.zeros((0, len(bundle.labels)))
    best = scores.argmax(axis=1)
    return pa.table(
        {
            "article_id": pa.array([row["article_id"] for row in truth.rows], pa.string()),
            "label": pa.array([bundle.labels[k] for k in best], pa.string()),
            "probabilities": pa.array(
                [list(zip(bundle.labels, row, strict=True)) for row in scores.tolist()],
                pa.map_(pa.string(), pa.float64()),
            ),
        }
    )


def texts_of(truth: Truth) -> list[str]:
    """What a model is given of each article."""
    return [article_text(row["title"] or "", row["body"] or "") for row in truth.rows]


def answers_check(bundle: Bundle) -> Assertion:
    """The loaded bundle answers. Raises ValueError when it does not."""
    _scores(bundle, [article_text(*_EXAMPLE)])
    return Assertion(
        metric="bundle",
        value=bundle.digest,
        decision=Decision.PASS,
        reason=f"the bundle loads, its digest is {bundle.digest[:12]} as registered, and it answers",
    )


def latency_check(bundle: Bundle, texts: Sequence[str], policy: Gate) -> Comparison:
    """The p99 of answering one article, warm. The best of a few rounds: a busy machine only ever makes it slower."""
    wanted = list(texts) or [article_text(*_EXAMPLE)]
    _milliseconds(bundle, wanted, _WARM)
    found, budget = None, policy.latency_p99_ms
    for _ in range(_ROUNDS):
        made = quantile_interval(_milliseconds(bundle, wanted, _CALLS), 0.99, policy.alpha)
        found = made if found is None or made.estimate < found.estimate else found
        if found.estimate <= budget:
            break
    assert found is not None
    decision = Decision.PASS if found.estimate <= budget else Decision.INSUFFICIENT
    if found.low > budget:
        decision = Decision.FAIL
    return Comparison(
        metric="latency_p99_ms",
        candidate=found.estimate,
        low=found.low if math.isfinite(found.low) else None,
        high=found.high if math.isfinite(found.high) else None,
        threshold=budget,
        samples=found.samples,
        method=f"order statistics, best of {_ROUNDS} rounds",
        alpha=policy.alpha,
        decision=decision,
        reason=f"answers one article in {found.estimate:.1f} ms at p99, {budget:g} ms allowed",
    )


def _milliseconds(bundle: Bundle, texts: Sequence[str], calls: int) -> list[float]:
    taken = []
    for call in range(calls):
        started = time.perf_counter()
        bundle.scores([texts[call % len(texts)]])
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _scores(bundle: Bundle, texts: Sequence[str]) -> Any:
    scores = np.asarray(bundle.scores(texts), dtype=np.float64)
    expected = (len(texts), len(bundle.labels))
    if scores.shape != expected:
        raise ValueError(f"the bundle answers {len(texts)} articles with shape {scores.shape}, {expected} is needed")
    if not np.isfinite(scores).all() or scores.min() < -1e-6 or scores.max() > 1 + 1e-6:
        raise ValueError(f"the bundle's answers are no probabilities: {scores.min():.3g} to {scores.max():.3g}")
    return scores
