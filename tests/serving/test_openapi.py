"""What the server says of itself is true of it: its examples are as its schemas, and it reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from pressrun.bundle import Bundle, write_bundle
from pressrun.serving import openapi
from pressrun.serving.hosting import Host, Hosted, Placed
from pressrun.serving.metrics import Metrics
from pressrun.serving.protocol import parse_infer
from pressrun.serving.reading import read_inference, read_plain
from pressrun.serving.tensors import Tail
from tests.bundle.made import transformer
from tests.serving.models import COLUMNS, clicks, topics

KINDS = ("topics", "clicks", "pairs")


def pairs(folder: Path) -> Bundle:
    model = transformer(width=1, pooled=True, types=True)
    return write_bundle(folder, name="pairs", task="reranking", input="text_pair", model=model)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Hosted]:
    folder, host = tmp_path_factory.mktemp("described"), Host(metrics=Metrics())
    for name, make in zip(KINDS, (topics, clicks, pairs), strict=True):
        make(folder / name)
    return {name: host.load(Placed(bundle=folder / name, model=name, version="1")) for name in KINDS}


@pytest.fixture(scope="module")
def paths(models: dict[str, Hosted]) -> dict[str, Any]:
    document: dict[str, Any] = openapi.document(models)
    return dict(document["paths"])


def schema(paths: dict[str, Any], path: str) -> dict[str, Any]:
    return dict(paths[path]["post"]["requestBody"]["content"]["application/json"]["schema"])


def fits(paths: dict[str, Any], path: str, request: dict[str, Any]) -> bool:
    return bool(Draft202012Validator(schema(paths, path)).is_valid(request))


def tensor(name: str, datatype: str, shape: list[int], **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


@pytest.mark.parametrize("name", KINDS)
def test_the_examples_are_as_their_schemas_and_are_read(
    name: str, paths: dict[str, Any], models: dict[str, Hosted]
) -> None:
    signature = models[name].bundle.manifest
    infer, plain = (schema(paths, path)["examples"] for path in (f"/v2/models/{name}/infer", f"/predict/{name}"))
    assert infer
    assert plain
    for one in infer:
        assert fits(paths, f"/v2/models/{name}/infer", one), one
        assert read_inference(parse_infer(json.dumps(one).encode()), Tail(), signature).rows == 1
    for one in plain:
        assert fits(paths, f"/predict/{name}", one), one
        assert read_plain(one, signature).rows


def test_every_schema_is_one(paths: dict[str, Any]) -> None:
    for path in paths:
        if "post" in paths[path]:
            Draft202012Validator.check_schema(schema(paths, path))


def test_columns_are_described_as_one_tensor_and_as_one_each(paths: dict[str, Any]) -> None:
    by_name = [tensor(name, "INT64", [2], data=[1, 2]) for name in COLUMNS]
    for inputs, right in [
        ([tensor("anything", "FP32", [2, 3], data=[[1, 2, 3], [4, 5, 6.5]])], True),
        (by_name, True),
        (by_name[:2], False),
        ([*by_name[:2], tensor("other", "FP64", [2], data=[1, 2])], False),
        ([tensor("anything", "BYTES", [1, 3], data=["a", "b", "c"])], False),
    ]:
        assert fits(paths, "/v2/models/clicks/infer", {"inputs": inputs}) is right, inputs
    assert not fits(paths, "/predict/clicks", {"columns": {"age": 1.0}})


def test_texts_are_described_alone_or_as_title_and_body(paths: dict[str, Any]) -> None:
    title, body, text = (tensor(name, "BYTES", [1], data=["a"]) for name in ("title", "body", "text"))
    for inputs, right in [([text], True), ([title, body], True), ([body], True), ([text, title], False)]:
        assert fits(paths, "/v2/models/topics/infer", {"inputs": inputs}) is right, inputs
    assert not fits(paths, "/predict/topics", {})


def test_binary_tensors_are_described_and_read(paths: dict[str, Any], models: dict[str, Hosted]) -> None:
    rows = np.arange(6, dtype="<f8").reshape(2, 3)
    sizes = {"binary_data_size": rows.nbytes}
    request = {
        "inputs": [tensor("features", "FP64", [2, 3], parameters=sizes)],
        "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
    }
    assert fits(paths, "/v2/models/clicks/infer", request)
    assert not fits(paths, "/v2/models/clicks/infer", {"inputs": [tensor("features", "FP64", [2, 3])]})
    manifest = models["clicks"].bundle.manifest
    read = read_inference(parse_infer(json.dumps(request).encode()), Tail(rows.tobytes()), manifest)
    assert np.array_equal(np.asarray(read.batch), rows)
    operation = paths["/v2/models/clicks/infer"]["post"]
    assert "application/octet-stream" in operation["requestBody"]["content"]
    assert "application/octet-stream" in operation["responses"]["200"]["content"]
    assert [one["name"] for one in operation["parameters"]] == ["Inference-Header-Content-Length"]


def test_the_page_asks_for_nothing_that_is_not_there(models: dict[str, Hosted]) -> None:
    page = openapi.page(models).decode()
    assert '<link rel="icon" href="data:' in page
    assert "scrollHeight" in page
