"""A plain FastAPI in front of the model, as its documentation shows it for code that does not await."""

from typing import Any

import numpy as np
from benchmark_model import KIND, booster, pipeline
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    features: list[list[float]]


class Texts(BaseModel):
    texts: list[str]


class Scores(BaseModel):
    scores: list[Any]


app = FastAPI()

match KIND:
    case "gbdt":
        model = booster()

        @app.post("/predict")
        def predict(rows: Rows) -> Scores:
            return Scores(scores=model.predict(np.array(rows.features)).tolist())

    case "text":
        classifier = pipeline()

        @app.post("/predict")
        def classify(asked: Texts) -> Scores:
            return Scores(scores=classifier.predict_proba(asked.texts).tolist())

    case "transformer":
        from benchmark_model import Encoder

        encoder = Encoder()

        @app.post("/predict")
        def encode(asked: Texts) -> Scores:
            return Scores(scores=encoder(asked.texts).tolist())
