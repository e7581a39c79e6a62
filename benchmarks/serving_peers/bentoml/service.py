"""BentoML: one worker, its adaptive batching on."""

from __future__ import annotations

import bentoml
import numpy as np
from benchmark_model import KIND

# After so long a request is refused; torch needs more than its documentation's example gives.
MAX_BATCH, LATENCY_MILLISECONDS = 64, 1000
TORCH_MILLISECONDS = 20_000


@bentoml.service(workers=1)
class Gbdt:
    def __init__(self) -> None:
        from benchmark_model import booster

        self.model = booster()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=LATENCY_MILLISECONDS)
    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict(features))


@bentoml.service(workers=1)
class Text:
    def __init__(self) -> None:
        from benchmark_model import pipeline

        self.model = pipeline()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=LATENCY_MILLISECONDS)
    def predict(self, texts: list[str]) -> np.ndarray:
        return np.asarray(self.model.predict_proba(texts))


@bentoml.service(workers=1)
class Transformer:
    def __init__(self) -> None:
        from benchmark_model import Encoder

        self.model = Encoder()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=TORCH_MILLISECONDS)
    def predict(self, texts: list[str]) -> np.ndarray:
        return self.model(texts)


svc = {"gbdt": Gbdt, "text": Text, "transformer": Transformer}[KIND]
