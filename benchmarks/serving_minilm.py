"""MiniLM as a text classifier, in two bundles (fp32 and int8): fine-tuned on articles, and what 8 bits cost of it.

    .venv-deep/bin/python benchmarks/serving_minilm.py FOLDER [--trained 600] [--epochs 2] [--json]

Needs the extra deep. Articles are AG News where PRESSRUN_DATA names its folder or file (a CSV without a header: topic's
code, title, body), else the simulator's. What was not trained on is held out: on it fp32, int8 and torch are compared.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from pressrun.bundle import Bundle, article_text, load_bundle, write_bundle
from pressrun.bundle.transformer import TextTokenizer, Transformer
from pressrun.config.families import TransformerFamily
from pressrun.stats import compare_classifiers
from pressrun.training.calibration import calibrate
from pressrun.training.corpus import read_corpus
from pressrun.training.quantized import quantized
from pressrun.training.reading import TrainingSet, Workshop
from pressrun.training.transformer import FineTuned

SEED, MAX_TOKENS, HELD_OUT = 11, 128, 5_000
SIMULATED = 6_000


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The bundles' folders, and the JSON with what was measured."""

    fp32: Path
    int8: Path
    measured: Path


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Of macro-F1 on `rows` articles; `low` and `high` bound it at 95% (paired bootstrap)."""

    rows: int
    macro_f1: float
    loss: float
    low: float
    high: float


def build(folder: Path, *, trained: int = 600, epochs: int = 2) -> Paths:
    """Fine-tunes on `trained` articles and writes both bundles and what 8 bits cost on the others.

    What lies in `folder` from a call before is kept.
    """
    paths = Paths(fp32=folder / "fp32", int8=folder / "int8", measured=folder / "measured.json")
    if paths.measured.is_file():
        return paths
    texts, topics = articles()
    order = np.random.default_rng(SEED).permutation(len(texts))[: trained + HELD_OUT]
    labels = sorted(set(topics))
    targets = np.array([labels.index(topics[place]) for place in order], dtype=np.int64)
    texts = [texts[place] for place in order]
    model, small, slope, made = _made(folder, texts[:trained], targets[:trained], labels, epochs)
    about: dict[str, Any] = {"name": "minilm", "labels": labels, "slope": slope, "family": "transformer"}
    fp32 = write_bundle(paths.fp32, model=model, **about)
    int8 = write_bundle(paths.int8, model=small, **about)
    measured = _measured(fp32, int8, texts[trained:], targets[trained:])
    paths.measured.write_text(json.dumps({"trained": trained, **made, **measured}, indent=2), encoding="utf-8")
    return paths


def articles() -> tuple[list[str], list[str]]:
    """Texts and topics."""
    named = os.environ.get("PRESSRUN_DATA")
    if not named:
        from pressrun.simulator import Newsroom, articles_of

        written = list(articles_of(Newsroom(seed=3, articles_per_night=SIMULATED), 1))
        return [article_text(one.title, one.body) for one in written], [str(one.label) for one in written]
    place = Path(named)
    files = [place] if place.is_file() else sorted(place.rglob("articles.csv"))
    with files[0].open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream) if len(row) >= 3]
    return [article_text(row[1], row[2].replace("\\", " ")) for row in rows], [row[0] for row in rows]


def _made(
    folder: Path, texts: Sequence[str], targets: NDArray[np.int64], labels: Sequence[str], epochs: int
) -> tuple[Transformer, Transformer, float, dict[str, Any]]:
    spec = TransformerFamily(family="transformer", epochs=epochs, max_tokens=MAX_TOKENS, precision="fp32")
    given = TrainingSet(
        corpus=read_corpus(texts, features=["static"]),
        targets=targets,
        weights=np.ones(len(texts)),
        allowed=np.ones(len(texts), dtype=bool),
        order=np.random.default_rng(SEED).random(len(texts)),
        topics=tuple(labels),
        seed=SEED,
    )
    fitted = FineTuned(spec, Workshop(checkpoints=folder / "checkpoints", progress=_say)).fit_articles(given)
    assert isinstance(fitted.model, Transformer)
    train, unseen = given.split(spec.validation)
    held, truth = given.corpus.some(unseen), targets[unseen]
    small = quantized(fitted.model, calibration=given.corpus.some(train), texts=held, truth=truth)
    made = {"method": small.method, "fp32_from_torch": fitted.measured["export_parity"]}
    return fitted.model, small.model, calibrate(fitted.model.decisions(held), truth), made


def _measured(fp32: Bundle, int8: Bundle, texts: Sequence[str], truth: NDArray[np.int64]) -> dict[str, Any]:
    full, full_s = _timed(fp32.scores, texts)
    small, small_s = _timed(int8.scores, texts)
    return {
        "int8_against_fp32": asdict(loss_of(truth, small, full)),
        "agreement": float((small.argmax(axis=1) == full.argmax(axis=1)).mean()),
        "largest_change": float(np.abs(small - full).max()),
        "articles_a_second": {"fp32": len(texts) / full_s, "int8": len(texts) / small_s},
        "macro_f1_fp32": loss_of(truth, full, full).macro_f1,
        "bytes": {"fp32": len(fp32.model.graph), "int8": len(int8.model.graph)},
    }


def loss_of(truth: NDArray[np.int64], mine: NDArray[Any], theirs: NDArray[Any]) -> Loss:
    """What answering `mine` (n, k) in place of `theirs` costs."""
    found = compare_classifiers(truth, mine.argmax(axis=1), theirs.argmax(axis=1), classes=mine.shape[1]).macro_f1
    assert found.difference is not None
    low, high = found.difference_low or 0.0, found.difference_high or 0.0
    return Loss(rows=len(truth), macro_f1=found.candidate, loss=0.0 - found.difference, low=0.0 - high, high=0.0 - low)


def from_head(task: Path, folder: Path) -> Paths:
    """Both bundles of an encoder that was not fine-tuned, and of a head on its embeddings of length one.

    `task` holds `minilm/`, `head.npz`, `labels.json`, `articles.json` and torch's own answers, `held_out.npy`, as
    `serving_transformer.train_head` leaves them: they are what int8 is compared with.
    """
    import torch
    from tokenizers import Tokenizer

    from pressrun.training.exported import export
    from pressrun.training.network import Classifier, load_network

    class OnUnitRows(Classifier):
        def pooled(self, input_ids: Any, attention_mask: Any) -> Any:
            rows = super().pooled(input_ids, attention_mask)
            return rows / torch.sqrt((rows * rows).sum(1, keepdim=True))

    labels = json.loads((task / "labels.json").read_text(encoding="utf-8"))
    network = load_network(task / "minilm", classes=len(labels), max_tokens=MAX_TOKENS)
    network.__class__ = OnUnitRows
    head = np.load(task / "head.npz")
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(head["coefficients"]))
        network.head.bias.copy_(torch.from_numpy(head["intercept"]))
    tokenizer = TextTokenizer(Tokenizer.from_file(str(task / "minilm" / "tokenizer.json")), max_tokens=MAX_TOKENS)
    model = export(network, tokenizer)
    given = json.loads((task / "articles.json").read_text(encoding="utf-8"))
    trained, texts = given["trained"], given["texts"]
    truth = np.array([labels.index(topic) for topic in given["topics"]], dtype=np.int64)
    chosen = slice(trained - trained // 5, trained)
    small = quantized(model, calibration=texts[: chosen.start], texts=texts[chosen], truth=truth[chosen])
    about: dict[str, Any] = {"name": "transformer", "labels": labels, "slope": 1.0, "family": "transformer"}
    fp32 = write_bundle(folder / "fp32", model=model, **about)
    int8 = write_bundle(folder / "int8", model=small.model, **about)
    held = np.load(task / "held_out.npy")
    measured = {
        "method": small.method,
        **_measured(fp32, int8, texts[trained:], truth[trained:]),
        "int8_against_torch": asdict(loss_of(truth[trained:], int8.scores(texts[trained:]), held)),
        "fp32_from_torch": float(np.abs(fp32.scores(texts[trained:]) - held).max()),
    }
    (folder / "measured.json").write_text(json.dumps(measured, indent=2), encoding="utf-8")
    return Paths(fp32=folder / "fp32", int8=folder / "int8", measured=folder / "measured.json")


def _timed(scores: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> tuple[Any, float]:
    began = time.perf_counter()
    found = scores(texts)
    return found, time.perf_counter() - began


def _say(message: str, done: int = 0, total: int | None = None) -> None:
    print(f"{message} {done}/{total}" if total else message, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trained", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    paths = build(given.folder, trained=given.trained, epochs=given.epochs)
    load_bundle(paths.int8)
    measured = json.loads(paths.measured.read_text(encoding="utf-8"))
    print(json.dumps(measured) if given.json else json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
