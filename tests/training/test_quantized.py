"""A graph in 8 bits: what it keeps of the answers, and which of the two ways is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from pressrun.bundle.transformer import Transformer
from pressrun.training import quantized as module
from pressrun.training.quantized import dynamic, quantized, static
from tests.bundle.made import WORDS, transformer

TEXTS = [f"{one} {two} {three}" for one in WORDS[4:] for two in WORDS[4:] for three in WORDS[4:]]


@pytest.fixture(scope="module")
def model() -> Transformer:
    return transformer(pooled=True)


def operators(graph: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(graph).graph.node}


def truth(model: Transformer) -> np.ndarray:
    return model.decisions(TEXTS).argmax(axis=1)


def test_dynamic_measures_each_batch_and_static_was_calibrated(model: Transformer) -> None:
    by_batch, calibrated = operators(dynamic(model.graph)), operators(static(model, TEXTS[:64]))
    assert "MatMulInteger" in by_batch
    assert "QuantizeLinear" not in by_batch
    assert "QuantizeLinear" in calibrated
    assert "MatMulInteger" not in calibrated


def test_the_same_graph_gives_the_same_bytes(model: Transformer) -> None:
    assert dynamic(model.graph) == dynamic(model.graph)
    assert static(model, TEXTS[:64]) == static(model, TEXTS[:64])


def test_the_kept_one_answers_nearly_as_fp32_and_says_what_it_lost(model: Transformer) -> None:
    found = quantized(model, calibration=TEXTS[:64], texts=TEXTS, truth=truth(model))
    assert found.model.precision == "int8"
    agreed = (found.model.decisions(TEXTS).argmax(axis=1) == truth(model)).mean()
    assert agreed > 0.9
    assert 0 <= found.macro_f1_loss < 0.1
    assert found.largest_change > 0
    assert found.speedup > 0


@pytest.mark.parametrize("spoilt", ["dynamic", "static"])
def test_the_one_that_loses_least_is_kept(model: Transformer, monkeypatch: pytest.MonkeyPatch, spoilt: str) -> None:
    other = replace(model, graph=transformer(pooled=True, width=4).graph)
    bad = onnx.load_from_string(other.graph)
    for weight in bad.graph.initializer:
        if weight.name == "layer":
            weight.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weight), "layer"))
    monkeypatch.setattr(module, spoilt, lambda *_: bad.SerializeToString())
    found = quantized(model, calibration=TEXTS[:64], texts=TEXTS, truth=truth(model))
    assert found.method == {"dynamic": "static", "static": "dynamic"}[spoilt]
