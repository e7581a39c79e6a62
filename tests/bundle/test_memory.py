"""What is said of memory holds: large good bundles take less than their bound, loaded and at work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pressrun.bundle import Bundle, BundleError, write_bundle
from pressrun.bundle.memory import allowed, bound
from pressrun.bundle.models import Lightgbm, Linear
from pressrun.bundle.onnx_graph import Graph
from pressrun.bundle.preprocessing import CenteredEmbeddings
from pressrun.bundle.static_embeddings import package_embeddings
from pressrun.bundle.tfidf import Tfidf
from pressrun.bundle.transformer import TextTokenizer, Transformer
from tests.bundle import attention, made
from tests.bundle.attempts import Attempt
from tests.bundle.test_parity import minilm

OTHER = 32 * 2**20
"""Of Python, for modules that load late and a first answer."""
AT_WORK = """
import json, resource, sys
import onnx, onnxruntime
from pressrun.bundle import load_bundle
import pressrun.bundle.onnx_graph
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
bundle = load_bundle(sys.argv[1])
for words in (1, 3, 9, 27, 81, 243, 700):
    bundle.scores(["goal shares " * words] * max(1, 3000 // words))
print(json.dumps(peak() - before))
"""


def many_words(folder: Path) -> Bundle:
    words = {f"word{number}": number for number in range(300_000)}
    tfidf = Tfidf(vocabulary=words, idf=np.ones(len(words)))
    model = Linear(coefficients=np.ones((4, len(words)), np.float32), intercept=np.zeros(4, np.float32))
    return write_bundle(folder, name="topics", labels=[*"abcd"], steps=[tfidf], model=model, slope=1.0)


def a_table(folder: Path) -> Bundle:
    embeddings = package_embeddings()
    step = CenteredEmbeddings(embeddings=embeddings, center=np.zeros(embeddings.dimensions, np.float32))
    model = Linear(coefficients=np.ones((2, 256), np.float32), intercept=np.zeros(2, np.float32))
    return write_bundle(folder, name="topics", labels=[*"ab"], steps=[step], model=model, slope=1.0)


def many_trees(folder: Path) -> Bundle:
    model = Lightgbm(text=made.booster("regression", num_leaves=100, min_data_in_leaf=1).model_to_string())
    names = [f"column_{place}" for place in range(6)]
    return write_bundle(folder, name="clicks", task="regression", input="columns", columns=names, model=model)


@pytest.mark.parametrize("make", [many_words, a_table, many_trees])
def test_a_large_bundle_takes_less_than_its_bound(
    tmp_path: Path, attempt: Callable[..., Attempt], make: Callable[[Path], Bundle]
) -> None:
    bundle = make(tmp_path / "b")
    files = {name: (tmp_path / "b" / name).read_bytes() for name in bundle.manifest.files}
    most = sum(bound(name, content) for name, content in files.items())
    found = attempt(tmp_path / "b")
    assert not found.error
    assert found.taken < most + OTHER
    assert most < allowed(bundle.manifest)


def test_a_transformer_at_work_takes_less_than_its_bound(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    content = attention.graph(tokens=30_522, width=256, heads=8).SerializeToString()
    tokenizer = TextTokenizer(Tokenizer.from_file(str(minilm())), max_tokens=512)
    model = Transformer(graph=content, tokenizer=tokenizer, pooling="mean")
    bundle = write_bundle(tmp_path / "b", name="articles", task="embedding", model=model)
    told = subprocess.run(
        [sys.executable, "-c", AT_WORK, str(tmp_path / "b")], check=True, capture_output=True, timeout=600
    )
    files = bound("tokenizer.json", (tmp_path / "b" / "tokenizer.json").read_bytes())
    most = Graph(content).memory(max_tokens=512) + files
    assert json.loads(told.stdout) < most + 2 * OTHER
    assert most < allowed(bundle.manifest)


def expanded(rows: int) -> Transformer:
    """A graph that makes a tensor of `rows` times four numbers for a moment."""
    graph = made.graph()
    graph.graph.node.extend(
        [
            helper.make_node("Expand", ["one", "wide"], ["much"]),
            helper.make_node("ReduceMax", ["much"], ["top"], keepdims=0),
            helper.make_node("Add", ["states", "top"], ["end"]),
        ]
    )
    graph.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([rows, 4]), "wide"),
            numpy_helper.from_array(np.ones((1, 1), np.float32), "one"),
        ]
    )
    graph.graph.output[0].CopyFrom(helper.make_tensor_value_info("end", onnx.TensorProto.FLOAT, ["n", "t", 4]))
    return Transformer(graph=graph.SerializeToString(), tokenizer=made.tokenizer(), pooling="mean")


def test_a_graph_is_taken_with_the_memory_that_it_needs_and_no_less(
    tmp_path: Path, attempt: Callable[..., Attempt]
) -> None:
    model = expanded(2**22)
    with pytest.raises(BundleError, match=r"model\.onnx: the graph can take 13\d,\d{3},\d{3} bytes"):
        write_bundle(tmp_path / "a", name="e", task="embedding", model=model, memory=2**26)
    write_bundle(tmp_path / "b", name="e", task="embedding", model=model, memory=2**28)
    found = attempt(tmp_path / "b")
    assert not found.error
    assert 2**26 < found.taken < 2**28
