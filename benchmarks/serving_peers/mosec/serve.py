"""mosec: one worker process behind its HTTP server in Rust, requests batched as they arrive."""

from typing import Any

import numpy as np
from benchmark_model import KIND, booster, pipeline
from mosec import Server, Worker

MAX_BATCH, WAIT_MILLISECONDS = 64, 1


class Gbdt(Worker):
    def __init__(self) -> None:
        self.model = booster()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = np.array([one["features"] for one in data], dtype=np.float64)
        return [{"scores": [score]} for score in self.model.predict(rows).tolist()]


class Text(Worker):
    def __init__(self) -> None:
        self.model = pipeline()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"scores": row} for row in self.model.predict_proba([one["text"] for one in data]).tolist()]


class Transformer(Worker):
    def __init__(self) -> None:
        from benchmark_model import Encoder

        self.model = Encoder()

    def forward(self, data: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"scores": row} for row in self.model([one["text"] for one in data]).tolist()]


if __name__ == "__main__":
    server = Server()
    worker = {"gbdt": Gbdt, "text": Text, "transformer": Transformer}[KIND]
    server.append_worker(worker, num=1, max_batch_size=MAX_BATCH, max_wait_time=WAIT_MILLISECONDS)
    server.run()
