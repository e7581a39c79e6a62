"""The models that every server gets, as plain parameters in files, and the requests with what they are to be answered.

All is made once, from fixed seeds, into a folder of its own: `gbdt` is a LightGBM of 500 trees with 63 leaves over 64
features, `text` TF-IDF with a linear SVM whose decisions a softmax turns into probabilities, `transformer` MiniLM with
a head trained on its frozen embeddings (by `serving_transformer.py`, where torch is).
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent / "serving_peers" / "shared"))

KINDS = ("gbdt", "text", "transformer")
FEATURES, TREES, LEAVES, TRAINING_ROWS = 64, 500, 63, 50_000
# Distinct requests: more than a response cache keeps, so that answers are computed.
REQUESTS = {"gbdt": 65_536, "text": 65_536, "transformer": 32_768}
CHECKED = 64
TOLERANCE = {"gbdt": 1e-6, "text": 1e-5, "transformer": 1e-4}
TOPICS = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}
TRAINED_ARTICLES, SIMULATED_ARTICLES = 600, 12_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A model's parameters in `folder`; `inputs` are rows as JSON, the first of them answered by `answers` (m, k)."""

    kind: str
    folder: Path
    inputs: Sequence[str]
    answers: Floats

    @property
    def tolerance(self) -> float:
        return TOLERANCE[self.kind]


@dataclass(frozen=True, kw_only=True)
class Articles:
    """Texts of a title and a body, a line each, and their topics; `name` tells one collection from another."""

    name: str
    texts: list[str]
    topics: list[str]


def task_of(kind: str, home: Path, articles: Articles, *, torch: Callable[[], Path]) -> Task:
    """The task, made into `home` when it is not there yet; `torch` gives a Python that has torch."""
    folder = home / f"{kind}-{articles.name}"
    if not (folder / "answers.npy").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make: dict[str, Callable[[], None]] = {
            "gbdt": lambda: _gbdt(folder),
            "text": lambda: _text(folder, articles),
            "transformer": lambda: _transformer(folder, articles, torch()),
        }
        make[kind]()
    return Task(
        kind=kind,
        folder=folder,
        inputs=(folder / "inputs.jsonl").read_text(encoding="utf-8").splitlines(),
        answers=np.load(folder / "answers.npy"),
    )


def read_articles(path: Path | None) -> Articles:
    """From a CSV without a header (topic's code, title, body), or else the simulator's."""
    if path is None:
        return _simulated()
    content = path.read_text(encoding="utf-8")
    rows = [row for row in csv.reader(content.splitlines()) if len(row) >= 3]
    return Articles(
        name=hashlib.sha256(content.encode()).hexdigest()[:12],
        texts=[_text_of(title, body.replace("\\", " ")) for _, title, body, *_ in rows],
        topics=[TOPICS.get(code, code) for code, *_ in rows],
    )


def _simulated() -> Articles:
    from pressrun.simulator import Newsroom, articles_of

    written = list(articles_of(Newsroom(seed=3, articles_per_night=SIMULATED_ARTICLES), 1))
    texts = [_text_of(one.title, one.body) for one in written]
    return Articles(name="simulated", texts=texts, topics=[one.label for one in written])


def _text_of(title: str, body: str) -> str:
    return f"{title.strip()}\n{body.strip()}"


def _gbdt(folder: Path) -> None:
    import lightgbm

    random = np.random.default_rng(11)
    rows = random.normal(size=(TRAINING_ROWS, FEATURES))
    bends = random.normal(size=(3, FEATURES))
    target = np.sin(rows @ bends[0]) + np.abs(rows @ bends[1]) / 8 + rows[:, 0] * rows[:, 1]
    target += random.normal(scale=0.3, size=TRAINING_ROWS)
    settings = {
        "objective": "regression", "num_leaves": LEAVES, "learning_rate": 0.05, "seed": 11, "num_threads": 1,
        "verbose": -1,
    }  # fmt: skip
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, target), num_boost_round=TREES)
    booster.save_model(str(folder / "model.txt"))
    # As features come from a store: 32-bit numbers, in the fewest digits that tell them apart.
    asked = random.normal(size=(REQUESTS["gbdt"], FEATURES)).astype(np.float32)
    lines = [f"[{','.join(map(str, row.tolist()))}]" for row in _short(asked)]
    _put_inputs(folder, lines)
    np.save(folder / "answers.npy", booster.predict(np.array([json.loads(line) for line in lines[:CHECKED]]))[:, None])


def _short(rows: NDArray[np.float32]) -> Floats:
    return np.array([[float(str(value)) for value in row] for row in rows])


def _text(folder: Path, articles: Articles) -> None:
    from benchmark_model import pipeline
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    svm = LinearSVC(random_state=11).fit(vectorizer.fit_transform(articles.texts), articles.topics)
    grams = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    (folder / "vocabulary.json").write_text(json.dumps(grams), encoding="utf-8")
    (folder / "labels.json").write_text(json.dumps(list(svm.classes_)), encoding="utf-8")
    np.savez(
        folder / "weights.npz",
        idf=vectorizer.idf_.astype(np.float32),
        coefficients=svm.coef_.astype(np.float32),
        intercept=svm.intercept_.astype(np.float32),
        slope=np.float64(2.0),
    )
    texts = mixed(articles, REQUESTS["text"])
    _put_inputs(folder, [json.dumps(text) for text in texts])
    np.save(folder / "answers.npy", pipeline(folder).predict_proba(texts[:CHECKED]))


def _transformer(folder: Path, articles: Articles, python: Path) -> None:
    from serving_transformer import train_head

    _put_inputs(folder, [json.dumps(text) for text in mixed(articles, REQUESTS["transformer"])])
    train_head(folder, articles.texts, articles.topics, trained=TRAINED_ARTICLES, checked=CHECKED, python=python)


def mixed(articles: Articles, count: int) -> list[str]:
    """Distinct texts: one article's title above another's body."""
    random = Random(11)
    parts = [text.partition("\n") for text in articles.texts]
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[f"{random.choice(parts)[0]}\n{random.choice(parts)[2]}"] = None
    return list(texts)


def _put_inputs(folder: Path, lines: Sequence[str]) -> None:
    if len(set(lines)) != len(lines):
        raise ValueError("requests must be distinct")
    (folder / "inputs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def scores_of(value: Any) -> Floats:
    """(k,) one answer's numbers, however nested."""
    return np.asarray(value, dtype=np.float64).ravel()
