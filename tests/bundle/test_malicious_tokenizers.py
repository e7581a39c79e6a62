"""Hostile tokenizer files: expressions that never end, replacements and templates that grow, ids, padding, depth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pressrun.bundle import load_bundle
from tests.bundle import hostile
from tests.bundle.attempts import Attempt

Refused = Callable[..., Attempt]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hostile.transformer(tmp_path / "b")
    return tmp_path / "b"


def sequence(kind: str, name: str, depth: int) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "Lowercase"} if kind == "normalizer" else {"type": "Whitespace"}
    for _ in range(depth):
        part = {"type": "Sequence", name: [part]}
    return part


def growing(times: int) -> dict[str, Any]:
    part = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    return {"type": "Sequence", "normalizers": [part] * times}


def split(pattern: Any) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def template(**changes: Any) -> dict[str, Any]:
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [text], "pair": [text], "special_tokens": {}, **changes}


WORDS = {"a": 0, "[UNK]": 1}
A, S = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[S]", "type_id": 0}}
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "an_expression_that_never_ends": ({"pre_tokenizer": split({"Regex": "(a+)+$"})}, "regular expression"),
    "an_expression_within_a_sequence": (
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split({"Regex": "(x|x)*y"})]}},
        "regular expression",
    ),
    "an_expression_in_a_normalizer": (
        {"normalizer": {"type": "Replace", "pattern": {"Regex": "(.*)*z"}, "content": ""}},
        "regular expression",
    ),
    "an_expression_in_the_decoder": (
        {"decoder": {"type": "Replace", "pattern": {"Regex": "(.*)*z"}, "content": ""}},
        "regular expression",
    ),
    "two_patterns": ({"pre_tokenizer": split({"String": "a", "Regex": "b"})}, "more than one pattern"),
    "an_empty_pattern": ({"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "x"}}, "pattern"),
    "a_text_that_grows_a_billion_times": ({"normalizer": growing(9)}, "times as long"),
    "a_megabyte_for_a_letter": (
        {"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "x" * 2**20}},
        "times as long",
    ),
    "a_megabyte_before_a_text": ({"normalizer": {"type": "Prepend", "prepend": "x" * 2**20}}, "Prepend"),
    "a_sequence_in_sequences": ({"normalizer": sequence("normalizer", "normalizers", 40)}, "too deep"),
    "a_sequence_in_sequences_of_words": ({"pre_tokenizer": sequence("pre", "pretokenizers", 40)}, "too deep"),
    "a_hundred_parts": ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 100}}, "parts"),
    "code_as_a_part": ({"pre_tokenizer": {"type": "Python", "code": "import os"}}, "Python"),
    "a_part_without_a_type": ({"normalizer": {"lowercase": True}}, "without a type"),
    "a_template_that_repeats_the_text": ({"post_processor": template(single=[A] * 10)}, "repeats"),
    "a_template_of_a_million_pieces": ({"post_processor": template(single=[A, *[S] * 10**5])}, "pieces"),
    "a_token_of_a_million_tokens": (
        {"post_processor": template(special_tokens={"[S]": {"id": "[S]", "ids": [1] * 10**6, "tokens": []}})},
        "special token",
    ),
    "a_token_beyond_any_table": (
        {"post_processor": template(special_tokens={"[S]": {"id": "[S]", "ids": [2**31], "tokens": ["[S]"]}})},
        "id is a whole number",
    ),
    "a_word_beyond_any_table": ({"model": {"type": "WordLevel", "vocab": {"a": 2**40}, "unk_token": "a"}}, "id"),
    "a_negative_word": ({"model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}}, "id"),
    "a_word_with_half_an_id": ({"model": {"type": "WordLevel", "vocab": {"a": 0.5}, "unk_token": "a"}}, "id"),
    "no_words": ({"model": {"type": "WordLevel", "vocab": {}, "unk_token": "a"}}, "vocabulary"),
    "a_model_of_its_own": ({"model": {"type": "Script", "vocab": WORDS}}, "Script"),
    "words_as_a_list": ({"model": {"type": "WordPiece", "vocab": [["a", 0]]}}, "vocabulary"),
    "a_word_of_a_billion_letters": (
        {"model": {"type": "WordPiece", "vocab": WORDS, "unk_token": "[UNK]", "max_input_chars_per_word": 10**9}},
        "max_input_chars_per_word",
    ),
    "merges_at_random": ({"model": {"type": "BPE", "vocab": WORDS, "merges": [], "dropout": 0.5}}, "random"),
    "merges_of_words_that_are_not_there": (
        {"model": {"type": "BPE", "vocab": WORDS, "merges": [["x", "y"]]}},
        "cannot be read",
    ),
    "a_charsmap_of_noise": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}},
        "Precompiled",
    ),
    "a_hundred_thousand_tokens_more": (
        {"added_tokens": [{"id": n, "content": f"t{n}", "special": True} for n in range(10_001)]},
        "adds more",
    ),
    "an_empty_token": ({"added_tokens": [{"id": 1, "content": "", "special": True}]}, "no text"),
    "a_token_of_a_megabyte": ({"added_tokens": [{"id": 1, "content": "x" * 2**20, "special": True}]}, "no text"),
    "a_padding_beyond_any_table": ({"padding": {"pad_id": 2**40}}, "id is a whole number"),
    "a_chat_template": ({"chat_template": "{{ ''.__class__.__mro__[1].__subclasses__() }}"}, "unknown"),
    "an_auto_map": ({"auto_map": {"AutoTokenizer": "evil.py"}}, "unknown"),
    "no_model": ({"model": None}, "no model"),
}


@pytest.mark.parametrize(("changes", "rule"), CHANGES.values(), ids=CHANGES)
def test_malicious_tokenizer_is_refused(folder: Path, refused: Refused, changes: dict[str, Any], rule: str) -> None:
    rules = json.loads((folder / "tokenizer.json").read_text())
    hostile.replace(folder, "tokenizer.json", json.dumps({**rules, **changes}).encode())
    refused(folder, "tokenizer.json", rule, memory=160 * 2**20)


CONTENTS: dict[str, bytes] = {
    "deep_lists": b"[" * 10**6,
    "a_deep_object": b'{"model":' * 10**5,
    "a_key_twice": b'{"model": {}, "model": {}}',
    "yaml": b"model: !!python/object/apply:os.system ['touch ran']",
    "a_pickle": b"cos\nsystem\n(S'touch ran'\ntR.",
    "no_unicode": b'{"model": {"type": "\xff"}}',
    "nothing": b"",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_malicious_text_for_a_tokenizer_is_refused(folder: Path, refused: Refused, content: bytes) -> None:
    hostile.replace(folder, "tokenizer.json", content)
    refused(folder, "tokenizer.json")


def test_malicious_oversize_vocabulary_takes_no_more_than_it_declares(folder: Path, refused: Refused) -> None:
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["model"]["vocab"] = {f"w{number}": number for number in range(500_000)}
    hostile.replace(folder, "tokenizer.json", json.dumps(rules).encode())
    hostile.change(folder, memory=64 * 2**20)
    refused(folder, "its files can take")


def test_malicious_padding_and_truncation_are_not_obeyed(folder: Path, attempt: Callable[..., Attempt]) -> None:
    rules = json.loads((folder / "tokenizer.json").read_text())
    rules["padding"] = {
        "strategy": {"Fixed": 2**40}, "direction": "Right", "pad_to_multiple_of": 2**30, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "[PAD]",
    }  # fmt: skip
    rules["truncation"] = {"direction": "Right", "max_length": 2**40, "strategy": "LongestFirst", "stride": 0}
    hostile.replace(folder, "tokenizer.json", json.dumps(rules).encode())
    found = attempt(folder)
    assert not found.error
    assert found.taken < 128 * 2**20
    model = load_bundle(folder).model
    assert len(model.tokenizer.encode(["goal " * 1000])[0].ids) == model.tokenizer.max_tokens
