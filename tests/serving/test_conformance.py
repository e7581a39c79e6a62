"""A client of the protocol that others wrote (NVIDIA's tritonclient) is answered as it expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from pressrun.bundle import Bundle
from tests.serving.models import COLUMNS, models_file
from tests.serving.running import REAL, running

pytestmark = pytest.mark.timeout(300)
TEXTS = ("A late goal", "Shares fall", "é 世界")


@pytest.fixture(scope="module")
def bundles_and_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Bundle], str]]:
    folder = tmp_path_factory.mktemp("conformance")
    file, bundles = models_file(folder)
    with running(folder, models=file, program=REAL) as server:
        yield bundles, f"127.0.0.1:{server.port}"


@pytest.fixture
def bundles(bundles_and_url: tuple[dict[str, Bundle], str]) -> dict[str, Bundle]:
    return bundles_and_url[0]


@pytest.fixture
def client(bundles_and_url: tuple[dict[str, Bundle], str]) -> Iterator[Any]:
    made = triton.InferenceServerClient(bundles_and_url[1])
    yield made
    made.close()


def given(name: str, values: np.ndarray, datatype: str, *, binary: bool) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def test_it_is_live_and_ready_and_says_what_it_has(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "pressrun"
    assert client.is_model_ready("topics")
    assert client.is_model_ready("topics", "1")
    assert not client.is_model_ready("nothing")
    told = client.get_model_metadata("clicks")
    assert [(one["name"], one["datatype"], one["shape"]) for one in told["inputs"]] == [
        ("features", "FP64", [-1, len(COLUMNS)])
    ]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_rows_of_numbers_are_scored_to_the_last_digit(
    client: Any, bundles: dict[str, Bundle], binary: bool, datatype: str
) -> None:
    rows = np.random.default_rng(1).normal(size=(7, len(COLUMNS))).astype(np.float32)
    values = rows.astype(np.float64) if datatype == "FP64" else rows
    wanted = [triton.InferRequestedOutput("scores", binary_data=binary)]
    answer = client.infer("clicks", [given("features", values, datatype, binary=binary)], outputs=wanted)
    assert np.array_equal(answer.as_numpy("scores"), bundles["clicks"].scores(rows.astype(np.float64)).ravel())
    assert answer.get_response()["model_version"] == "1"


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_texts_get_their_labels_and_probabilities(client: Any, bundles: dict[str, Bundle], binary: bool) -> None:
    values = np.array(TEXTS, dtype=object)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]
    answer = client.infer(
        "topics", [given("text", values, "BYTES", binary=binary)], outputs=wanted, request_id="r1", model_version="1"
    )
    expected = bundles["topics"].scores(TEXTS)
    labels = [one.decode() if isinstance(one, bytes) else one for one in answer.as_numpy("label")]
    assert labels == [bundles["topics"].labels[place] for place in expected.argmax(axis=1)]
    assert np.allclose(answer.as_numpy("probabilities"), expected, atol=1e-6)
    assert answer.get_response()["id"] == "r1"


def test_a_wrong_request_raises_with_the_reason(client: Any) -> None:
    with pytest.raises(triton.InferenceServerException, match="a row has 3 columns, got 2"):
        client.infer("clicks", [given("features", np.zeros((1, 2)), "FP64", binary=True)])
    with pytest.raises(triton.InferenceServerException, match="no such path"):
        client.infer("nothing", [given("features", np.zeros((1, 2)), "FP64", binary=True)])
