"""LightGBM's text format, checked before LightGBM reads it: its parser trusts counts, offsets and children.

A child that is no node, a feature that is no column or a count without its numbers would make it read other memory or
walk in circles. The format is that of LightGBM 3 and 4 (gbdt_model_text.cpp, tree.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pressrun.bundle.errors import BundleError

MAX_OUTPUTS = 1000
MAX_COLUMNS = 2**22
_END = "\nend of trees\n"
_START = re.compile(r"^Tree=(\d{1,9})$", re.MULTILINE)
_WHOLE = re.compile(r"-?\d{1,10}")
_WHOLES = re.compile(r"-?\d{1,10}(?: -?\d{1,10})*")
_REALS = re.compile(r"{0}(?: {0})*".format(r"[-+]?(?:\d{1,30}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,3})?|inf|nan)"))
_OBJECTIVE = re.compile(r"[a-z_0-9]{1,40}( (sqrt|[a-z_]{1,40}:[-+.eE\d]{1,30})){0,4}")
_HEADER = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective", "average_output",
    "feature_names", "monotone_constraints", "feature_infos", "tree_sizes",
}  # fmt: skip
_OBJECTIVES = {
    "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie", "binary",
    "multiclass", "multiclassova", "cross_entropy", "cross_entropy_lambda", "lambdarank", "rank_xendcg", "custom",
}  # fmt: skip
_A_LEAF = {"leaf_value", "leaf_weight", "leaf_count", "leaf_const", "num_features"}
_A_NODE = {
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value",
    "internal_weight", "internal_count",
}  # fmt: skip
_NEEDED = {"num_leaves", "num_cat", "leaf_value", "shrinkage"}
_NEEDED_OF_NODES = {"split_feature", "threshold", "decision_type", "left_child", "right_child"}
_TREE = {
    *_A_LEAF, *_A_NODE, *_NEEDED, "cat_boundaries", "cat_threshold", "is_linear", "leaf_features", "leaf_coeff",
}  # fmt: skip
_CATEGORICAL = 1
_KINDS_OF_DECISION = 12  # one bit for a category, one for where gaps go, two for what a gap is


def checked(text: str) -> str:
    """The text's header and trees, which LightGBM may read; what follows them it does not need to predict.

    Raises BundleError that names the tree and the rule.
    """
    content, end, _ = text.partition(_END)
    if not end:
        raise BundleError('the trees are cut off: "end of trees" is missing')
    if any(ord(character) < 32 and character != "\n" for character in set(content)):
        raise BundleError("the trees hold control characters")
    starts = [match.start() for match in _START.finditer(content)]
    if not starts or [match[1] for match in _START.finditer(content)] != [str(n) for n in range(len(starts))]:
        raise BundleError("the trees must be numbered from 0, and there must be one")
    header = _entries(content[: starts[0]].removeprefix("tree\n"), _HEADER, "the header of the trees")
    columns = _check_header(header, len(starts))
    bounds = [*starts, len(content) + 1]
    _check_sizes(header, content, bounds)
    for number, (start, stop) in enumerate(pairwise(bounds)):
        where = f"tree {number}"
        _check_tree(_entries(content[start:stop].partition("\n")[2], _TREE, where), columns, where)
    return content + end


def _entries(block: str, known: set[str], where: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for line in filter(None, block.split("\n")):
        key, _, value = line.partition("=")
        if key not in known or key in entries:
            raise BundleError(f"{where} has {key[:40]!r} twice, or it is no part of the format")
        entries[key] = value
    return entries


def _check_header(header: Mapping[str, str], trees: int) -> int:
    """How many columns the model reads."""
    where = "the header of the trees"
    if missing := {"num_class", "num_tree_per_iteration", "max_feature_idx", "feature_names"} - set(header):
        raise BundleError(f"{where} lacks {', '.join(sorted(missing))}")
    outputs = _whole(header, "num_tree_per_iteration", where)
    if not 1 <= outputs <= MAX_OUTPUTS or outputs != _whole(header, "num_class", where) or trees % outputs:
        raise BundleError(f"{where}: num_class and num_tree_per_iteration do not fit {trees} trees")
    columns = _whole(header, "max_feature_idx", where) + 1
    if not 1 <= columns <= MAX_COLUMNS:
        raise BundleError(f"{where}: max_feature_idx makes {columns:,} columns, 1 to {MAX_COLUMNS:,} are allowed")
    for key in ("feature_names", "feature_infos", "monotone_constraints"):
        if key in header and len(header[key].split(" ")) != columns:
            raise BundleError(f"{where}: {key} has {len(header[key].split(' '))} entries for {columns} columns")
    _check_objective(header.get("objective"), outputs)
    return columns


def _check_objective(objective: str | None, outputs: int) -> None:
    if objective is None:
        return
    name, _, options = objective.partition(" ")
    if not _OBJECTIVE.fullmatch(objective) or name not in _OBJECTIVES:
        raise BundleError(f"the trees' objective {objective[:60]!r} is not known")
    classes = [option.partition(":")[2] for option in options.split(" ") if option.startswith("num_class:")]
    if name in ("multiclass", "multiclassova") and classes != [str(outputs)]:
        raise BundleError(f"the trees' objective is for {', '.join(classes) or 'no'} classes, the trees for {outputs}")
    if not name.startswith("multiclass") and name != "custom" and outputs != 1:
        raise BundleError(f"the trees' objective {name} has one output, not {outputs}")


def _check_sizes(header: Mapping[str, str], content: str, bounds: list[int]) -> None:
    """LightGBM jumps by these sizes, in bytes."""
    said = _wholes(header.get("tree_sizes", ""), "tree_sizes", "the header of the trees")
    sizes = [len(content[start:stop].encode()) for start, stop in pairwise([*bounds[:-1], len(content)])]
    sizes[-1] += 1
    if said.tolist() != sizes:
        raise BundleError("the header's tree_sizes are not the trees' sizes")


def _check_tree(tree: Mapping[str, str], columns: int, where: str) -> None:
    if missing := _NEEDED - set(tree):
        raise BundleError(f"{where} lacks {', '.join(sorted(missing))}")
    leaves, categories = _whole(tree, "num_leaves", where), _whole(tree, "num_cat", where)
    nodes = leaves - 1
    if leaves < 1 or (nodes and (missing := _NEEDED_OF_NODES - set(tree))):
        raise BundleError(f"{where} has {leaves} leaves, or lacks what its nodes need")
    for key in (_A_LEAF | _A_NODE) & set(tree):
        wanted, found = leaves if key in _A_LEAF else nodes, tree[key].count(" ") + 1 if tree[key] else 0
        # A tree of one leaf may leave out what says nothing of it.
        if found != wanted and (nodes or found or key == "leaf_value"):
            raise BundleError(f"{where}: {key} has {found} numbers, {wanted} are needed")
    _refuse_odd(_reals(f"{tree['leaf_value']} {tree['shrinkage']}", "leaf_value", where), "leaf_value", where)
    for key in ("leaf_weight", "leaf_count", "split_gain", "internal_value", "internal_weight", "internal_count"):
        _refuse_no_reals(tree.get(key, ""), key, where)
    _check_linear(tree, leaves, columns, where)
    if nodes:
        _check_children(tree, nodes, where)
        _check_decisions(tree, columns, categories, where)


def _check_children(tree: Mapping[str, str], nodes: int, where: str) -> None:
    """Each node but the first is the child of one before it, each leaf of one: so every walk ends in a leaf."""
    children = np.stack([_wholes(tree[key], key, where) for key in ("left_child", "right_child")])
    if not np.array_equal(np.sort(children, axis=None), np.r_[-nodes - 1 : 0, 1:nodes]):
        raise BundleError(f"{where}: left_child and right_child must name each node and each leaf once")
    if ((children >= 0) & (children <= np.arange(nodes))).any():
        raise BundleError(f"{where}: a node comes before its parent, which can make a circle")


def _check_decisions(tree: Mapping[str, str], columns: int, categories: int, where: str) -> None:
    split = _wholes(tree["split_feature"], "split_feature", where)
    if split.min() < 0 or split.max() >= columns:
        raise BundleError(f"{where}: split_feature names column {split.max()}, there are {columns}")
    kinds = _wholes(tree["decision_type"], "decision_type", where)
    thresholds = _reals(tree["threshold"], "threshold", where)
    if kinds.min() < 0 or kinds.max() >= _KINDS_OF_DECISION:
        raise BundleError(f"{where}: decision_type is unknown")
    # Of numbers that are there, all are below infinity: LightGBM splits so by whether one is missing.
    endless = np.isposinf(thresholds)
    if endless.sum() != tree["threshold"].split(" ").count("inf"):
        raise BundleError(f"{where}: threshold holds a number that is too large to be exact")
    _refuse_odd(thresholds[~endless], "threshold", where)
    _check_categories(tree, thresholds[(kinds & _CATEGORICAL) > 0], categories, where)


def _check_categories(tree: Mapping[str, str], chosen: NDArray[np.float64], categories: int, where: str) -> None:
    bounds = _wholes(tree.get("cat_boundaries", ""), "cat_boundaries", where)
    sets = _wholes(tree.get("cat_threshold", ""), "cat_threshold", where)
    if categories < 0 or len(bounds) != (categories + 1 if categories else 0):
        raise BundleError(f"{where}: cat_boundaries does not fit num_cat {categories}")
    if categories and (bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] != len(sets)):
        raise BundleError(f"{where}: cat_boundaries does not fit the {len(sets)} numbers of cat_threshold")
    if len(sets) and (sets.min() < 0 or sets.max() >= 2**32):
        raise BundleError(f"{where}: cat_threshold holds sets of 32 bits")
    if len(chosen) and not (np.isin(chosen, np.arange(categories))).all():
        raise BundleError(f"{where}: a threshold names a set of categories that is none of the {categories}")


def _check_linear(tree: Mapping[str, str], leaves: int, columns: int, where: str) -> None:
    linear = tree.get("is_linear", "0")
    if linear not in ("0", "1"):
        raise BundleError(f"{where}: is_linear is 0 or 1")
    if linear == "0":
        return
    if missing := {"leaf_const", "num_features", "leaf_features", "leaf_coeff"} - set(tree):
        raise BundleError(f"{where} is linear and lacks {', '.join(sorted(missing))}")
    counts = _wholes(tree["num_features"], "num_features", where)
    used = _wholes(" ".join(tree["leaf_features"].split()), "leaf_features", where)
    weights = _reals(" ".join(tree["leaf_coeff"].split()), "leaf_coeff", where)
    constants = _reals(tree["leaf_const"], "leaf_const", where)
    fits = counts.sum() == len(used) == len(weights) and (counts >= 0).all()
    if not fits or not len(counts) == len(constants) == leaves:
        raise BundleError(f"{where}: num_features does not fit leaf_features and leaf_coeff")
    if len(used) and (used.min() < 0 or used.max() >= columns):
        raise BundleError(f"{where}: leaf_features names a column that is none of the {columns}")
    _refuse_odd(np.r_[weights, constants], "leaf_coeff or leaf_const", where)


def _refuse_odd(numbers: NDArray[np.float64], key: str, where: str) -> None:
    """LightGBM ends the process where a number is too small or too large to be read exactly."""
    if not np.isfinite(numbers).all() or ((numbers != 0) & (np.abs(numbers) < np.finfo(np.float64).tiny)).any():
        raise BundleError(f"{where}: {key} holds a number that is not finite, or too small to be exact")


def _whole(entries: Mapping[str, str], key: str, where: str) -> int:
    if not _WHOLE.fullmatch(entries[key]):
        raise BundleError(f"{where}: {key} is no whole number: {entries[key][:40]!r}")
    return int(entries[key])


def _wholes(values: str, key: str, where: str) -> NDArray[np.int64]:
    if values and not _WHOLES.fullmatch(values):
        raise BundleError(f"{where}: {key} holds something else than whole numbers")
    return np.fromstring(values, dtype=np.int64, sep=" ")


def _refuse_no_reals(values: str, key: str, where: str) -> None:
    if values and not _REALS.fullmatch(values):
        raise BundleError(f"{where}: {key} holds something else than numbers")


def _reals(values: str, key: str, where: str) -> NDArray[np.float64]:
    _refuse_no_reals(values, key, where)
    return np.fromstring(values, dtype=np.float64, sep=" ")
