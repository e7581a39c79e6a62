"""Minima propose, Jaccard decides, components are groups."""

from __future__ import annotations

import re
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pressrun.sampling.functions import bucket_articles, verify_pairs
from pressrun.sampling.groups import group, near_duplicates
from pressrun.sampling.pairs import SMALL_BUCKET, candidates, jaccard
from pressrun.sampling.shingles import BANDS, buckets, missed, rows_of_band, shingles
from pressrun.sampling.words import MAX_CHARACTERS, words_of

TEXT = "the quick brown fox jumps over the lazy dog and runs on through the quiet green wood until the night falls"
ROWS = rows_of_band(0.8)


def similarity(one: str, other: str) -> float:
    return float(jaccard([one, other], np.array([0]), np.array([1]))[0])


def articles(texts: list[str]) -> pa.Table:
    ids = [f"{number:06d}" for number in range(len(texts))]
    columns = {"article_id": ids, "title": [None] * len(texts), "body": texts}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def grouped(texts: list[str], threshold: float = 0.8) -> list[int]:
    return [int(name) for name in near_duplicates(articles(texts), threshold)["group_id"].to_pylist()]


def test_jaccard_counts_shared_shingles() -> None:
    assert similarity("a b c", "a b c d") == 2 / 3
    assert similarity("", "!") == 1
    assert similarity("a b a b a b", "a b a") == 1


def test_case_and_punctuation_do_not_count() -> None:
    assert np.array_equal(shingles("Rates rise, again"), shingles("rates RISE again!"))
    assert np.array_equal(shingles("“Straße” — ÉCOLE…"), shingles("STRASSE école"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("?!", 0),
        ("one", 1),
        ("snake_case x2 don't", 4),
        ("naïve café", 2),
        ("日本語 テスト", 2),
        ("\ud800 a\ud800b \udfff", 2),
    ],
)
def test_words_are_those_of_unicode(text: str, words: int) -> None:
    assert words_of([text]).counts.tolist() == [words]


@given(
    texts=st.lists(
        st.text(st.characters(codec=None) | st.sampled_from("aB _9\u201c\u00df\u00e9\0"), max_size=20), max_size=4
    )
)
def test_words_are_what_a_pattern_finds_in_casefolded_text(texts: list[str]) -> None:
    """Which words are the same, too: equal hashes stand for equal words."""
    expected = [re.findall(r"\w+", text.casefold()) for text in texts]
    found = words_of(texts)
    assert found.counts.tolist() == list(map(len, expected))
    words = [word for several in expected for word in several]
    alone = [int(words_of([word]).hashes[0]) for word in words]
    assert found.hashes.tolist() == alone
    assert len(set(alone)) == len(set(words))


def test_a_word_is_the_same_wherever_it_stands() -> None:
    found = words_of(["alpha beta", "", "x " * 50_000 + "beta", "«beta» alpha"])
    alpha, beta = found.hashes[:2]
    assert found.counts.tolist() == [2, 0, MAX_CHARACTERS // 2, 2]
    assert found.hashes[-2:].tolist() == [beta, alpha]
    assert alpha != beta


def test_no_two_words_have_one_hash() -> None:
    words = sorted({f"{a}{b}{c}" for a in "abcdefghij0" for b in "klmnopqrst1" for c in ("", *"uvwxyz", "ab", "ba")})
    assert len(np.unique(words_of([" ".join(words)]).hashes)) == len(words)


def test_a_rewrite_shares_a_bucket_and_another_text_does_not() -> None:
    texts = [TEXT, TEXT.replace("quiet", "dark"), "entirely other words stand in this one, about markets", ""]
    found = buckets(texts, ROWS)
    assert found.shape == (4, BANDS)
    assert (found[0] == found[1]).any()
    assert not (found[0] == found[2]).any()


def test_buckets_do_not_depend_on_the_batch() -> None:
    many = [f"{TEXT} number {n} “{n}”" for n in range(700)]
    assert np.array_equal(buckets(many, ROWS)[699], buckets(many[699:], ROWS)[0])


def test_buckets_are_the_same_in_every_release() -> None:
    """They are a format: a lake's job on one machine meets another's on the next."""
    assert buckets([TEXT], ROWS)[0, :2].tolist() == [6876305058909473914, -1170645755441686458]


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_bands_miss_few_pairs_that_are_just_as_similar_as_asked_for(threshold: float) -> None:
    assert missed(threshold, rows_of_band(threshold)) <= 0.01


@pytest.mark.parametrize("words", [6, 11, 16, 41, 201])
def test_pairs_just_as_similar_as_asked_for_are_found(words: int) -> None:
    random = Random(words)
    texts = [text for _ in range(1500) for text in planted(random, words)]
    found = set(map(tuple, candidates(buckets(texts, ROWS)).T.tolist()))
    pairs = [(first, first + 1) for first in range(0, len(texts), 2)]
    assert np.mean([pair in found for pair in pairs]) >= 0.985


def planted(random: Random, words: int) -> tuple[str, str]:
    """Two texts of Jaccard similarity 0.8: of the first's shingles the second lacks the last fifth."""
    text = [f"w{random.getrandbits(40)}" for _ in range(words)]
    return " ".join(text), " ".join(text[: 1 + 4 * (words - 1) // 5])


def test_groups_are_components_named_by_their_smallest() -> None:
    pairs = pa.table({"one": ["c", "b"], "other": ["d", "c"]})
    rows = group(pa.array(["d", "a", "b", "c", "e"]), pairs).to_pydict()
    assert rows == {"article_id": ["a", "b", "c", "d", "e"], "group_id": ["a", "b", "b", "b", "e"]}


def test_near_duplicates_are_found_and_others_left_alone() -> None:
    assert grouped([TEXT, "other words altogether", TEXT.upper(), TEXT + " today", "", "?!"]) == [0, 1, 0, 0, 4, 4]
    assert grouped([TEXT, TEXT + " today"], threshold=1.0) == [0, 1]
    assert grouped([]) == []


def test_a_bucket_with_all_articles_stays_cheap() -> None:
    texts = ["the same words in every article"] * 20_000
    assert candidates(buckets(texts, ROWS)).shape == (2, 19_999)
    assert set(grouped(texts)) == {0}


def test_huge_texts_are_read_by_their_beginning() -> None:
    one, other = (("word " * 10_000_000) + end for end in ("a", "b"))
    assert grouped([one, other, one]) == [0, 0, 0]


def test_pairs_of_small_buckets_are_all_compared() -> None:
    band = np.array([7] * SMALL_BUCKET + [9] * (SMALL_BUCKET + 1) + [*range(100, 120)]) << 40
    assert candidates(band[:, None]).shape[1] == SMALL_BUCKET * (SMALL_BUCKET - 1) // 2 + SMALL_BUCKET


def test_the_functions_of_spark_find_the_same_pairs() -> None:
    texts = [TEXT, "nothing alike", TEXT + " today", "", "!"]
    rows = articles(texts)
    found = pa.Table.from_batches(bucket_articles(0.8).apply(rows.to_batches()))
    assert found["bucket"].to_pylist() == buckets(texts, ROWS).ravel().tolist()
    one, other = ([0, 0, 1, 3], [2, 1, 2, 4])
    sides = {"one": one, "other": other}
    columns = {side: rows["article_id"].take(pa.array(places)) for side, places in sides.items()}
    columns |= {f"{s}_{c}": rows[c].take(pa.array(places)) for s, places in sides.items() for c in ("title", "body")}
    verified = pa.Table.from_batches(verify_pairs(0.8).apply(pa.table(columns).to_batches()))
    assert verified.to_pydict() == {"one": ["000000", "000003"], "other": ["000002", "000004"]}
