"""The network that is fine-tuned: a pretrained encoder, the mean of its tokens' states, a linear head. Needs torch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Encoding
from transformers import AutoModel
from transformers.utils.logging import disable_progress_bar

from pressrun.bundle.models import Linear
from pressrun.training.errors import TrainingError
from pressrun.training.teacher import Reals
from pressrun.training.token_batches import by_length, rectangle

_READ_AT_ONCE = 64


class Classifier(torch.nn.Module):
    """Token ids and their mask, (n, t), to logits (n, classes)."""

    def __init__(self, encoder: Any, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = torch.nn.Linear(encoder.config.hidden_size, classes)
        self._typed = "token_type_ids" in inspect.signature(encoder.forward).parameters

    def pooled(self, input_ids: Any, attention_mask: Any) -> Any:
        """The mean of the states of the tokens that are not padding, (n, width)."""
        types = {"token_type_ids": torch.zeros_like(input_ids)} if self._typed else {}
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1).clamp(min=1)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        return self.head(self.pooled(input_ids, attention_mask))

    def begin_with(self, probe: Linear) -> None:
        """A head that fits the encoder as it is: its first steps do not spoil what the encoder knows.

        Kumar et al., "Fine-tuning can distort pretrained features" (2022).
        """
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(probe.coefficients))
            self.head.bias.copy_(torch.from_numpy(probe.intercept))


def load_network(folder: Path, *, classes: int, max_tokens: int) -> Classifier:
    """The encoder of a folder under a new head. Raises TrainingError for what cannot be read or is too short."""
    disable_progress_bar()  # it is over before anybody sees it, and stays in the log
    try:
        encoder = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise TrainingError(f"{folder} holds no encoder that transformers can read: {str(error)[:300]}") from error
    longest = getattr(encoder.config, "max_position_embeddings", max_tokens)
    if longest < max_tokens:
        raise TrainingError(f"max_tokens is {max_tokens}, and the model reads {longest} tokens; lower max_tokens")
    return Classifier(encoder, classes)


@contextmanager
def answering(network: Classifier) -> Iterator[None]:
    """Without dropout and without gradients."""
    was = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was)


def read_all(network: Classifier, encodings: Sequence[Encoding], padding: int, *, pooled: bool = False) -> Reals:
    """Logits (n, classes), or pooled states (n, width), in the order of the encodings."""
    found: dict[int, Reals] = {}
    device = next(network.parameters()).device
    with answering(network):
        for places in by_length([len(encoding.ids) for encoding in encodings], _READ_AT_ONCE):
            given = tensors([encodings[place] for place in places], padding, device)
            rows = network.pooled(**given) if pooled else network(**given)
            found |= dict(zip(places.tolist(), rows.float().cpu().numpy().astype(np.float64), strict=True))
    return np.stack([found[place] for place in range(len(encodings))])


def tensors(encodings: Sequence[Encoding], padding: int, device: Any) -> dict[str, Any]:
    """What the network reads of these texts."""
    return {name: torch.from_numpy(ids).to(device) for name, ids in rectangle(encodings, padding).items()}
