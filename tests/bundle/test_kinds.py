"""Every kind of model, from its parts through a bundle's files to answers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import helper, numpy_helper
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from pressrun.bundle import BundleError, Pairs, load_bundle, write_bundle
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.mlflow_flavor import _load_pyfunc
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.transformer import Transformer
from tests.bundle import made

NAMES = [f"column_{place}" for place in range(6)]
TEXTS = ["goal for the home side", "shares of the bank", "", "match " * 100, "goal"]
ONE_NUMBER = ["regression", "regression_l1", "poisson", "gamma", "tweedie", "cross_entropy", "binary"]


def test_a_bundle_of_the_first_kind_keeps_its_digest(tmp_path: Path) -> None:
    tfidf = Tfidf(vocabulary={"goal": 0, "shares": 1}, idf=np.array([1.0, 1.5]))
    weights = np.array([[2.0, -2.0], [-2.0, 2.0]], dtype=np.float32)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    labels = ["Sports", "Business"]
    bundle = write_bundle(tmp_path / "b", name="topics", labels=labels, steps=[tfidf], model=model, slope=2.0)
    assert bundle.digest == "0031c61ff7dcd1716d75eedd24ce487f77606ff76a16706829e3bf3d9b90f468"


@pytest.mark.parametrize("objective", [*ONE_NUMBER, "lambdarank", "rank_xendcg", "multiclass", "multiclassova"])
@pytest.mark.parametrize("rows", [1, 2, 4, 5, 300])
def test_lightgbm_answers_bit_for_bit_as_its_booster(objective: str, rows: int) -> None:
    booster, values = made.booster(objective), made.columns(rows, seed=3)
    model = Lightgbm(text=booster.model_to_string())
    for given in (values, sparse.csr_matrix(np.nan_to_num(values))):
        expected = booster.predict(given, num_threads=1)
        raw = booster.predict(given, num_threads=1, raw_score=True)
        assert np.array_equal(model.predictions(given), expected.reshape(rows, -1))
        assert np.array_equal(model.decisions(given), raw.reshape(rows, -1))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 300])
def test_lightgbm_answers_rows_with_gaps_bit_for_bit_as_its_booster(rows: int) -> None:
    booster, values = made.with_gaps(), made.columns(rows, seed=3)
    values[np.random.default_rng(4).random(values.shape) < 0.3] = np.nan
    expected = booster.predict(values, num_threads=1).reshape(rows, -1)
    assert np.array_equal(Lightgbm(text=booster.model_to_string()).predictions(values), expected)


def test_lightgbm_answers_many_threads_at_once_as_it_answers_one() -> None:
    model, values = Lightgbm(text=made.booster("regression").model_to_string()), made.columns(200)
    expected = model.predictions(values)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda row: model.predictions(values[row : row + 1]), [*range(200)] * 20))
    assert np.array_equal(np.vstack(answers), np.vstack([expected] * 20))


def test_lightgbm_travels_to_another_process_as_text() -> None:
    model, values = Lightgbm(text=made.booster("regression").model_to_string()), made.columns(5)
    expected = model.predictions(values)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predictions(values), expected)


@pytest.mark.parametrize(
    ("objective", "task"), [("regression", "regression"), ("tweedie", "regression"), ("lambdarank", "ranking")]
)
def test_columns_are_answered_with_one_number(tmp_path: Path, objective: str, task: Any) -> None:
    booster, values = made.booster(objective), made.columns(50)
    model = Lightgbm(text=booster.model_to_string())
    write_bundle(tmp_path / "b", name="clicks", task=task, input="columns", columns=NAMES, model=model)
    bundle = load_bundle(tmp_path / "b")
    assert np.array_equal(bundle.scores(values), booster.predict(values).reshape(-1, 1))
    assert bundle.scores(values[:0]).shape == (0, 1)


@pytest.mark.parametrize("slope", [None, 1.0])
def test_two_classes_by_one_score_are_two_probabilities(tmp_path: Path, slope: float | None) -> None:
    booster, values = made.booster("binary"), made.columns(50)
    model = Lightgbm(text=booster.model_to_string())
    bundle = write_bundle(
        tmp_path / "b", name="clicks", labels=["no", "yes"], input="columns", columns=NAMES, model=model, slope=slope
    )
    scores, expected = bundle.scores(values), booster.predict(values)
    assert np.allclose(scores, np.stack([1 - expected, expected], axis=1), atol=1e-12)
    assert slope is not None or np.array_equal(scores[:, 1], expected)


def test_columns_answer_by_a_linear_model(tmp_path: Path) -> None:
    weights = np.arange(6, dtype=np.float32).reshape(1, 6)
    model = Linear(coefficients=weights, intercept=np.ones(1, dtype=np.float32))
    bundle = write_bundle(tmp_path / "b", name="clicks", task="regression", input="columns", columns=NAMES, model=model)
    assert np.allclose(bundle.scores(np.ones((2, 6))), 16)


@pytest.mark.parametrize("count", [2**18, 1000])
def test_hashed_ngrams_answer_as_scikit_learn(count: int) -> None:
    ours = HashedNgrams(columns=count)
    peer = HashingVectorizer(n_features=count, ngram_range=(1, 2))
    texts = [*TEXTS, "Ärger über Öl: prices ROSE", "日本 の 記事"]
    assert np.allclose(ours.transform(texts).toarray(), peer.transform(texts).toarray(), atol=1e-12)


def test_a_hash_without_a_magnitude_lands_where_scikit_learn_puts_it() -> None:
    least = np.array([-(2**31)])
    assert HashedNgrams(columns=1000)._places(least).tolist() == [(2147483647 - 999) % 1000]


def test_hashed_ngrams_come_back_from_a_bundle(tmp_path: Path) -> None:
    step = HashedNgrams(columns=64, ngram_range=(1, 1))
    weights = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    model = Linear(coefficients=weights, intercept=np.zeros(2, dtype=np.float32))
    bundle = write_bundle(tmp_path / "b", name="topics", labels=["a", "b"], steps=[step], model=model, slope=1.0)
    assert set(bundle.manifest.files) == {"model.safetensors"}
    assert bundle.steps == (step,)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_transformer_embeds_texts(tmp_path: Path, pooling: Any) -> None:
    model = made.transformer(pooling=pooling, normalize=True)
    bundle = write_bundle(tmp_path / "b", name="articles", task="embedding", model=model)
    together = bundle.scores(TEXTS)
    assert together.shape == (5, 4)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.allclose(together, np.vstack([bundle.scores([text]) for text in TEXTS]), atol=1e-6)
    assert bundle.scores([]).shape == (0, 4)


def test_a_transformer_classifies_texts(tmp_path: Path) -> None:
    model = made.transformer(width=2, pooled=True)
    bundle = write_bundle(tmp_path / "b", name="topics", labels=["a", "b"], model=model, slope=1.0)
    assert np.allclose(bundle.scores(TEXTS).sum(axis=1), 1)


def test_a_transformer_reranks_pairs(tmp_path: Path) -> None:
    model = made.transformer(width=1, pooled=True, types=True)
    bundle = write_bundle(tmp_path / "b", name="relevance", task="reranking", input="text_pair", model=model)
    pairs = Pairs(queries=["home goal"] * 5, texts=TEXTS)
    assert bundle.scores(pairs).shape == (5, 1)
    swapped = Pairs(queries=TEXTS, texts=["home goal"] * 5)
    assert not np.allclose(bundle.scores(pairs), bundle.scores(swapped))
    with pytest.raises(ValueError, match="5 queries for 4 texts"):
        Pairs(queries=TEXTS, texts=TEXTS[:4])


def test_sums_and_normalizations_run_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one operator they take onnxruntime several times as long."""
    optimized = tmp_path / "optimized.onnx"

    def options() -> onnxruntime.SessionOptions:
        given = plain()
        given.optimized_model_filepath = str(optimized)
        return given

    graph = made.graph()
    graph.graph.node.extend(
        [
            helper.make_node("Exp", ["states"], ["others"]),
            helper.make_node("Add", ["states", "others"], ["sum"]),
            helper.make_node("LayerNormalization", ["sum", "ones", "ones"], ["end"]),
        ]
    )
    graph.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "ones"))
    graph.graph.output[0].name = "end"
    plain, content = onnxruntime.SessionOptions, graph.SerializeToString()
    onnxruntime.InferenceSession(content, options(), providers=["CPUExecutionProvider"])
    assert "SkipLayerNormalization" in _operators(optimized)
    monkeypatch.setattr(onnxruntime, "SessionOptions", options)
    Transformer(graph=content, tokenizer=made.tokenizer(), pooling="mean").decisions(TEXTS)
    assert "SkipLayerNormalization" not in _operators(optimized)
    assert "LayerNormalization" in _operators(optimized)


def _operators(file: Path) -> set[str]:
    return {node.op_type for node in onnx.load(file).graph.node}


@pytest.mark.parametrize("batch", [TEXTS, np.zeros((2, 5)), Pairs(queries=TEXTS, texts=TEXTS)])
def test_another_input_than_the_models_is_refused(tmp_path: Path, batch: Any) -> None:
    model = Lightgbm(text=made.booster("regression").model_to_string())
    bundle = write_bundle(tmp_path / "b", name="c", task="regression", input="columns", columns=NAMES, model=model)
    with pytest.raises(ValueError, match=r"c reads (columns|rows of 6 columns), given was"):
        bundle.scores(batch)


@pytest.mark.parametrize(
    "parts",
    [
        {"task": "regression", "labels": ["a", "b"]},
        {"task": "regression", "slope": 1.0},
        {"labels": ["a"], "slope": 1.0},
        {"labels": ["a", "b"]},
        {"task": "reranking"},
        {"task": "regression", "columns": ["a"]},
        {"task": "regression", "input": "columns"},
        {"task": "regression", "input": "columns", "columns": ["a", "a"]},
        {"task": "regression", "memory": 10},
    ],
)
def test_parts_that_do_not_go_together_are_refused(tmp_path: Path, parts: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="no bundle can hold this model"):
        write_bundle(tmp_path / "b", name="a", model=made.transformer(pooled=True), **parts)
    assert not (tmp_path / "b").exists()


def test_a_model_of_another_width_than_the_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"answers .* for 3 labels"):
        write_bundle(tmp_path / "b", name="a", labels=["a", "b", "c"], model=made.transformer(pooled=True), slope=1.0)


def test_the_mlflow_flavor_answers_columns_by_name(tmp_path: Path) -> None:
    booster, values = made.booster("regression"), made.columns(5)
    model = Lightgbm(text=booster.model_to_string())
    write_bundle(tmp_path / "b", name="c", task="regression", input="columns", columns=NAMES, model=model)
    frame = pd.DataFrame(values, columns=NAMES, index=[9, 8, 7, 6, 5])[NAMES[::-1]]
    answers = _load_pyfunc(str(tmp_path / "b")).predict(frame)
    assert answers["score"].tolist() == booster.predict(values).tolist()
    assert answers.index.tolist() == [9, 8, 7, 6, 5]


def test_the_mlflow_flavor_answers_pairs_and_embeds(tmp_path: Path) -> None:
    reranker = made.transformer(width=1, pooled=True, types=True)
    write_bundle(tmp_path / "pairs", name="r", task="reranking", input="text_pair", model=reranker)
    frame = pd.DataFrame({"query": ["goal"] * 2, "text": ["home", "bank"]})
    assert list(_load_pyfunc(str(tmp_path / "pairs")).predict(frame).columns) == ["score"]
    write_bundle(tmp_path / "texts", name="e", task="embedding", model=made.transformer(pooling="cls"))
    answers = _load_pyfunc(str(tmp_path / "texts")).predict(frame)
    assert list(answers.columns) == [f"embedding_{place}" for place in range(4)]


def test_trees_are_served_without_importing_lightgbm_or_anything_heavy(tmp_path: Path) -> None:
    model = Lightgbm(text=made.booster("regression").model_to_string())
    write_bundle(tmp_path / "b", name="c", task="regression", input="columns", columns=NAMES, model=model)
    program = (
        "import sys; import numpy; from pressrun.bundle import load_bundle;"
        "load_bundle(sys.argv[1]).scores(numpy.zeros((1, 6)));"
        "heavy = {'lightgbm', 'sklearn', 'pandas', 'mlflow', 'onnx', 'onnxruntime', 'mmh3'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "b")], check=True, timeout=120)
