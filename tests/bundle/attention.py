"""A transformer of one layer as exporters write it: positions from shapes, a mask, attention by heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def graph(*, tokens: int, width: int = 32, heads: int = 4, positions: int = 512, seed: int = 0) -> onnx.ModelProto:
    """Token ids below `tokens` to states (n, t, width)."""
    generator = np.random.default_rng(seed)
    weights: dict[str, Any] = {
        name: generator.normal(scale=0.3, size=shape).astype(np.float32)
        for name, shape in {
            "words": (tokens, width), "places": (positions, width), "kinds": (2, width), "q": (width, width),
            "k": (width, width), "v": (width, width), "o": (width, width), "up": (width, 2 * width),
            "down": (2 * width, width),
        }.items()
    }  # fmt: skip
    weights |= {
        "scale": np.ones(width, np.float32), "shift": np.zeros(width, np.float32), "zero": np.array(0),
        "one": np.array(1), "first": np.array([0]), "second": np.array([1]), "middle": np.array([1, 2]),
        "last": np.array([-1]), "by_heads": np.array([heads, width // heads]), "wide": np.array([width]),
        "size": np.float32(np.sqrt(width // heads)), "yes": np.float32(1), "never": np.float32(-1e9),
    }  # fmt: skip
    nodes = []

    def add(kind: str, *inputs: str, **options: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"t{len(nodes)}"], **options))
        return f"t{len(nodes) - 1}"

    def split(states: str, weight: str) -> str:
        shape = add("Concat", add("Slice", add("Shape", states), "first", "two"), "by_heads", axis=0)
        return add("Transpose", add("Reshape", add("MatMul", states, weight), shape), perm=[0, 2, 1, 3])

    weights["two"] = np.array([2])
    length = add("Gather", add("Shape", "input_ids"), "one", axis=0)
    states = add("Add", add("Gather", "words", "input_ids"), add("Gather", "kinds", "token_type_ids"))
    states = add("Add", states, add("Gather", "places", add("Range", "zero", length, "one")))
    states = add("LayerNormalization", states, "scale", "shift", axis=-1)
    hidden = add("Sub", "yes", add("Cast", add("Unsqueeze", "attention_mask", "middle"), to=TensorProto.FLOAT))
    query, key, value = (split(states, name) for name in "qkv")
    weight = add("Div", add("MatMul", query, add("Transpose", key, perm=[0, 1, 3, 2])), "size")
    weight = add("Softmax", add("Add", weight, add("Mul", hidden, "never")), axis=-1)
    joined = add("Transpose", add("MatMul", weight, value), perm=[0, 2, 1, 3])
    shape = add("Concat", add("Slice", add("Shape", states), "first", "two"), "wide", axis=0)
    states = add("Add", states, add("MatMul", add("Reshape", joined, shape), "o"))
    states = add("LayerNormalization", states, "scale", "shift", axis=-1)
    states = add("Add", states, add("MatMul", add("Gelu", add("MatMul", states, "up")), "down"))
    made = helper.make_graph(
        nodes,
        "attention",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"])
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ],
        [helper.make_tensor_value_info(states, TensorProto.FLOAT, ["n", "t", width])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
