"""The benchmark's models from their plain parameters, with what a server's environment has to run them.

Every peer runs this in an environment of its own; MODEL_KIND and MODEL_FOLDER say which model, and where it lies.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import lightgbm
    from sklearn.pipeline import Pipeline

KIND = os.environ.get("MODEL_KIND", "gbdt")
FOLDER = Path(os.environ.get("MODEL_FOLDER", "."))
MAX_TOKENS = 128


def booster(folder: Path = FOLDER) -> lightgbm.Booster:
    import lightgbm

    return lightgbm.Booster(model_file=str(folder / "model.txt"))


def pipeline(folder: Path = FOLDER) -> Pipeline:
    """TF-IDF and a softmax over linear decisions; scikit-learn's own classes with the parameters put in."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    parameters = np.load(folder / "weights.npz")
    grams = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, vocabulary={gram: column for column, gram in enumerate(grams)}
    )
    vectorizer.idf_ = parameters["idf"].astype(np.float64)
    classifier = LogisticRegression()
    classifier.classes_ = np.array(labels(folder))
    classifier.coef_ = parameters["coefficients"].astype(np.float64) * float(parameters["slope"])
    classifier.intercept_ = parameters["intercept"].astype(np.float64) * float(parameters["slope"])
    classifier.n_features_in_ = len(grams)
    return make_pipeline(vectorizer, classifier)


def labels(folder: Path = FOLDER) -> list[str]:
    return list(json.loads((folder / "labels.json").read_text(encoding="utf-8")))


class Encoder:
    """MiniLM with a classification head, in torch: the mean of tokens, length one, softmax of a linear head."""

    def __init__(self, folder: Path = FOLDER) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        torch.set_num_threads(1)
        self._torch = torch
        self._tokenizer = AutoTokenizer.from_pretrained(str(folder / "minilm"))
        self._model = AutoModel.from_pretrained(str(folder / "minilm")).eval()
        head = folder / "head.npz"
        self._head = {name: torch.from_numpy(value) for name, value in np.load(head).items()} if head.is_file() else {}

    def embeddings(self, texts: Sequence[str]) -> Any:
        """(n, 384) rows of length one."""
        torch = self._torch
        batch = self._tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            states = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * mask).sum(dim=1) / mask.sum(dim=1)
            return torch.nn.functional.normalize(means, dim=1)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """(n, k) probabilities."""
        torch = self._torch
        with torch.inference_mode():
            logits = self.embeddings(texts) @ self._head["coefficients"].T + self._head["intercept"]
            return np.asarray(torch.softmax(logits, dim=1).numpy())
