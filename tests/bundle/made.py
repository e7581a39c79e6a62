"""Small models of every kind, made in a moment."""

from __future__ import annotations

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from pressrun.bundle.transformer import TextTokenizer, Transformer

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "goal", "shares", "home", "bank", "side", "match"]


def tokenizer(max_tokens: int = 32) -> TextTokenizer:
    made = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return TextTokenizer(made, max_tokens=max_tokens)


def graph(*, width: int = 4, pooled: bool = False, types: bool = False, seed: int = 0) -> onnx.ModelProto:
    """Token states (n, t, width) by a table and one layer; with `pooled` their masked sum (n, width)."""
    generator = np.random.default_rng(seed)
    table = generator.normal(size=(len(WORDS), width)).astype(np.float32)
    layer = generator.normal(size=(width, width)).astype(np.float32)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "layer"], ["states"]),
    ]
    weights = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(layer, "layer")]
    output, shape = "states", ["n", "t", width]
    if types:
        weights.append(numpy_helper.from_array(generator.normal(size=(2, width)).astype(np.float32), "kinds"))
        nodes += [
            helper.make_node("Gather", ["kinds", "token_type_ids"], ["kind"]),
            helper.make_node("Add", ["states", "kind"], ["typed"]),
        ]
        output = "typed"
    if pooled:
        weights += [numpy_helper.from_array(np.array([2]), "last"), numpy_helper.from_array(np.array([1]), "tokens")]
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "last"], ["wide_mask"]),
            helper.make_node("Mul", [output, "wide_mask"], ["masked"]),
            helper.make_node("ReduceSum", ["masked", "tokens"], ["logits"], keepdims=0),
        ]
        output, shape = "logits", ["n", width]
    made = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in names],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        weights,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def transformer(*, width: int = 4, pooled: bool = False, types: bool = False, **options: Any) -> Transformer:
    content = graph(width=width, pooled=pooled, types=types).SerializeToString()
    return Transformer(graph=content, tokenizer=tokenizer(), **options)


def columns(rows: int = 300, width: int = 6, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(rows, width))
    values[::17, 2] = np.nan
    return values


@cache
def booster(objective: str, **options: Any) -> lightgbm.Booster:
    """Trained on `columns()`, of which the third has gaps and the last is a category."""
    rows = columns()
    rows[:, -1] = np.arange(len(rows)) % 5
    targets = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    if objective in ("multiclass", "multiclassova"):
        targets = targets + (rows[:, -1] > 2)
        options["num_class"] = 3
    if objective == "gamma":
        targets = targets + 1
    groups = np.full(len(rows) // 10, 10) if objective in ("lambdarank", "rank_xendcg") else None
    data = lightgbm.Dataset(rows, label=targets, group=groups, categorical_feature=[5], params={"verbose": -1})
    settings = {"objective": objective, "num_leaves": 7, "min_data_in_leaf": 3, "num_threads": 1, "verbose": -1}
    return lightgbm.train({**settings, **options}, data, num_boost_round=12)


def linear_trees() -> lightgbm.Booster:
    rows = columns(seed=1)
    settings = {"objective": "regression", "linear_tree": True, "num_leaves": 5, "num_threads": 1, "verbose": -1}
    data = lightgbm.Dataset(rows, label=np.nan_to_num(rows).sum(axis=1), params={"verbose": -1, "linear_tree": True})
    return lightgbm.train(settings, data, num_boost_round=4)


def with_gaps() -> lightgbm.Booster:
    """Regression over six columns, of which numbers are missing, which says something itself."""
    random = np.random.default_rng(0)
    values = columns()
    gaps = random.random(values.shape) < 0.2
    target = values[:, 0] + gaps[:, 1] + random.normal(0, 0.1, len(values))
    data = lightgbm.Dataset(np.where(gaps, np.nan, values), target)
    return lightgbm.train({"objective": "regression", "num_threads": 1, "verbose": -1}, data, num_boost_round=20)


def stump() -> lightgbm.Booster:
    """Nothing to learn: trees of one leaf."""
    rows = np.zeros((50, 6))
    data = lightgbm.Dataset(rows, label=np.ones(50), params={"verbose": -1})
    return lightgbm.train({"objective": "regression", "num_threads": 1, "verbose": -1}, data, num_boost_round=3)
