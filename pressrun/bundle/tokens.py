"""Texts to token ids, word by word where that gives the very same ids: news says the same words again and again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain

from tokenizers import Tokenizer

_MARK = "\u2581"
"""What stands for a space in front of a word (SentencePiece, Kudo and Richardson 2018)."""
_NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": _MARK},
        {"type": "Replace", "pattern": {"String": " "}, "content": _MARK},
    ],
}
_WORDS = 100_000
_LONGEST = 64

# With one of these set, what a token is hangs on more than the merges.
_ELSEWHERE = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
_WORDS, _LONGEST = 100_000, 64

Ids = tuple[int, ...]


class Tokens:
    """`ids` are the tokenizer's own, without its special tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._separable = is_separable(tokenizer)
        self._special = tuple(token.content for token in tokenizer.get_added_tokens_decoder().values())
        self._known: dict[str, Ids] = {}

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of each text, in order."""
        words = [self._words(text) for text in texts]
        known = self._learned([split for split in words if split is not None])
        whole = iter(self._encoded([text for text, split in zip(texts, words, strict=True) if split is None]))
        return [next(whole) if split is None else _joined(split, known) for split in words]

    def _words(self, text: str) -> list[str] | None:
        """The words of a text in which nothing reaches across the spaces between them, else None."""
        if not self._separable or not text or "  " in text or _MARK in text or text[0] == " " or text[-1] == " ":
            return None
        if any(special in text for special in self._special):
            return None
        words = text.split(" ")
        return words if max(map(len, words)) <= _LONGEST else None

    def _learned(self, words: Sequence[list[str]]) -> dict[str, Ids]:
        """The ids of at least these words. What is kept for the next texts does not grow without bound."""
        needed, known = set(chain.from_iterable(words)), self._known
        new = list(needed.difference(known))
        if len(known) + len(new) > _WORDS:
            self._known = known = {}
            new = list(needed)
        known.update(zip(new, self._encoded(new), strict=True))
        return known

    def _encoded(self, texts: Sequence[str]) -> list[Ids]:
        if len(texts) == 1:
            return [tuple(self._tokenizer.encode(texts[0], add_special_tokens=False).ids)]
        return [tuple(row.ids) for row in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def is_separable(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer's own rules never join what a single space parts.

    So it is when all it does to a text is to write a mark for each space and one in front, and no token of its
    vocabulary holds the mark behind another character: then no merge of byte-pair encoding crosses one.
    """
    rules = json.loads(tokenizer.to_str())
    model = rules["model"]
    plain = rules["normalizer"] == _NORMALIZER and rules["pre_tokenizer"] is None and model["type"] == "BPE"
    if not plain or any(model.get(name) for name in _ELSEWHERE) or _MARK not in model["vocab"]:
        return False
    return not any(_MARK in token.lstrip(_MARK) for token in model["vocab"])


def _joined(words: Sequence[str], known: dict[str, Ids]) -> Ids:
    return tuple(chain.from_iterable(map(known.__getitem__, words)))
