"""A transformer's graph in 8 bits: made in two ways, measured, and the one that loses least is kept.

Weights are int8, a scale a channel, in 7 of their 8 bits: the multiplication of processors without VNNI overflows
above. Activations are uint8, by their range in each batch (dynamic) or by their range on calibration texts (static).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from pressrun.bundle.models import softmax
from pressrun.bundle.transformer import Transformer
from pressrun.training.calibration import calibrate, log_loss_of
from pressrun.training.measured import milliseconds
from pressrun.training.teacher import Codes, Reals
from pressrun.training.token_batches import by_length, rectangle

_CALIBRATED, _BATCH = 128, 8
_WEIGHTED = ("MatMul", "Gemm")


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """The kept model, how it was made, and what it loses against fp32 on the rows that chose: negative is a gain."""

    model: Transformer
    method: str
    macro_f1_loss: float
    log_loss_rise: float
    largest_change: float
    speedup: float


def quantized(model: Transformer, *, calibration: Sequence[str], texts: Sequence[str], truth: Codes) -> Quantized:
    """The fp32 `model` in int8. It is calibrated on texts that were learned from, and chosen on `texts` (n,) that were
    not, with their `truth` (n,).
    """
    graphs = {"dynamic": dynamic(model.graph), "static": static(model, calibration[:_CALIBRATED])}
    before, kept = model.decisions(texts), list[Quantized]()
    slope, full_ms = calibrate(before, truth), milliseconds(model.decisions, texts)
    for method, graph in graphs.items():
        small = replace(model, graph=graph, precision="int8")
        after = small.decisions(texts)
        chances, told = softmax(before, slope), softmax(after, slope)
        kept.append(
            Quantized(
                model=small,
                method=method,
                macro_f1_loss=_macro_f1(truth, before) - _macro_f1(truth, after),
                log_loss_rise=log_loss_of(told, truth) - log_loss_of(chances, truth),
                largest_change=float(np.abs(told - chances).max()),
                speedup=full_ms / milliseconds(small.decisions, texts),
            )
        )
    return min(kept, key=lambda one: (one.macro_f1_loss, one.log_loss_rise))


def _macro_f1(truth: Codes, decisions: Reals) -> float:
    return float(f1_score(truth, decisions.argmax(axis=1), average="macro", zero_division=0.0))


def dynamic(graph: bytes) -> bytes:
    """Weights and the table of tokens in int8; activations by the range that each batch has."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _files(graph) as (given, made):
        quantize_dynamic(
            given,
            made,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=[*_WEIGHTED, "Gather"],
        )
        return made.read_bytes()


def static(model: Transformer, texts: Sequence[str]) -> bytes:
    """Weights in int8; activations by the range that they have on `texts`. What multiplies no weights stays fp32."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with _files(model.graph) as (given, made):
        quantize_static(
            given,
            made,
            _Calibration(model, texts),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=_weighted(model.graph),
            op_types_to_quantize=list(_WEIGHTED),
        )
        return made.read_bytes()


@contextmanager
def _files(graph: bytes) -> Iterator[tuple[Path, Path]]:
    """The library reads and writes files; its advice to prepare a graph first would bring operators of its own."""
    advice, logger = _Advice(), logging.getLogger()
    with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        given, made = Path(scratch) / "given.onnx", Path(scratch) / "made.onnx"
        given.write_bytes(graph)
        logger.addFilter(advice)
        try:
            yield given, made
        finally:
            logger.removeFilter(advice)


class _Advice(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return "pre-processing" not in record.getMessage()


def _weighted(graph: bytes) -> list[str]:
    """The multiplications by weights; those of attention multiply two activations, which lose most in 8 bits."""
    import onnx

    read = onnx.load_from_string(graph).graph
    weights = {tensor.name for tensor in read.initializer}
    return [node.name for node in read.node if node.op_type in _WEIGHTED and weights & set(node.input)]


class _Calibration:
    """What onnxruntime's `CalibrationDataReader` is to its quantization: batches by the graph's inputs."""

    def __init__(self, model: Transformer, texts: Sequence[str]) -> None:
        encodings, padding = model.tokenizer.encode(texts), model.tokenizer.padding
        places = by_length([len(encoding.ids) for encoding in encodings], _BATCH)
        self._batches = (rectangle([encodings[place] for place in part], padding) for part in places)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)
