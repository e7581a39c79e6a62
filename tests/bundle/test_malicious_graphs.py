"""Hostile ONNX graphs: other files, code of others, loops, functions, bombs, damage; and what they may take."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pressrun.bundle.memory import allowed
from tests.bundle import hostile, made
from tests.bundle.attempts import Attempt

Refused = Callable[..., Attempt]
Change = Callable[[onnx.ModelProto], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hostile.transformer(tmp_path / "b")
    return tmp_path / "b"


def put(folder: Path, change: Change) -> None:
    model = made.graph()
    changed = change(model)
    content = changed if isinstance(changed, bytes) else model.SerializeToString()
    hostile.replace(folder, "model.onnx", content)


def outside(location: str, tensor: int = 0) -> Change:
    """A weight that is read from elsewhere."""

    def change(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[tensor]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "160")):
            weight.external_data.add(key=key, value=value)

    return change


def outside_without_saying_so(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="../../etc/passwd")


def outside_in_a_constant(model: onnx.ModelProto) -> None:
    weight = TensorProto(name="x", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["x"], value=weight))


def nodes(*more: onnx.NodeProto, weights: Sequence[Any] = (), output: str | None = None) -> Change:
    """Nodes behind those that are there, the last of which reads `states`."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.node.extend(more)
        model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in weights)
        if output:
            model.graph.output[0].name = output

    return change


def body(name: str, *inner: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(list(inner), name, [], [helper.make_tensor_value_info("y", 1, None)])


def nested(model: onnx.ModelProto, depth: int = 30) -> None:
    node = helper.make_node("Constant", [], ["y"], value_float=1.0)
    for level in range(depth):
        inside = body(f"g{level}", node)
        node = helper.make_node(
            "If", ["attention_mask"], ["y"], then_branch=inside, else_branch=inside if level < 8 else body("e")
        )
    model.graph.node.append(node)


def function(model: onnx.ModelProto) -> None:
    made_of = [helper.make_node("F", ["a"], ["b"], domain="own")]
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], made_of, [helper.make_opsetid("own", 1)]))
    model.graph.node.append(helper.make_node("F", ["states"], ["end"], domain="own"))


def sparse(model: onnx.ModelProto) -> None:
    values, places = (
        numpy_helper.from_array(np.ones(1, np.float32), "s"),
        numpy_helper.from_array(np.zeros(1, np.int64)),
    )
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2**40]))


def training(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.name = "x"


def empty_nodes(_: onnx.ModelProto) -> bytes:
    """Two bytes a node in the file, two hundred in memory."""
    inside = b"\x0a\x00" * 2_000_000
    return b"\x08\x08" + b"\x3a" + varint(len(inside)) + inside


def listed_numbers(_: onnx.ModelProto) -> bytes:
    """A byte a number in the file, eight in memory."""
    numbers = b"\x00" * 20_000_000
    tensor = b"\x10\x07" + b"\x3a" + varint(len(numbers)) + numbers
    inside = b"\x2a" + varint(len(tensor)) + tensor
    return b"\x08\x08" + b"\x3a" + varint(len(inside)) + inside


def listed_texts(_: onnx.ModelProto) -> bytes:
    tensor = b"\x10\x08" + b"\x32\x00" * 1_000_000
    inside = b"\x2a" + varint(len(tensor)) + tensor
    return b"\x08\x08" + b"\x3a" + varint(len(inside)) + inside


def varint(number: int) -> bytes:
    said = b""
    while number > 127:
        said, number = said + bytes([number & 127 | 128]), number >> 7
    return said + bytes([number])


def cut(kept: float) -> Change:
    def change(model: onnx.ModelProto) -> bytes:
        content = model.SerializeToString()
        return content[: int(len(content) * kept)]

    return change


def weight(**fields: Any) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        for name, value in fields.items():
            if name == "dims":
                del tensor.dims[:]
                tensor.dims.extend(value)
            else:
                setattr(tensor, name, value)

    return change


def spoilt(value: float) -> Change:
    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        numbers = np.zeros((300, 4), np.float32)
        numbers[5, 2] = value
        tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))

    return change


def fixed_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7


def outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def two_of_a_name(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def circle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "states"


def large_before_large(model: onnx.ModelProto) -> None:
    """Little memory in the order of the file, much in onnxruntime's: each wide tensor waits for the next ones."""
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.array([2**24]), "wide"), numpy_helper.from_array(np.ones(1, np.float32), "one")]
    )
    names, held = [f"x{n}" for n in range(200)], "one"
    for name in reversed(names):
        model.graph.node.extend(
            [
                helper.make_node("Expand", ["one", "wide"], [name]),
                helper.make_node("Add", [name, held], [f"sum_{name}"]),
            ]
        )
        held = f"sum_{name}"
    model.graph.node.append(helper.make_node("Add", ["states", held], ["end"]))
    model.graph.output[0].name = "end"


node = helper.make_node
FAR = [("far", np.array([2**20, 2**20]))]
GRAPHS: dict[str, tuple[Change, str]] = {
    "weights_in_etc": (outside("../../../../etc/passwd"), "outside the file"),
    "weights_by_an_absolute_path": (outside("/etc/passwd"), "outside the file"),
    "weights_beside": (outside("tokenizer.json"), "outside the file"),
    "weights_in_this_process": (outside("*/_ORT_MEM_ADDR_/*"), "outside the file"),
    "weights_of_a_device": (outside("/dev/zero", 1), "outside the file"),
    "weights_outside_without_saying_so": (outside_without_saying_so, "outside the file"),
    "a_constant_outside": (outside_in_a_constant, "outside the file"),
    "an_operator_of_python": (nodes(node("PythonOp", ["states"], ["end"], domain="com.microsoft")), "domain"),
    "an_operator_of_others": (nodes(node("Run", ["states"], ["end"], domain="evil.example")), "evil.example"),
    "an_unknown_operator": (nodes(node("Shell", ["states"], ["end"])), "Shell"),
    "an_operator_that_is_random": (nodes(node("RandomNormal", [], ["end"], shape=[2**20, 2**20])), "RandomNormal"),
    "a_function": (function, "functions"),
    "a_branch": (nodes(node("If", ["states"], ["end"], then_branch=body("a"))), "within a graph"),
    "a_loop_without_end": (nodes(node("Loop", ["", ""], ["end"], body=body("a"))), "within a graph"),
    "a_scan": (nodes(node("Scan", ["states"], ["end"], body=body("a"), num_scan_inputs=1)), "within a graph"),
    "graphs_in_graphs": (nested, "within a graph"),
    "sparse_weights": (sparse, "sparse"),
    "training": (training, "trained"),
    "a_million_nodes_of_nothing": (empty_nodes, "fields"),
    "numbers_that_grow": (listed_numbers, "numbers outside raw data"),
    "texts_that_grow": (listed_texts, "strings"),
    "a_terabyte_of_zeros": (nodes(node("ConstantOfShape", ["far"], ["end"]), weights=FAR), "can take"),
    "a_terabyte_by_expansion": (nodes(node("Expand", ["states", "far"], ["end"]),
        weights=[("far", np.array([2**20, 1, 2**10, 4]))]), "can take"),
    "a_terabyte_by_tiles": (nodes(node("Tile", ["states", "far"], ["end"]),
        weights=[("far", np.array([2**15, 2**10, 2**10]))]), "can take"),
    "a_terabyte_by_counting": (nodes(node("Range", ["zero", "far", "one"], ["end"]), weights=[
        ("zero", np.int64(0)), ("far", np.int64(2**39)), ("one", np.int64(1))]), "can take"),
    "a_range_without_steps": (nodes(node("Range", ["zero", "far", "zero"], ["end"]), weights=[
        ("zero", np.int64(0)), ("far", np.int64(2**39))]), "Range"),
    "a_product_that_grows": (nodes(
        node("Reshape", ["states", "tall"], ["a"]), node("Reshape", ["states", "flat"], ["b"]),
        node("MatMul", ["a", "b"], ["c"]), node("Reshape", ["c", "tall"], ["d"]), node("Reshape", ["c", "flat"], ["e"]),
        node("MatMul", ["d", "e"], ["end"]),
        weights=[("tall", np.array([-1, 1])), ("flat", np.array([1, -1]))]), "memory"),
    "a_size_that_a_text_says": (nodes(node("ConstantOfShape", ["row"], ["end"]),
        node("Identity", ["end"], ["e"])), "reads 'row'"),
    "a_size_of_token_ids": (nodes(
        node("Reshape", ["input_ids", "flat"], ["row"]), node("Expand", ["states", "row"], ["end"]),
        weights=[("flat", np.array([-1]))]), "hangs on more"),
    "a_size_of_the_largest_token": (nodes(
        node("ReduceMax", ["input_ids"], ["top"], keepdims=0), node("Unsqueeze", ["top", "first"], ["row"]),
        node("ConstantOfShape", ["row"], ["end"]), weights=[("first", np.array([0]))]), "hangs on more"),
    "a_size_that_overflows": (nodes(
        node("Shape", ["states"], ["s"]), node("Mul", ["s", "big"], ["t"]), node("Mul", ["t", "big"], ["u"]),
        node("Expand", ["states", "u"], ["end"]), weights=[("big", np.array([2**39]))]), "a size is computed"),
    "an_order_that_holds_all": (large_before_large, "can take"),
    "a_weight_of_a_terabyte": (weight(dims=[2**20, 2**20]), "says"),
    "a_weight_of_a_negative_size": (weight(dims=[-10, 4]), "shape"),
    "a_weight_whose_size_overflows": (weight(dims=[2**62, 2**62, 2**62]), "says"),
    "a_weight_of_an_unknown_type": (weight(data_type=77), "type"),
    "a_weight_of_texts": (weight(data_type=8), "type"),
    "a_weight_of_less_than_it_says": (weight(raw_data=b"\0" * 8), "says"),
    "weights_that_are_no_numbers": (spoilt(np.nan), "NaN"),
    "endless_weights": (spoilt(np.inf), "infinity"),
    "two_weights_of_a_name": (two_of_a_name, "one name"),
    "a_circle": (circle, "nothing before it"),
    "a_name_made_twice": (nodes(node("Identity", ["states"], ["states"])), "there already"),
    "an_output_that_nothing_makes": (nodes(output="nothing"), "made by no node"),
    "no_output": (outputs, "outputs"),
    "an_input_of_one_size": (fixed_size, "any number"),
    "an_axis_that_is_not_there": (nodes(node("Gather", ["states", "input_ids"], ["end"], axis=9)), "axis 9"),
    "an_attribute_missing": (nodes(node("Cast", ["states"], ["end"])), "Cast"),
    "states_of_another_rank": (nodes(node("ReduceSum", ["states"], ["end"], keepdims=0), output="end"), "pooling"),
    "cut_at_a_tenth": (cut(0.1), "model.onnx"),
    "cut_in_half": (cut(0.5), "model.onnx"),
    "cut_at_the_end": (cut(0.99), "model.onnx"),
    "a_pickle": (lambda _: pickle.dumps({"a": os.system}), "model.onnx"),
    "noise": (lambda _: np.random.default_rng(0).bytes(10_000), "model.onnx"),
    "nothing": (lambda _: b"", "model.onnx"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "rule"), GRAPHS.values(), ids=GRAPHS)
def test_malicious_graph_is_refused(folder: Path, refused: Refused, change: Change, rule: str) -> None:
    put(folder, change)
    refused(folder, "model.onnx", rule, memory=128 * 2**20)


def test_malicious_graph_of_more_memory_than_it_declares_is_refused(folder: Path, refused: Refused) -> None:
    hostile.change(folder, memory=2**20 * 8)
    refused(folder, "model.onnx", "the graph can take", "declares 8,388,608")


def test_malicious_table_without_the_tokenizers_last_token_is_refused(folder: Path, refused: Refused) -> None:
    put(folder, lambda model: model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(np.ones((3, 4), np.float32), "table")
    ))  # fmt: skip
    refused(folder, "model.onnx", "indices", memory=128 * 2**20)


def test_a_good_graph_takes_no_more_than_it_is_allowed(tmp_path: Path, attempt: Callable[..., Attempt]) -> None:
    bundle = hostile.transformer(tmp_path / "b", memory=96 * 2**20)
    found = attempt(tmp_path / "b")
    assert not found.error
    assert found.taken < allowed(bundle.manifest)
