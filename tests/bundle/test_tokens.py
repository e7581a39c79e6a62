"""Word by word or as a whole, the ids are the same."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pressrun.bundle import tokens
from pressrun.bundle.static_embeddings import package_files
from pressrun.bundle.tokens import Tokens, is_separable

PIECES = st.sampled_from(
    ["the", "Markets", "é", "日本", "\u2581", "<s>", "</s>", "\n", "\t", ".", "1,000", "🙂", "x" * 70]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=5)), max_size=8).flatmap(
    lambda words: st.sampled_from([" ", "  ", ""]).map(lambda gap: gap.join(words))
)


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(package_files()[1]))


@cache
def separated() -> Tokens:
    return Tokens(tokenizer())


def whole(text: str) -> tuple[int, ...]:
    return tuple(tokenizer().encode(text, add_special_tokens=False).ids)


@given(texts=st.lists(TEXTS, max_size=4))
def test_ids_are_those_of_the_whole_text(texts: list[str]) -> None:
    assert separated().ids(texts) == [whole(text) for text in texts]


def test_the_packages_tokenizer_is_read_word_by_word() -> None:
    assert is_separable(tokenizer())
    assert separated()._words("stocks rise") == ["stocks", "rise"]


@pytest.mark.parametrize(
    "rule",
    [
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"normalizer": {"type": "Lowercase"}},
    ],
)
def test_a_tokenizer_with_other_rules_reads_the_whole_text(rule: dict[str, Any]) -> None:
    other = Tokenizer.from_str(json.dumps(json.loads(tokenizer().to_str()) | rule))
    assert not is_separable(other)
    expected = tuple(other.encode("Stocks Rise", add_special_tokens=False).ids)
    assert Tokens(other).ids(["Stocks Rise"] * 2) == [expected] * 2


def test_words_that_are_kept_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_WORDS", 10)
    few = Tokens(tokenizer())
    for number in range(20):
        text = f"word{number} and other{number} again"
        assert few.ids([text]) == [whole(text)]
        assert len(few._known) <= 10
