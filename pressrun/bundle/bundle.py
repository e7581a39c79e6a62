"""`Bundle`: a loaded model. Texts, columns or pairs of texts go in, an array of numbers comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from pressrun.bundle.errors import BundleError
from pressrun.bundle.folder import read_folder
from pressrun.bundle.inputs import Batch, Pairs, parts
from pressrun.bundle.manifest import Input, Manifest
from pressrun.bundle.memory import refuse_more
from pressrun.bundle.models import Lightgbm, Linear, Scores, softmax
from pressrun.bundle.preprocessing import DeclaredStep, features
from pressrun.bundle.read import read_model, read_steps
from pressrun.bundle.reading import reading
from pressrun.bundle.tfidf import Tfidf, words
from pressrun.bundle.transformer import Transformer

_BATCH = 2048
"""Texts scored at once: features of all of a night's would be many times as large as the texts."""
_FIRST_TEXT = "A first try\nof every step."


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model ready to score. `digest` names it everywhere."""

    manifest: Manifest
    steps: tuple[DeclaredStep, ...]
    model: Linear | Lightgbm | Transformer

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @cached_property
    def digest(self) -> str:
        return self.manifest.digest

    def scores(self, batch: Batch) -> Scores:
        """One row an entry of `batch`, (n, k): probabilities in the order of `labels`, one number, or an embedding.

        `batch` is what the manifest's `input` says: texts, float64 columns (n, d), or `Pairs`. Raises ValueError when
        it is another or has another width.
        """
        self._refuse_other(batch)
        found = [self._scores(part) for part in parts(batch, _BATCH)]
        if not found:
            return np.zeros((0, self.width))
        return found[0] if len(found) == 1 else np.concatenate(found)

    @cached_property
    def width(self) -> int:
        """How many numbers a row has."""
        return self.manifest.width or self._scores(self._first()).shape[1]

    def _refuse_other(self, batch: Batch) -> None:
        given, wanted = _kind(batch), self.manifest.input
        if given != wanted:
            raise ValueError(f"{self.name} reads {wanted}, given was {given}")
        columns = self.manifest.columns
        if columns and isinstance(batch, np.ndarray) and batch.shape != (len(batch), len(columns)):
            raise ValueError(f"{self.name} reads rows of {len(columns)} columns, given was {batch.shape}")

    def _scores(self, batch: Batch) -> Scores:
        model, calibration = self.model, self.manifest.calibration
        if isinstance(model, Transformer):
            assert not isinstance(batch, np.ndarray)
            decisions = model.decisions(batch)
        else:
            assert not isinstance(batch, Pairs)
            rows = batch if isinstance(batch, np.ndarray) else features(self.steps, batch)
            if isinstance(model, Lightgbm) and calibration is None:
                own = model.predictions(rows)
                return np.hstack([1 - own, own]) if self._by_one_score(own) else own
            decisions = model.decisions(rows)
        if calibration is None:
            return decisions
        if self._by_one_score(decisions):
            decisions = np.hstack([np.zeros_like(decisions), decisions])
        return softmax(decisions, calibration.slope)

    def _by_one_score(self, rows: Scores) -> bool:
        """LightGBM's binary objective gives two classes one number: the second's."""
        return len(self.labels) == 2 and rows.shape[1] == 1 and isinstance(self.model, Lightgbm)

    def features(self, text: str) -> dict[str, float]:
        """What the prediction log keeps of a text: counts of tokens and characters, share of unknown words."""
        title, _, body = text.partition("\n")
        tokens = words(text)
        unknown = len(tokens) - sum(map(self._known.__contains__, tokens)) if self._known else 0
        return {
            "tokens": float(len(tokens)),
            "title_characters": float(len(title)),
            "body_characters": float(len(body)),
            "unknown_share": unknown / len(tokens) if tokens else 0.0,
        }

    @cached_property
    def _known(self) -> Mapping[str, int]:
        return max((step.vocabulary for step in self.steps if isinstance(step, Tfidf)), key=len, default={})

    def _first(self) -> Batch:
        if self.manifest.columns is not None:
            return np.zeros((1, len(self.manifest.columns)))
        texts = [_FIRST_TEXT]
        return Pairs(queries=texts, texts=texts) if self.manifest.input == "text_pair" else texts


def _kind(batch: Batch) -> Input:
    if isinstance(batch, np.ndarray):
        return "columns"
    return "text_pair" if isinstance(batch, Pairs) else "article_text"


def load_bundle(folder: str | Path, *, digest: str | None = None, threads: int = 1) -> Bundle:
    """Loads and verifies a bundle; with `digest`, refuses any other. Raises BundleError.

    `threads` is how many compute one batch of a transformer.
    """
    manifest, files = read_folder(Path(folder))
    if digest is not None and manifest.digest != digest:
        raise BundleError(f"{folder} holds model {manifest.digest[:12]}, not {digest[:12]}; fetch the model again")
    with reading(str(folder)):
        refuse_more(manifest, files)
        steps = read_steps(manifest, files)
        bundle = Bundle(manifest=manifest, steps=steps, model=read_model(manifest, steps, files, threads=threads))
        _try_out(bundle)
    return bundle


def _try_out(bundle: Bundle) -> None:
    """Shapes that do not fit show on the first row, not in traffic."""
    scores, wanted = bundle.scores(bundle._first()), bundle.width
    if scores.shape != (1, wanted) or not np.isfinite(scores).all():
        what = f"{wanted} labels" if bundle.labels else f"a {bundle.manifest.task} ({wanted} numbers)"
        raise BundleError(f"{bundle.name} answers {scores.shape} for {what}, or no finite numbers")
