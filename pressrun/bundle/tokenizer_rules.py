"""`tokenizer.json` is checked before the library tokenizers reads it: its parts, its tokens, no pattern of its own.

A file of that library may hold regular expressions that never end, replacements that grow a text without bound, and
padding to any length. What a model needs of it is kept: how text is cut into tokens, and which tokens stand around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pressrun.bundle.errors import BundleError
from pressrun.bundle.reading import no_key_twice

MAX_TOKENS = 2**21
_MAX_ADDED = 10_000
_MAX_PARTS = 16
_MAX_GROWTH = 64
_MAX_CHARACTERS = 256
# Not Precompiled: its character map is a table of jumps, and the library aborts the process on one that is damaged.
_NORMALIZERS = {
    "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Prepend",
    "Replace", "Sequence", "Strip", "StripAccents",
}  # fmt: skip
_PRE_TOKENIZERS = {
    "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Sequence", "Split",
    "UnicodeScripts", "Whitespace", "WhitespaceSplit",
}  # fmt: skip
_POST_PROCESSORS = {"BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"}
_MODELS = {"BPE", "Unigram", "WordLevel", "WordPiece"}
_DECODERS = {
    "BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace", "Sequence", "Strip", "WordPiece",
}  # fmt: skip
_PARTS_OF_SEQUENCES = {
    "normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors",
    "decoder": "decoders",
}  # fmt: skip
_KEYS = {
    "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
    "model",
}  # fmt: skip
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# The patterns of the models that people use; another one may take a time that grows with the square of a text.
_PATTERNS = {
    " {2,}",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    _WORDS + r"\p{N}{1,3}" + _REST,
    _WORDS + r"\p{N}" + _REST,
}


def checked(content: bytes) -> tuple[str, int]:
    """The file's text, and the id that pads. Raises BundleError.

    Padding and truncation are for whoever uses it to turn off: what the file says of them is allocated by no one.
    """
    rules = _parsed(content)
    for kind, known in (
        ("normalizer", _NORMALIZERS), ("pre_tokenizer", _PRE_TOKENIZERS), ("post_processor", _POST_PROCESSORS),
        ("decoder", _DECODERS),
    ):  # fmt: skip
        parts = list(_parts(rules.get(kind), kind))
        if len(parts) > _MAX_PARTS or any(part["type"] not in known for part in parts):
            names = sorted({str(part["type"])[:40] for part in parts} - known)
            raise BundleError(f"{kind} has {len(parts)} parts, {_MAX_PARTS} are allowed, or unknown ones: {names}")
        _check_patterns(parts)
    _check_growth(list(_parts(rules.get("normalizer"), "normalizer")))
    for part in _parts(rules.get("post_processor"), "post_processor"):
        _check_template(part)
    _check_model(rules["model"])
    _check_added(rules.get("added_tokens") or [])
    return content.decode(), _padding(rules)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        rules = json.loads(content, object_pairs_hook=no_key_twice)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"it is no JSON, or nested too deep: {str(error)[:200]}") from error
    if not isinstance(rules, dict) or not isinstance(rules.get("model"), dict) or set(rules) - _KEYS:
        raise BundleError("it is no tokenizer: it has keys that are unknown, or no model")
    return rules


def _parts(part: Any, kind: str, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The part, or those of a sequence; a sequence within a sequence within a sequence is refused."""
    if part is None:
        return
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise BundleError(f"{kind} has a part without a type")
    if part["type"] != "Sequence":
        yield part
        return
    inner = part.get(_PARTS_OF_SEQUENCES[kind])
    if depth > 1 or not isinstance(inner, list) or len(inner) > _MAX_PARTS:
        raise BundleError(f"{kind} is a sequence nested too deep, or of more than {_MAX_PARTS} parts")
    for each in inner:
        yield from _parts(each, kind, depth + 1)


def _check_patterns(parts: list[dict[str, Any]]) -> None:
    for part in parts:
        pattern = part.get("pattern")
        if pattern is None:
            continue
        if not isinstance(pattern, dict) or len(pattern) != 1:
            raise BundleError(f"{part['type']} has more than one pattern")
        [(kind, value)] = pattern.items()
        if kind == "Regex" and value not in _PATTERNS:
            raise BundleError(f"{part['type']} brings a regular expression of its own, which may never end")
        if kind not in ("Regex", "String") or not isinstance(value, str) or not 1 <= len(value) <= _MAX_CHARACTERS:
            raise BundleError(f"{part['type']} has a pattern that is no text of 1 to {_MAX_CHARACTERS} characters")


def _check_growth(parts: list[dict[str, Any]]) -> None:
    """How many times as long normalizers make a text."""
    growth = 1.0
    for part in parts:
        if part["type"] == "Replace":
            content, pattern = part.get("content"), next(iter(part["pattern"].values()))
            if not isinstance(content, str):
                raise BundleError("Replace puts something else than text")
            growth *= max(1.0, len(content) / len(pattern) if "String" in part["pattern"] else len(content))
        if part["type"] == "Prepend" and len(str(part.get("prepend"))) > _MAX_CHARACTERS:
            raise BundleError(f"Prepend puts more than {_MAX_CHARACTERS} characters")
    if growth > _MAX_GROWTH:
        raise BundleError(f"Replace makes a text {growth:,.0f} times as long, {_MAX_GROWTH} times are allowed")


def _check_template(part: Mapping[str, Any]) -> None:
    """Each text once, and few tokens around."""
    if part["type"] != "TemplateProcessing":
        return
    for kind, allowed in (("single", ["A"]), ("pair", ["A", "B"])):
        pieces = part.get(kind) or []
        if not isinstance(pieces, list) or len(pieces) > _MAX_PARTS:
            raise BundleError(f"the template of a {kind} has more than {_MAX_PARTS} pieces")
        texts = [piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece]
        if len(set(texts)) != len(texts) or set(texts) - set(allowed):
            raise BundleError(f"the template of a {kind} repeats a text")
    special = part.get("special_tokens") or {}
    if len(special) > _MAX_PARTS or any(len(token.get("ids", ())) > _MAX_PARTS for token in special.values()):
        raise BundleError(f"the template has a special token of more than {_MAX_PARTS} tokens")
    for token in special.values():
        _check_ids(token.get("ids", ()))


def _check_model(model: Mapping[str, Any]) -> None:
    kind, vocabulary = model.get("type"), model.get("vocab")
    if kind not in _MODELS:
        raise BundleError(f"its model is {str(kind)[:40]!r}, known are {', '.join(sorted(_MODELS))}")
    if not isinstance(vocabulary, dict if kind != "Unigram" else list) or not 1 <= len(vocabulary or ()) <= MAX_TOKENS:
        raise BundleError(f"its vocabulary has no tokens, or more than {MAX_TOKENS:,}")
    if isinstance(vocabulary, dict):
        _check_ids(vocabulary.values())
    if len(model.get("merges") or ()) > 2 * MAX_TOKENS:
        raise BundleError(f"it has more than {2 * MAX_TOKENS:,} merges")
    if model.get("dropout"):
        raise BundleError("it drops merges at random")
    most = model.get("max_input_chars_per_word", 100)
    if not isinstance(most, int) or not 1 <= most <= 1000:
        raise BundleError("max_input_chars_per_word is a number from 1 to 1000")


def _check_added(tokens: Any) -> None:
    if not isinstance(tokens, list) or len(tokens) > _MAX_ADDED:
        raise BundleError(f"it adds more than {_MAX_ADDED:,} tokens")
    for token in tokens:
        content = token.get("content") if isinstance(token, dict) else None
        if not isinstance(content, str) or not 1 <= len(content) <= _MAX_CHARACTERS:
            raise BundleError(f"it adds a token that is no text of 1 to {_MAX_CHARACTERS} characters")
        _check_ids([token.get("id")])


def _check_ids(ids: Any) -> None:
    if not all(type(number) is int and 0 <= number < MAX_TOKENS for number in ids):
        raise BundleError(f"a token's id is a whole number below {MAX_TOKENS:,}")


def _padding(rules: Mapping[str, Any]) -> int:
    given = rules.get("padding")
    found = given.get("pad_id") if isinstance(given, dict) else None
    if found is None:
        named = {token["content"]: token["id"] for token in rules.get("added_tokens") or []}
        found = named.get("[PAD]", named.get("<pad>", 0))
    _check_ids([found])
    return int(found)
