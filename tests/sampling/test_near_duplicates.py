"""MinHash proposes, Jaccard decides, components are groups."""

from __future__ import annotations

import numpy as np

from pressrun.sampling.groups import group
from pressrun.sampling.shingles import BANDS, buckets, jaccard, shingles

TEXT = "the quick brown fox jumps over the lazy dog and runs on through the quiet green wood until the night falls"


def test_jaccard_counts_shared_shingles() -> None:
    assert jaccard(shingles("a b c"), shingles("a b c d")) == 2 / 3
    assert jaccard(shingles(""), shingles("!")) == 1


def test_case_and_punctuation_do_not_count() -> None:
    assert np.array_equal(shingles("Rates rise, again"), shingles("rates RISE again!"))


def test_a_rewrite_shares_a_bucket_and_another_text_does_not() -> None:
    found = buckets([TEXT, TEXT.replace("quiet", "dark"), "entirely other words stand in this one, about markets", ""])
    assert found.shape == (4, BANDS)
    assert (found[0] == found[1]).any()
    assert not (found[0] == found[2]).any()


def test_buckets_do_not_depend_on_the_batch() -> None:
    many = [f"{TEXT} number {n}" for n in range(300)]
    assert np.array_equal(buckets(many)[299], buckets(many[299:])[0])


def test_groups_are_components_named_by_their_smallest() -> None:
    rows = group(["a", "b", "c", "d", "e"], [("c", "d"), ("b", "c")]).to_pydict()
    assert rows["group_id"] == ["a", "b", "b", "b", "e"]
