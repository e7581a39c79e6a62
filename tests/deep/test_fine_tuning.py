"""The steps of fine-tuning on a tiny BERT: killed and resumed, ended early, weighted, in mixed precision."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from pressrun.bundle.transformer import TextTokenizer
from pressrun.config.families import TransformerFamily
from pressrun.training.checkpoints import Checkpoints
from pressrun.training.fine_tuning import Device, FineTuning, Hears, Rows
from pressrun.training.network import Classifier, load_network, read_all
from pressrun.training.reading import TrainingSet

Told = list[tuple[int, Mapping[str, float]]]


class Training:
    """Trainings of the same network on the same articles."""

    def __init__(self, tiny: Path, spec: TransformerFamily, given: TrainingSet) -> None:
        self.tiny, self.spec, self.given = tiny, spec, given
        self.tokenizer = TextTokenizer(Tokenizer.from_file(str(tiny / "tokenizer.json")), max_tokens=spec.max_tokens)

    def network(self) -> Classifier:
        torch.manual_seed(3)
        return load_network(self.tiny, classes=3, max_tokens=self.spec.max_tokens)

    def rows(self, places: np.ndarray) -> Rows:
        encodings = self.tokenizer.encode(self.given.corpus.some(places))
        return Rows(encodings=encodings, targets=self.given.targets[places], weights=self.given.weights[places])

    def run(self, folder: Path, *, hears: Hears | None = None, device: Device | None = None) -> tuple[Classifier, Told]:
        train, validation = self.given.split(self.spec.validation)
        network, told = self.network(), Told()
        tuning = FineTuning(
            network,
            self.spec,
            train=self.rows(train),
            validation=self.rows(validation),
            padding=self.tokenizer.padding,
            seed=self.given.seed,
            checkpoints=Checkpoints(folder),
            hears=hears or (lambda metrics, step, total: told.append((step, metrics))),
            device=device or Device(name="cpu"),
        )
        tuning.run()
        return network, told

    def answers(self, network: Classifier) -> np.ndarray:
        everything = np.arange(len(self.given.targets))
        return read_all(network, self.rows(everything).encodings, self.tokenizer.padding)


@pytest.fixture
def training(tiny: Path, spec: TransformerFamily, given: TrainingSet) -> Training:
    return Training(tiny, spec, given)


def _die_at(training: Training, folder: Path, at: int) -> None:
    def hears(metrics: Mapping[str, float], step: int, total: int) -> None:
        if step >= at:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    training.run(folder, hears=hears)


def test_a_training_that_was_killed_goes_on_and_ends_with_the_very_same_weights(
    training: Training, tmp_path: Path
) -> None:
    whole, told = training.run(tmp_path / "whole")
    process = multiprocessing.get_context("fork").Process(target=_die_at, args=(training, tmp_path / "killed", 15))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    resumed, told_again = training.run(tmp_path / "killed")
    assert [step for step, _ in told_again] == [step for step, _ in told if step > 15]
    assert told_again == [entry for entry in told if entry[0] > 15]
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_the_same_seed_gives_the_same_weights_and_another_one_others(training: Training, tmp_path: Path) -> None:
    one, two = (training.answers(training.run(tmp_path / name)[0]) for name in ("one", "two"))
    assert np.array_equal(one, two)
    training.given = replace(training.given, seed=8)
    assert not np.array_equal(one, training.answers(training.run(tmp_path / "other")[0]))


def test_a_finished_training_is_not_done_again(training: Training, tmp_path: Path) -> None:
    first, _ = training.run(tmp_path / "done")
    again, told = training.run(tmp_path / "done")
    assert told == []
    assert np.array_equal(training.answers(first), training.answers(again))


def test_it_stops_early_and_keeps_the_weights_that_were_best(training: Training, tmp_path: Path) -> None:
    # Labels by chance: what is learned of them is of no use for those that are held out.
    chance = np.random.default_rng(0).integers(0, 3, len(training.given.targets))
    training.given = replace(training.given, targets=chance)
    training.spec = training.spec.model_copy(update={"patience": 2, "epochs": 50})
    network, told = training.run(tmp_path / "early")
    losses = [metrics["validation_loss"] for _, metrics in told]
    assert told[-1][0] < 100
    assert losses[-2:] > [min(losses)] * 2
    _, validation = training.given.split(training.spec.validation)
    logits = training.answers(network)[validation]
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(chance[validation]))
    assert float(loss) == pytest.approx(min(losses), abs=1e-6)


def test_weights_of_examples_are_respected(training: Training, tmp_path: Path) -> None:
    """Half of the articles are given another topic, at a hundredth of the weight of the others."""
    wrong = np.arange(len(training.given.targets)) % 6 >= 3
    training.given = replace(
        training.given,
        targets=np.where(wrong, 0, training.given.targets),
        weights=np.where(wrong, 0.01, 1.0),
    )
    network, _ = training.run(tmp_path / "weighted")
    right = training.answers(network).argmax(axis=1) == np.arange(len(wrong)) % 3
    assert right[wrong].mean() > 0.75


def test_mixed_precision_learns_as_well(training: Training, tmp_path: Path) -> None:
    network, told = training.run(tmp_path / "half", device=Device(name="cpu", half=torch.bfloat16))
    assert next(network.parameters()).dtype is torch.float32
    assert told[-1][1]["validation_loss"] < 0.3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16, None])
def test_on_a_gpu_it_learns_and_resumes(training: Training, tmp_path: Path, half: object) -> None:
    device = Device(name="cuda", half=half)

    def end(metrics: Mapping[str, float], step: int, total: int) -> None:
        if step >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.run(tmp_path / "gpu", hears=end, device=device)
    _, told = training.run(tmp_path / "gpu", device=device)
    assert told[0][0] == 20
    assert told[-1][1]["validation_loss"] < 0.3
