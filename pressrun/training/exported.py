"""From a trained network to an ONNX graph that a bundle holds. Needs torch."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pressrun.bundle import BundleError, write_bundle
from pressrun.bundle.transformer import TextTokenizer, Transformer
from pressrun.training.errors import TrainingError
from pressrun.training.network import Classifier

# From 20 on GELU is one operator; the five that it was before pass over the widest states five times.
_OPSET = 20
_NAMES = ("input_ids", "attention_mask")


def export(network: Classifier, tokenizer: TextTokenizer) -> Transformer:
    """The network in fp32; the same weights give the same bytes. It is on the CPU afterwards."""
    network.to("cpu").eval()
    ids = torch.full((2, 8), tokenizer.padding, dtype=torch.int64)
    texts, tokens = torch.export.Dim("texts"), torch.export.Dim("tokens")
    with _plain_attention(network.encoder), _quiet(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (ids, torch.ones_like(ids)),
            input_names=list(_NAMES),
            output_names=["logits"],
            dynamic_shapes={name: {0: texts, 1: tokens} for name in _NAMES},
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    return Transformer(graph=_bare(program.model_proto), tokenizer=tokenizer, threads=torch.get_num_threads())


def refuse_unservable(network: Classifier, tokenizer: TextTokenizer, *, name: str) -> None:
    """Raises TrainingError where no bundle can hold such a network: before hours are spent on one."""
    labels = [str(number) for number in range(network.head.out_features)]
    with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
        try:
            write_bundle(
                Path(scratch) / "bundle", name="trial", labels=labels, slope=1.0, model=export(network, tokenizer)
            )
        except (BundleError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"{name} cannot be served by a bundle: {str(error)[:400]}; choose another model"
            ) from error


def _bare(model: Any) -> bytes:
    """Without what exporters note of the source: paths of this machine among it."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def _plain_attention(encoder: Any) -> Iterator[None]:
    """Attention by its plain formula, which every runtime knows and fuses in its own way."""
    was = encoder.config._attn_implementation
    encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        encoder.set_attn_implementation(was)


@contextmanager
def _quiet() -> Iterator[None]:
    """Its warnings are about operators of vision and about names of axes."""
    logger = logging.getLogger("torch.onnx")
    was = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(was)
