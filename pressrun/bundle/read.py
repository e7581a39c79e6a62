"""Steps and models from the contents of their files, which are verified already."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from safetensors.numpy import load as load_tensors
from tokenizers import Tokenizer

from pressrun.bundle.errors import BundleError
from pressrun.bundle.hashed_ngrams import HashedNgrams
from pressrun.bundle.manifest import Manifest
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep
from pressrun.bundle.specs import (
    HashedStep,
    LinearSpec,
    OnnxSpec,
    PreprocessingStep,
    StaticStep,
    TfidfStep,
    TokenizerStep,
)
from pressrun.bundle.static_embeddings import TENSOR, StaticEmbeddings
from pressrun.bundle.tfidf import Tfidf
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


def read_model(manifest: Manifest, files: Files, *, threads: int) -> Linear | Lightgbm | Transformer:
    """The model that the manifest declares. Raises BundleError and what parsers raise."""
    spec = manifest.model
    if isinstance(spec, LinearSpec):
        tensors = load_tensors(files[spec.weights])
        return Linear(coefficients=tensors["coefficients"], intercept=tensors["intercept"])
    if isinstance(spec, OnnxSpec):
        return _transformer(spec, manifest.preprocessing, files, threads)
    return Lightgbm(text=files[spec.text].decode())


def _tfidf(spec: TfidfStep, files: Files) -> Tfidf:
    idf = np.asarray(load_tensors(files[spec.weights])["idf"], dtype=np.float64)
    vocabulary = parse_vocabulary(files[spec.vocabulary], size=len(idf))
    return Tfidf(vocabulary=vocabulary, idf=idf, ngram_range=spec.ngrams, sublinear_tf=spec.sublinear_tf)


def _static(spec: StaticStep, files: Files) -> CenteredEmbeddings:
    tokenizer = Tokenizer.from_str(files[spec.tokenizer].decode())
    embeddings = StaticEmbeddings(weights=load_tensors(files[spec.weights])[TENSOR], tokenizer=tokenizer)
    center = load_tensors(files[spec.center])["center"]
    return CenteredEmbeddings(embeddings=embeddings, center=center, scale=spec.scale)


def _transformer(spec: OnnxSpec, steps: tuple[PreprocessingStep, ...], files: Files, threads: int) -> Transformer:
    for step in steps:
        if isinstance(step, TokenizerStep):
            tokenizer = Tokenizer.from_str(files[step.tokenizer].decode())
            return Transformer(
                graph=files[spec.graph],
                tokenizer=TextTokenizer(tokenizer, max_tokens=step.max_tokens),
                pooling=spec.pooling,
                normalize=spec.normalize,
                precision=spec.precision,
                threads=threads,
            )
    raise BundleError("a model of kind onnx needs a tokenizer")
