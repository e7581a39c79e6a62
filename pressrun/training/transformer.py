"""`family: transformer`: a pretrained encoder, fine-tuned on the examples, and exported for the bundle.

torch is imported once there is something to train: what is missing for it is told before.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pressrun.bundle.models import softmax
from pressrun.bundle.transformer import TextTokenizer, Transformer
from pressrun.config.families import TransformerFamily
from pressrun.config.problems import ConfigError, Problem
from pressrun.lake.fingerprint import stage_code
from pressrun.training.checkpoints import Checkpoints
from pressrun.training.errors import TrainingError
from pressrun.training.families import Logistic
from pressrun.training.pretrained import folder_of, missing_extra, missing_model
from pressrun.training.quantized import Quantized, quantized
from pressrun.training.reading import Fitted, Places, Reference, TrainingSet, Workshop

if TYPE_CHECKING:
    from pressrun.training.fine_tuning import Rows
    from pressrun.training.network import Classifier

MIN_EXAMPLES = 40
PARITY = 1e-4
"""Of probabilities, between torch and onnxruntime: both compute in fp32 and add in another order."""
_CHECKED = 200


class FineTuned:
    """Raises ConfigError when it is made where the extra `deep` or the model is missing."""

    def __init__(self, spec: TransformerFamily, workshop: Workshop) -> None:
        self._spec, self._workshop = spec, workshop
        self._known: dict[str, Fitted] = {}
        for key, reason in (("family", missing_extra()), ("model", missing_model(spec.model))):
            if reason:
                value = f'"{getattr(spec, key)}"'
                raise ConfigError([Problem(key=f"train.families.{spec.name}.{key}", value=value, reason=reason)])

    def fit_articles(self, given: TrainingSet) -> Fitted:
        """Fine-tunes, or goes on where a killed try was; a student's teacher is the one that was judged.

        Raises TrainingError with too few examples, and for a model that no bundle can hold.
        """
        train, validation = given.split(self._spec.validation)
        if len(train) < MIN_EXAMPLES or not len(validation):
            raise TrainingError(
                f"{self._spec.name}: {len(train)} examples are left to fine-tune on beside its validation, "
                f"{MIN_EXAMPLES} are needed. Label more articles, or turn on train.self_training."
            )
        folder = folder_of(self._spec.model)
        mark = _mark(self._spec, folder, given)
        if mark not in self._known:
            with self._checkpoints(mark) as checkpoints:
                self._known[mark] = self._fit(given, train, validation, folder, checkpoints)
        return self._known[mark]

    @contextmanager
    def _checkpoints(self, mark: str) -> Iterator[Checkpoints]:
        if self._workshop.checkpoints is not None:
            yield Checkpoints(self._workshop.checkpoints / mark)
            return
        with tempfile.TemporaryDirectory(prefix="pressrun-") as scratch:
            yield Checkpoints(Path(scratch))

    def _fit(
        self, given: TrainingSet, train: Places, validation: Places, folder: Path, checkpoints: Checkpoints
    ) -> Fitted:
        from pressrun.training.exported import export, refuse_unservable
        from pressrun.training.fine_tuning import FineTuning, Rows
        from pressrun.training.network import load_network, read_all

        spec = self._spec
        tokenizer = _tokenizer(folder, spec.max_tokens)
        network = load_network(folder, classes=given.classes, max_tokens=spec.max_tokens)

        def rows(places: Places) -> Rows:
            encodings = tokenizer.encode(given.corpus.some(places))
            return Rows(encodings=encodings, targets=given.targets[places], weights=given.weights[places])

        learned, kept = rows(train), rows(validation)
        if checkpoints.newest() is None:
            refuse_unservable(network, tokenizer, name=f"{spec.name}, model {spec.model},")
            _probe(network, learned, tokenizer.padding, given)
        tuning = FineTuning(
            network,
            spec,
            train=learned,
            validation=kept,
            padding=tokenizer.padding,
            seed=given.seed,
            checkpoints=checkpoints,
            hears=lambda told, step, total: self._tell(told, step, total, len(train)),
        )
        best = tuning.run()
        network.to("cpu")
        logits = read_all(network, kept.encodings[:_CHECKED], tokenizer.padding)
        model = export(network, tokenizer)
        texts = given.corpus.some(validation)
        parity = float(np.abs(softmax(model.decisions(texts[:_CHECKED])) - softmax(logits)).max())
        if parity > PARITY:
            raise TrainingError(
                f"{spec.name}: the exported graph's probabilities differ from torch's by {parity:.2g}, "
                f"{PARITY:.0g} is allowed; nothing was registered. Choose another model."
            )
        small = self._small(model, given, train, validation)
        return self._fitted(given, train, validation, model, small, {"export_parity": parity, "best_step": best})

    def _small(self, model: Transformer, given: TrainingSet, train: Places, validation: Places) -> Quantized | None:
        if self._spec.precision == "fp32":
            return None
        texts, calibration = given.corpus.some(validation), given.corpus.some(train)
        return quantized(model, calibration=calibration, texts=texts, truth=given.targets[validation])

    def _fitted(
        self,
        given: TrainingSet,
        train: Places,
        validation: Places,
        model: Transformer,
        small: Quantized | None,
        measured: Mapping[str, float],
    ) -> Fitted:
        weights = np.zeros_like(given.weights)
        # Its validation decides when it stops and what it is served in: the gate may not judge by it either.
        weights[[*train, *validation]] = given.weights[[*train, *validation]]
        served, notes, more = model, tuple[str, ...](), dict[str, float]()
        reference = None
        if small is not None:
            more = {
                "int8_macro_f1_loss": small.macro_f1_loss,
                "int8_log_loss_rise": small.log_loss_rise,
                "int8_largest_change": small.largest_change,
                "int8_speedup": small.speedup,
            }
            fits = small.macro_f1_loss <= self._spec.max_int8_loss
            notes = (_words(self._spec, small, len(validation), served=fits),)
            if fits:
                served, reference = small.model, Reference(name="itself in fp32", answers=model.decisions)
        return Fitted(
            model=served,
            targets=given.targets,
            weights=weights,
            unseen=validation,
            reference=reference,
            measured={**measured, **more},
            notes=notes,
        )

    def _tell(self, told: Mapping[str, float], step: int, total: int, articles: int) -> None:
        name = f"{self._spec.name}, {articles:,} articles"
        for metric, value in told.items():
            self._workshop.curve(name, metric, value, step)
        loss = told["validation_loss"]
        self._workshop.progress(f"train: {name}, validation loss {loss:.3f}, step", step, total)


def _words(spec: TransformerFamily, small: Quantized, rows: int, *, served: bool) -> str:
    won = 0.0 - small.macro_f1_loss
    said = (
        f"{spec.name} in int8 ({small.method}): macro-F1 {won:+.3f} against fp32 on {rows:,} validation articles, "
        f"{small.speedup:.1f} times as fast"
    )
    return said if served else f"{said}; more than max_int8_loss {spec.max_int8_loss:g} is lost, so fp32 is served"


def _probe(network: Classifier, rows: Rows, padding: int, given: TrainingSet) -> None:
    from scipy import sparse

    from pressrun.training.fine_tuning import device_here
    from pressrun.training.network import read_all

    network.to(device_here().name)
    states = sparse.csr_matrix(read_all(network, rows.encodings, padding, pooled=True))
    probe = Logistic(c=1.0).fit(
        features=states, targets=rows.targets, weights=rows.weights, classes=given.classes, seed=given.seed
    )
    network.begin_with(probe)


def _tokenizer(folder: Path, max_tokens: int) -> TextTokenizer:
    from tokenizers import Tokenizer

    try:
        return TextTokenizer(Tokenizer.from_file(str(folder / "tokenizer.json")), max_tokens=max_tokens)
    except Exception as error:  # what the library raises has no type of its own
        raise TrainingError(f"{folder / 'tokenizer.json'} cannot be read: {str(error)[:200]}") from error


def _mark(spec: TransformerFamily, folder: Path, given: TrainingSet) -> str:
    """Names the fit: by all that it follows from."""
    found = hashlib.sha256(json.dumps(spec.model_dump(mode="json"), sort_keys=True).encode())
    for file in sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors")):
        found.update(f"{file.name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    for text in given.corpus.texts:
        found.update(hashlib.sha256(text.encode()).digest())
    for numbers in (given.targets, given.weights, given.order):
        found.update(np.ascontiguousarray(numbers).tobytes())
    found.update(f"{given.topics} {given.seed} {stage_code('train')}".encode())
    return found.hexdigest()[:32]
