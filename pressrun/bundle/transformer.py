"""Transformers as ONNX graphs: tokens, batches of texts of like length, pooling. Texts alone go in.

onnxruntime reads the graph from bytes that were verified: it opens no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from pressrun.bundle.errors import BundleError
from pressrun.bundle.inputs import Pairs
from pressrun.bundle.specs import Pooling, Precision
from pressrun.bundle.tfidf import MAX_CHARACTERS

if TYPE_CHECKING:
    import onnxruntime

Texts: TypeAlias = Sequence[str] | Pairs
Floats: TypeAlias = NDArray[np.float32]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
BATCH_TOKENS = 256
"""Tokens of one run, padding included: with more, what a layer hands to the next no longer fits a CPU's cache."""
_PADDING = ("[PAD]", "<pad>")
# onnxruntime's one operator for a sum and its normalization takes several times as long as the two on a CPU.
_UNWANTED_FUSIONS = ("SkipLayerNormFusion",)


class TextTokenizer:
    """A tokenizer with its special tokens; a text (or pair) has `max_tokens` tokens at the most, the rest is cut."""

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int, padding: int | None = None) -> None:
        """`padding` is the id that pads; None takes the tokenizer's own."""
        self.tokenizer, self.max_tokens = Tokenizer.from_str(tokenizer.to_str()), max_tokens
        said = tokenizer.padding
        named = [found for name in _PADDING if (found := tokenizer.token_to_id(name)) is not None]
        own = int(said["pad_id"]) if said else next(iter(named), 0)
        self.padding = own if padding is None else padding
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens)

    def encode(self, texts: Texts) -> list[Encoding]:
        """Without padding, in order."""
        if isinstance(texts, Pairs):
            pairs = zip(_beginnings(texts.queries), _beginnings(texts.texts), strict=True)
            return self.tokenizer.encode_batch_fast(list(pairs))
        if len(texts) == 1:
            return [self.tokenizer.encode(_beginnings(texts)[0])]
        return self.tokenizer.encode_batch_fast(_beginnings(texts))


def _beginnings(texts: Sequence[str]) -> list[str]:
    """A longer text is read by its beginning, so that one article cannot hold a server up."""
    return [text[:MAX_CHARACTERS] for text in texts]


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """`graph` is an ONNX model: INPUTS (n, t) int64 to (n, k), or with a pooling to token states (n, t, k).

    `threads` is how many compute one batch.
    """

    graph: bytes = field(repr=False)
    tokenizer: TextTokenizer
    pooling: Pooling = "none"
    normalize: bool = False
    precision: Precision = "fp32"
    threads: int = 1

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 4
        # A plan of memory is kept for each size of a batch, and there are many sizes.
        options.enable_mem_pattern = False
        return onnxruntime.InferenceSession(
            self.graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=_UNWANTED_FUSIONS
        )

    @cached_property
    def _inputs(self) -> tuple[str, ...]:
        names = tuple(given.name for given in self._session.get_inputs())
        if not {"input_ids", "attention_mask"} <= set(names) <= set(INPUTS):
            raise BundleError(f"the graph takes {', '.join(names)}; a transformer takes {', '.join(INPUTS)}")
        return names

    @cached_property
    def _output(self) -> list[str]:
        """The first one is the answer."""
        return [self._session.get_outputs()[0].name]

    def try_out(self) -> None:
        """Answers the first and the last token, so that one which the graph's table lacks shows now, not in traffic.

        Raises BundleError for an answer of another shape, and what onnxruntime raises.
        """
        ids = sorted({*self.tokenizer.tokenizer.get_vocab(with_added_tokens=True).values(), self.tokenizer.padding})
        ends = np.array([[ids[0], ids[-1]]], dtype=np.int64)
        self._answered(dict(zip(INPUTS, (ends, np.ones_like(ends), np.zeros_like(ends)), strict=True)))

    def decisions(self, texts: Texts) -> NDArray[np.float64]:
        """(n, k) in the order of the texts: logits, or pooled token states."""
        encodings = self.tokenizer.encode(texts)
        rows: NDArray[np.float64] | None = None
        for places in batches([len(encoding.ids) for encoding in encodings]):
            answers = self._run([encodings[place] for place in places])
            if rows is None:
                rows = np.empty((len(encodings), answers.shape[1]))
            rows[places] = answers
        return np.zeros((0, 0)) if rows is None else rows

    def _run(self, encodings: Sequence[Encoding]) -> Floats:
        return self._answered(_padded(encodings, self.tokenizer.padding))

    def _answered(self, given: Mapping[str, NDArray[np.int64]]) -> Floats:
        [output] = self._session.run(self._output, {name: given[name] for name in self._inputs})
        rows = pooled(output, given["attention_mask"], self.pooling)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) if self.normalize else rows


def batches(lengths: Sequence[int]) -> Iterator[NDArray[np.intp]]:
    """Places of texts that run together: of like length, at the most BATCH_TOKENS tokens with their padding."""
    order = np.argsort(lengths, kind="stable")[::-1]
    start = 0
    while start < len(order):
        rows = max(1, BATCH_TOKENS // max(1, lengths[order[start]]))
        yield order[start : start + rows]
        start += rows


def _padded(encodings: Sequence[Encoding], padding: int) -> dict[str, NDArray[np.int64]]:
    longest = max(len(encoding.ids) for encoding in encodings)
    ids = np.full((len(encodings), longest), padding, dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        end = len(encoding.ids)
        ids[row, :end], mask[row, :end], types[row, :end] = encoding.ids, 1, encoding.type_ids
    return dict(zip(INPUTS, (ids, mask, types), strict=True))


def pooled(output: Floats, mask: NDArray[np.int64], pooling: Pooling) -> Floats:
    """Token states (n, t, k) to (n, k): their mean where `mask` is 1, or the first's. Raises BundleError for shapes."""
    dimensions = 2 if pooling == "none" else 3
    if output.ndim != dimensions or len(output) != len(mask):
        raise BundleError(f"the graph answers {output.shape} for {mask.shape} tokens; pooling {pooling} needs another")
    if pooling == "none":
        return output
    if pooling == "cls":
        return np.ascontiguousarray(output[:, 0])
    weights = mask.astype(np.float32)
    return np.asarray(np.einsum("ntk,nt->nk", output, weights) / np.maximum(weights.sum(axis=1, keepdims=True), 1))
