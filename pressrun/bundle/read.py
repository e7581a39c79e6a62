"""Steps and models from the contents of their files, which are verified already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer

from pressrun.bundle.errors import BundleError
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.manifest import Manifest
from pressrun.bundle.memory import refuse_over
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep
from pressrun.bundle.reading import read_tensors, reading
from pressrun.bundle.specs import (
    HashedStep,
    LinearSpec,
    OnnxSpec,
    StaticStep,
    TfidfStep,
    TokenizerStep,
)
from pressrun.bundle.static_embeddings import TENSOR, StaticEmbeddings
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.tokenizer_rules import checked
from pressrun.bundle.transformer import TextTokenizer, Transformer
from pressrun.bundle.vocabulary import parse_vocabulary

Files = Mapping[str, bytes]


def read_step(spec: TfidfStep | StaticStep | HashedStep, files: Files) -> DeclaredStep:
    """The step that `spec` declares, from its files' contents. Raises BundleError and what parsers raise."""
    match spec:
        case TfidfStep():
            return _tfidf(spec, files)
        case StaticStep():
            return _static(spec, files)
        case HashedStep():
            return HashedNgrams(columns=spec.columns, ngram_range=spec.ngrams)


def read_steps(manifest: Manifest, files: Files) -> tuple[DeclaredStep, ...]:
    """The steps that make features; a tokenizer belongs to its model."""
    return tuple(read_step(spec, files) for spec in manifest.preprocessing if not isinstance(spec, TokenizerStep))


def read_model(
    manifest: Manifest, steps: Sequence[DeclaredStep], files: Files, *, threads: int
) -> Linear | Lightgbm | Transformer:
    """The model that the manifest declares, for the features that `steps` make. Raises BundleError."""
    spec = manifest.model
    if isinstance(spec, OnnxSpec):
        return _transformer(manifest, spec, files, threads)
    columns = len(manifest.columns or ()) or sum(step.dimensions for step in steps)
    if isinstance(spec, LinearSpec):
        with reading(spec.weights):
            return _linear(files[spec.weights], manifest.width, columns)
    with reading(spec.text):
        model = Lightgbm(text=files[spec.text].decode())
        if model.columns != columns:
            raise BundleError(f"its trees read {model.columns} columns, the steps or the input give {columns}")
        return model


def _linear(content: bytes, width: int | None, columns: int) -> Linear:
    tensors = read_tensors(content, coefficients=2, intercept=1)
    rows = tensors["coefficients"].shape[0]
    if tensors["coefficients"].shape[1] != columns or len(tensors["intercept"]) != rows or rows != (width or rows):
        raise BundleError(
            f"coefficients {tensors['coefficients'].shape} and intercept {tensors['intercept'].shape} do not fit "
            f"{columns} columns and {width or rows} answers"
        )
    return Linear(coefficients=tensors["coefficients"], intercept=tensors["intercept"])


def _tfidf(spec: TfidfStep, files: Files) -> Tfidf:
    with reading(spec.weights):
        idf = np.asarray(read_tensors(files[spec.weights], idf=1)["idf"], dtype=np.float64)
    with reading(spec.vocabulary):
        vocabulary = parse_vocabulary(files[spec.vocabulary], size=len(idf))
    return Tfidf(vocabulary=vocabulary, idf=idf, ngram_range=spec.ngrams, sublinear_tf=spec.sublinear_tf)


def _static(spec: StaticStep, files: Files) -> CenteredEmbeddings:
    with reading(spec.weights):
        weights = read_tensors(files[spec.weights], **{TENSOR: 2})[TENSOR]
    with reading(spec.center):
        center = read_tensors(files[spec.center], center=1)["center"]
        if len(center) != weights.shape[1]:
            raise BundleError(f"the center has {len(center)} numbers, a token's vector {weights.shape[1]}")
    with reading(spec.tokenizer):
        tokenizer = Tokenizer.from_str(checked(files[spec.tokenizer])[0])
    embeddings = StaticEmbeddings(weights=weights, tokenizer=tokenizer)
    return CenteredEmbeddings(embeddings=embeddings, center=center, scale=spec.scale)


def _transformer(manifest: Manifest, spec: OnnxSpec, files: Files, threads: int) -> Transformer:
    from pressrun.bundle.onnx_graph import Graph  # models of other kinds need no onnx

    [step] = [step for step in manifest.preprocessing if isinstance(step, TokenizerStep)]
    with reading(step.tokenizer):
        rules, padding = checked(files[step.tokenizer])
        tokenizer = TextTokenizer(Tokenizer.from_str(rules), max_tokens=step.max_tokens, padding=padding)
    with reading(spec.graph):
        graph = Graph(files[spec.graph])
        refuse_over(graph.memory(max_tokens=step.max_tokens), manifest, "the graph")
        model = Transformer(
            graph=files[spec.graph],
            tokenizer=tokenizer,
            pooling=spec.pooling,
            normalize=spec.normalize,
            precision=spec.precision,
            threads=threads,
        )
        model.try_out()
        return model
