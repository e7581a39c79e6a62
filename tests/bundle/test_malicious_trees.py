"""Hostile LightGBM texts: circles, children and columns that are not there, counts, sizes, objectives.

LightGBM's own parser believes such a text, and reads other memory or never ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pressrun.bundle import load_bundle
from pressrun.bundle.tree_text import checked
from tests.bundle import hostile, made
from tests.bundle.attempts import Attempt

Refused = Callable[..., Attempt]


def with_sizes(text: str) -> str:
    """The text with the sizes that its trees have."""
    content = text.partition("\nend of trees\n")[0]
    starts = [match.start() for match in re.finditer(r"^Tree=", content, re.MULTILINE)]
    sizes = [stop - start for start, stop in zip(starts, [*starts[1:], len(content) + 1], strict=True)]
    return re.sub(r"^tree_sizes=.*$", "tree_sizes=" + " ".join(map(str, sizes)), text, count=1, flags=re.MULTILINE)


def line(key: str, value: str) -> Callable[[str], str]:
    """Replaces the first line of that key."""
    return lambda text: with_sizes(re.sub(rf"^{key}=.*$", f"{key}={value}", text, count=1, flags=re.MULTILINE))


def number(key: str, place: int, value: str) -> Callable[[str], str]:
    """Replaces one number of the first line of that key."""

    def change(text: str) -> str:
        found = re.search(rf"^{key}=(.*)$", text, re.MULTILINE)
        assert found
        numbers = found[1].split(" ")
        numbers[place] = value
        return line(key, " ".join(numbers))(text)

    return change


def added(entry: str) -> Callable[[str], str]:
    return lambda text: with_sizes(text.replace("is_linear=0", f"is_linear=0\n{entry}", 1))


TEXTS: dict[str, tuple[Callable[[str], str], str]] = {
    "a_circle": (number("right_child", 2, "0"), "tree 0"),
    "a_node_that_is_its_own_child": (number("left_child", 1, "1"), "tree 0"),
    "a_child_far_away": (number("left_child", 0, "2000000000"), "tree 0"),
    "a_leaf_far_away": (number("left_child", 0, "-2000000000"), "tree 0"),
    "a_leaf_twice": (number("right_child", -1, "-1"), "tree 0"),
    "a_column_far_away": (number("split_feature", 0, "2000000000"), "split_feature"),
    "a_negative_column": (number("split_feature", 0, "-1"), "split_feature"),
    "a_billion_leaves": (line("num_leaves", "1000000000"), "tree 0"),
    "no_leaves": (line("num_leaves", "0"), "tree 0"),
    "negative_leaves": (line("num_leaves", "-7"), "tree 0"),
    "more_leaves_than_bits": (line("num_leaves", "99999999999999999999"), "num_leaves"),
    "a_billion_columns": (line("max_feature_idx", "1000000000"), "max_feature_idx"),
    "two_billion_columns": (line("max_feature_idx", "2147483647"), "max_feature_idx"),
    "fewer_names_than_columns": (line("max_feature_idx", "100"), "feature_names"),
    "a_million_classes": (line("num_class", "1000000"), "num_class"),
    "a_million_trees_a_round": (line("num_tree_per_iteration", "1000000"), "num_tree_per_iteration"),
    "sizes_beyond_the_text": (
        lambda text: re.sub(r"tree_sizes=\d+", "tree_sizes=2000000000", text, count=1),
        "tree_sizes",
    ),
    "negative_sizes": (lambda text: re.sub(r"tree_sizes=\d+", "tree_sizes=-100", text, count=1), "tree_sizes"),
    "no_sizes": (lambda text: re.sub(r"tree_sizes=.*\n", "", text, count=1), "tree_sizes"),
    "a_leaf_that_is_no_number": (number("leaf_value", 0, "nan"), "leaf_value"),
    "a_leaf_too_small_to_be_exact": (number("leaf_value", 0, "1e-320"), "leaf_value"),
    "a_threshold_too_large_to_be_a_number": (number("threshold", 0, "1e999"), "threshold"),
    "a_threshold_that_nothing_is_above_or_below": (number("threshold", 0, "-inf"), "threshold"),
    "an_endless_leaf": (number("leaf_value", 0, "inf"), "leaf_value"),
    "a_threshold_that_is_no_number": (number("threshold", 0, "nan"), "threshold"),
    "numbers_missing": (line("threshold", "1.0"), "threshold"),
    "numbers_too_many": (lambda text: line("leaf_value", "0 " * 99 + "0")(text), "leaf_value"),
    "a_list_missing": (lambda text: with_sizes(re.sub(r"^threshold=.*\n", "", text, flags=re.MULTILINE)), "tree 0"),
    "words_for_numbers": (number("threshold", 0, "0x7f"), "threshold"),
    "a_number_of_a_million_digits": (number("threshold", 0, "1" * 10**6), "threshold"),
    "an_unknown_decision": (number("decision_type", 0, "127"), "decision_type"),
    "a_negative_decision": (number("decision_type", 0, "-1"), "decision_type"),
    "a_category_that_is_not_there": (number("decision_type", 0, "1"), "tree 0"),
    "categories_without_sets": (line("num_cat", "1000000000"), "cat_boundaries"),
    "sets_beyond_the_text": (added("cat_boundaries=0 1000000000\ncat_threshold=1"), "tree 0"),
    "linear_leaves_of_columns_that_are_not_there": (line("is_linear", "1"), "linear"),
    "an_unknown_objective": (line("objective", "custom_code:import_os"), "objective"),
    "an_objective_of_more_classes": (line("objective", "multiclass num_class:1000"), "objective"),
    "an_objective_with_an_option_of_its_own": (line("objective", "binary sigmoid:1 $(touch ran)"), "objective"),
    "an_unknown_line": (lambda text: text.replace("version=v4", "version=v4\nplugin=/tmp/evil.so", 1), "plugin"),
    "a_line_twice": (lambda text: text.replace("version=v4", "version=v4\nversion=v3", 1), "version"),
    "a_nul": (lambda text: text.replace("Column_0", "Column\0", 1), "control"),
    "a_return": (lambda text: text.replace("\n", "\r\n"), "model.txt"),
    "trees_out_of_order": (lambda text: text.replace("Tree=1\n", "Tree=9\n", 1), "numbered"),
    "no_trees": (lambda text: text[: text.index("Tree=0")] + "\nend of trees\n", "numbered"),
    "cut_in_a_tree": (lambda text: text[: len(text) // 3], "cut off"),
    "cut_after_the_header": (lambda text: text[:80], "cut off"),
    "another_number_of_columns": (
        lambda text: re.sub(r"max_feature_idx=5", "max_feature_idx=4", text),
        "feature_names",
    ),
    "a_pickle": (lambda _: "cos\nsystem\n(S'touch ran'\ntR.", "cut off"),
    "nothing": (lambda _: "", "cut off"),
}


@pytest.mark.parametrize(("change", "rule"), TEXTS.values(), ids=TEXTS)
def test_malicious_trees_are_refused(tmp_path: Path, refused: Refused, change: Callable[[str], str], rule: str) -> None:
    hostile.trees(tmp_path / "b")
    text = (tmp_path / "b" / "model.txt").read_text()
    changed = change(text)
    assert changed != text
    hostile.replace(tmp_path / "b", "model.txt", changed.encode())
    refused(tmp_path / "b", "model.txt", rule)


def test_malicious_bytes_for_trees_are_refused(tmp_path: Path, refused: Refused) -> None:
    hostile.trees(tmp_path / "b")
    hostile.replace(tmp_path / "b", "model.txt", b"\xff\xfe" * 1000)
    refused(tmp_path / "b", "model.txt", "UnicodeDecodeError")


def test_malicious_linear_leaves_are_refused(tmp_path: Path, refused: Refused) -> None:
    hostile.trees(tmp_path / "b")
    text = made.linear_trees().model_to_string()
    hostile.replace(tmp_path / "b", "model.txt", text.encode())
    load_bundle(tmp_path / "b")
    for old, new in (("leaf_features=", "leaf_features=99 "), ("num_features=", "num_features=1000000000 ")):
        changed = with_sizes(re.sub(rf"^{old}\d+ ", new, text, flags=re.MULTILINE))
        assert changed != text
        hostile.replace(tmp_path / "b", "model.txt", changed.encode())
        refused(tmp_path / "b", "model.txt", "tree")


@pytest.mark.parametrize("objective", ["regression", "binary", "lambdarank", "multiclass", "multiclassova", "tweedie"])
def test_what_lightgbm_writes_is_taken(objective: str) -> None:
    text = made.booster(objective).model_to_string()
    assert text.startswith(checked(text))


def test_splits_by_whether_a_number_is_missing_are_taken() -> None:
    text = made.with_gaps().model_to_string()
    assert re.search(r"^threshold=.*\binf\b", text, flags=re.MULTILINE)
    assert text.startswith(checked(text))


def test_trees_of_a_single_leaf_are_taken() -> None:
    checked(made.stump().model_to_string())
