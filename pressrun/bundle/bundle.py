"""`Bundle`: a loaded model. Scores texts with numpy and scipy alone (and LightGBM's reader for its family)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_tensors
from tokenizers import Tokenizer

from pressrun.bundle.errors import BundleError
from pressrun.bundle.folder import read_folder
from pressrun.bundle.manifest import LinearSpec, Manifest, StaticStep, TfidfStep
from pressrun.bundle.models import Lightgbm, Linear, Scores, softmax
from pressrun.bundle.preprocessing import CenteredEmbeddings, DeclaredStep, features
from pressrun.bundle.static_embeddings import TENSOR, StaticEmbeddings
from pressrun.bundle.tfidf import Tfidf, words
from pressrun.bundle.vocabulary import parse_vocabulary

Files = Mapping[str, bytes]
_BATCH = 2048
"""Texts scored at once: features of all of a night's would be many times as large as the texts."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model ready to score. `digest` names it everywhere."""

    manifest: Manifest
    steps: tuple[DeclaredStep, ...]
    model: Linear | Lightgbm

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @cached_property
    def digest(self) -> str:
        return self.manifest.digest

    def scores(self, texts: Sequence[str]) -> Scores:
        """Calibrated probabilities, (n, k) in the order of `labels`."""
        parts = [self._scores(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)))

    def _scores(self, texts: Sequence[str]) -> Scores:
        return softmax(self.model.decisions(features(self.steps, texts)), self.manifest.calibration.slope)

    def features(self, text: str) -> dict[str, float]:
        """What the prediction log keeps of a text: counts of tokens and characters, share of unknown words."""
        title, _, body = text.partition("\n")
        tokens = words(text)
        unknown = sum(token not in self._known for token in tokens) if self._known else 0
        return {
            "tokens": float(len(tokens)),
            "title_characters": float(len(title)),
            "body_characters": float(len(body)),
            "unknown_share": unknown / len(tokens) if tokens else 0.0,
        }

    @cached_property
    def _known(self) -> Mapping[str, int]:
        return max((step.vocabulary for step in self.steps if isinstance(step, Tfidf)), key=len, default={})


def load_bundle(folder: str | Path, *, digest: str | None = None) -> Bundle:
    """Loads and verifies a bundle; with `digest`, refuses any other. Raises BundleError."""
    manifest, files = read_folder(Path(folder))
    if digest is not None and manifest.digest != digest:
        raise BundleError(f"{folder} holds model {manifest.digest[:12]}, not {digest[:12]}; fetch the model again")
    try:
        steps = tuple(read_step(spec, files) for spec in manifest.preprocessing)
        bundle = Bundle(manifest=manifest, steps=steps, model=_model(manifest, files))
        _try_out(bundle)
    except BundleError:
        raise
    except Exception as error:  # whatever a hostile file makes a parser raise
        raise BundleError(f"{folder} cannot be loaded: {type(error).__name__}: {error}") from error
    return bundle


def read_step(spec: TfidfStep | StaticStep, files: Files) -> DeclaredStep:
    """The step that `spec` declares, from its files' contents. Raises BundleError and what parsers raise."""
    return _tfidf(spec, files) if isinstance(spec, TfidfStep) else _static(spec, files)


def _tfidf(spec: TfidfStep, files: Files) -> Tfidf:
    idf = np.asarray(load_tensors(files[spec.weights])["idf"], dtype=np.float64)
    vocabulary = parse_vocabulary(files[spec.vocabulary], size=len(idf))
    return Tfidf(vocabulary=vocabulary, idf=idf, ngram_range=spec.ngrams, sublinear_tf=spec.sublinear_tf)


def _static(spec: StaticStep, files: Files) -> CenteredEmbeddings:
    tokenizer = Tokenizer.from_str(files[spec.tokenizer].decode())
    embeddings = StaticEmbeddings(weights=load_tensors(files[spec.weights])[TENSOR], tokenizer=tokenizer)
    center = load_tensors(files[spec.center])["center"]
    return CenteredEmbeddings(embeddings=embeddings, center=center, scale=spec.scale)


def _model(manifest: Manifest, files: Files) -> Linear | Lightgbm:
    spec = manifest.model
    if isinstance(spec, LinearSpec):
        tensors = load_tensors(files[spec.weights])
        return Linear(coefficients=tensors["coefficients"], intercept=tensors["intercept"])
    return Lightgbm(text=files[spec.text].decode())


def _try_out(bundle: Bundle) -> None:
    """Shapes that do not fit show on the first text, not in traffic."""
    scores = bundle.scores(["A first try\nof every step."])
    if scores.shape != (1, len(bundle.labels)) or not np.isfinite(scores).all():
        raise BundleError(f"{bundle.name} answers {scores.shape} for {len(bundle.labels)} labels, or no finite numbers")
