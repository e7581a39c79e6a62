"""The steps of fine-tuning: weighted examples, early stopping, mixed precision, checkpoints. Needs torch.

Which articles a step reads, and what dropout leaves out, follow from the seed and the step's number alone: a training
that was killed and resumed takes the same steps as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sklearn.metrics import f1_score
from tokenizers import Encoding

from pressrun.bundle.models import softmax
from pressrun.config.families import TransformerFamily
from pressrun.training.calibration import log_loss_of
from pressrun.training.checkpoints import Checkpoint, Checkpoints, Tensors
from pressrun.training.network import Classifier, read_all, tensors
from pressrun.training.teacher import Codes, Reals
from pressrun.training.token_batches import shuffled

_WARMUP, _DECAY, _LONGEST_GRADIENT, _HEAD = 0.1, 0.01, 1.0, 10.0
Hears = Callable[[Mapping[str, float], int, int], None]
"""Metrics, the step that they are of, and how many steps there are at the most."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Texts as tokens, with their `targets` (n,) and `weights` (n,)."""

    encodings: Sequence[Encoding]
    targets: Codes
    weights: Reals


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where it computes, and in which half precision: None is fp32 throughout."""

    name: str
    half: Any = None


def device_here() -> Device:
    """A GPU where there is one, in mixed precision: bfloat16 where it computes in it, else float16."""
    if not torch.cuda.is_available():
        return Device(name="cpu")
    native = torch.cuda.get_device_capability()[0] >= 8
    return Device(name="cuda", half=torch.bfloat16 if native else torch.float16)


@dataclass(kw_only=True)
class _Standing:
    """How far it is. `best` is the least loss on the weighted validation, of the step `best_step`."""

    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    waited: int = 0
    scaler: dict[str, float] = field(default_factory=dict)


class FineTuning:
    """One training of one network; `run` leaves in it the weights that were best on `validation`."""

    def __init__(
        self,
        network: Classifier,
        spec: TransformerFamily,
        *,
        train: Rows,
        validation: Rows,
        padding: int,
        seed: int,
        checkpoints: Checkpoints,
        hears: Hears,
        device: Device | None = None,
    ) -> None:
        self._device = device or device_here()
        self._network, self._spec = network.to(self._device.name), spec
        self._train, self._validation, self._padding = train, validation, padding
        self._seed, self._checkpoints, self._hears = seed, checkpoints, hears
        self._lengths = [len(encoding.ids) for encoding in train.encodings]
        self._an_epoch = -(-len(self._lengths) // spec.batch)
        self._total = self._an_epoch * spec.epochs
        self._optimizer = self._made_optimizer()
        self._scaler = torch.amp.GradScaler(self._device.name, enabled=self._device.half is torch.float16)
        self._at = _Standing()
        self._best: Tensors = {}
        self._losses: list[float] = []
        self._batches: tuple[int, list[Any]] = (-1, [])

    def run(self) -> int:
        """The step whose weights are kept."""
        saved = self._checkpoints.newest()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            if saved is None:
                self._evaluate()
            else:
                self._resume(saved)
            while self._at.step < self._total and self._at.waited < self._spec.patience:
                self._step()
                if self._at.step % self._spec.evaluate_every == 0 or self._at.step == self._total:
                    self._evaluate()
        _put(self._network, self._best)
        return self._at.best_step

    def _made_optimizer(self) -> Any:
        rate, head = self._spec.learning_rate, list(self._network.head.parameters())
        groups = [
            {"params": list(self._network.encoder.parameters()), "lr": rate, "usual": rate},
            {"params": head, "lr": rate * _HEAD, "usual": rate * _HEAD},
        ]
        return torch.optim.AdamW(groups, weight_decay=_DECAY)

    def _step(self) -> None:
        places = self._places(self._at.step)
        torch.manual_seed(self._seed * 1_000_003 + self._at.step)
        for group in self._optimizer.param_groups:
            group["lr"] = group["usual"] * _pace((self._at.step + 1) / self._total)
        self._network.train()
        given = tensors([self._train.encodings[place] for place in places], self._padding, self._device.name)
        targets = torch.from_numpy(self._train.targets[places]).to(self._device.name)
        weights = torch.from_numpy(self._train.weights[places]).float().to(self._device.name)
        half = self._device.half
        with torch.autocast(self._device.name, dtype=half, enabled=half is not None):
            logits = self._network(**given)
        each = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        loss = (each * weights).sum() / weights.sum()
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _LONGEST_GRADIENT)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._losses.append(float(loss.detach()))
        self._at.step += 1

    def _places(self, step: int) -> Any:
        epoch = step // self._an_epoch
        if self._batches[0] != epoch:
            self._batches = epoch, shuffled(self._lengths, self._spec.batch, seed=self._seed, epoch=epoch)
        return self._batches[1][step % self._an_epoch]

    def _evaluate(self) -> None:
        logits = read_all(self._network, self._validation.encodings, self._padding)
        truth, at = self._validation.targets, self._at
        loss = log_loss_of(softmax(logits), truth, self._validation.weights)
        if loss < at.best:
            at.best, at.best_step, at.waited, self._best = loss, at.step, 0, _taken(self._network)
        else:
            at.waited += 1
        macro_f1 = f1_score(truth, logits.argmax(axis=1), average="macro", zero_division=0.0)
        told = {"validation_loss": loss, "validation_macro_f1": float(macro_f1)}
        if self._losses:
            told["train_loss"] = float(np.mean(self._losses))
        self._losses = []
        self._save()
        self._hears(told, at.step, self._total)

    def _save(self) -> None:
        self._at.scaler = dict(self._scaler.state_dict())
        tensors = {"network": _taken(self._network), "best": self._best, "optimizer": self._moments()}
        self._checkpoints.save(Checkpoint(step=self._at.step, state=vars(self._at), tensors=tensors))

    def _resume(self, saved: Checkpoint) -> None:
        self._at, self._best = _Standing(**saved.state), saved.tensors["best"]
        _put(self._network, saved.tensors["network"])
        self._scaler.load_state_dict(self._at.scaler)
        known = dict(self._network.named_parameters())
        for key, value in saved.tensors["optimizer"].items():
            name, _, moment = key.rpartition(":")
            tensor = torch.from_numpy(value.copy())
            where = "cpu" if moment == "step" else self._device.name
            self._optimizer.state[known[name]][moment] = tensor.to(where)

    def _moments(self) -> Tensors:
        return {
            f"{name}:{moment}": value.detach().cpu().numpy().copy()
            for name, parameter in self._network.named_parameters()
            for moment, value in self._optimizer.state.get(parameter, {}).items()
        }


def _pace(done: float) -> float:
    """The share of the learning rate once `done` of all steps are: it rises for a tenth of them, then falls to 0."""
    return done / _WARMUP if done < _WARMUP else (1 - done) / (1 - _WARMUP)


def _taken(network: Classifier) -> Tensors:
    return {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}


def _put(network: Classifier, weights: Tensors) -> None:
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
