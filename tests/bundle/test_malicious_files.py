"""Hostile contents of the files of a linear model: pickles in any dress, archives, tensors, vocabularies."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from safetensors.numpy import save

from tests.bundle import hostile
from tests.bundle.attempts import Attempt

Refused = Callable[..., Attempt]


class Payload:
    """Unpickled, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hostile.linear(tmp_path / "b")
    return tmp_path / "b"


def pickled(mark: Path) -> bytes:
    return pickle.dumps(Payload(mark))


def in_joblib(mark: Path) -> bytes:
    held = io.BytesIO()
    joblib.dump({"model": Payload(mark)}, held, compress=3)
    return held.getvalue()


def in_npy(mark: Path) -> bytes:
    held = io.BytesIO()
    np.save(held, np.array([Payload(mark)], dtype=object), allow_pickle=True)
    return held.getvalue()


def in_npz(mark: Path) -> bytes:
    held = io.BytesIO()
    np.savez(held, idf=np.array([Payload(mark)], dtype=object))
    return held.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return held.getvalue()


def in_torch(mark: Path) -> bytes:
    return archive({"archive/data.pkl": pickled(mark), "archive/version": b"3"})


def in_skops(mark: Path) -> bytes:
    schema = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": f"touch {mark}"}
    return archive({"schema.json": json.dumps(schema).encode(), "object.pkl": pickled(mark)})


def in_keras(mark: Path) -> bytes:
    layer = {"class_name": "Lambda", "config": {"function": ["__import__('os').system", f"touch {mark}"]}}
    return archive({"config.json": json.dumps(layer).encode()})


def slipping(mark: Path) -> bytes:
    return archive({"../../ran": b"", str(mark): b"", "idf": b"\0" * 8})


def linked(mark: Path) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        link = zipfile.ZipInfo("idf")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
    return held.getvalue()


def bomb(_: Path) -> bytes:
    return archive({"idf": b"\0" * 2**28})


def gzipped(_: Path) -> bytes:
    return gzip.compress(b'["' + b"a" * 2**26 + b'"]')


def deflated(_: Path) -> bytes:
    return zlib.compress(b"\0" * 2**27)


DRESSES = [
    pickled, in_joblib, in_npy, in_npz, in_torch, in_skops, in_keras, slipping, linked, bomb, gzipped, deflated,
]  # fmt: skip


@pytest.mark.parametrize("name", ["model.safetensors", "tfidf.safetensors", "tfidf_vocabulary.json"])
@pytest.mark.parametrize("dress", DRESSES)
def test_malicious_archive_or_pickle_is_refused(
    folder: Path, refused: Refused, tmp_path: Path, name: str, dress: Callable[[Path], bytes]
) -> None:
    hostile.replace(folder, name, dress(tmp_path / "ran"))
    refused(folder, name)


def tensors(header: Any, data: bytes = b"\0" * 64) -> bytes:
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(said)) + said + data


def tensor(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


ZEROS = {"coefficients": np.zeros((2, 2)), "intercept": np.zeros(2)}
GOOD = {"coefficients": tensor([2, 2], 0, 16), "intercept": tensor([2], 16, 24)}
TENSORS: dict[str, tuple[bytes, str]] = {
    "a_header_longer_than_any_file": (b"\xff" * 7 + b"\x7f{}", "header"),
    "a_header_of_a_megabyte": (tensors(b'{"a":"' + b"x" * 2**20 + b'"}'), "header"),
    "a_header_of_nothing": (struct.pack("<Q", 0), "header"),
    "a_deep_header": (tensors(b"[" * 60_000), "nested"),
    "a_header_that_is_a_list": (tensors(b"[1, 2]"), "is needed"),
    "tensors_over_each_other": (tensors({**GOOD, "intercept": tensor([2], 8, 16)}, b"\0" * 16), "cannot be read"),
    "a_hole_between_tensors": (tensors({**GOOD, "intercept": tensor([2], 20, 28)}, b"\0" * 28), "cannot be read"),
    "an_end_beyond_the_file": (tensors({**GOOD, "intercept": tensor([2], 16, 2**60)}), "cannot be read"),
    "a_start_after_its_end": (tensors({**GOOD, "intercept": tensor([2], 24, 16)}), "cannot be read"),
    "a_negative_start": (tensors({**GOOD, "intercept": tensor([2], -8, 0)}), "cannot be read"),
    "a_shape_that_overflows": (tensors({**GOOD, "coefficients": tensor([2**62, 2**62], 0, 16)}), "cannot be read"),
    "a_shape_of_a_billion_by_nothing": (
        tensors({**GOOD, "coefficients": tensor([2**40, 0], 0, 0), "intercept": tensor([2], 0, 8)}, b"\0" * 8),
        "do not fit",
    ),
    "bytes_that_no_tensor_has": (tensors(GOOD, b"\0" * 2**20), "cannot be read"),
    "whole_numbers": (tensors({**GOOD, "coefficients": tensor([2, 2], 0, 16, "I32")}), "I32"),
    "an_unknown_type": (tensors({**GOOD, "coefficients": tensor([2, 2], 0, 16, "OBJECT")}), "OBJECT"),
    "a_tensor_too_many": (save({**ZEROS, "x": np.zeros(1)}), "needed"),
    "a_tensor_too_few": (save({"coefficients": np.zeros((2, 2))}), "is needed"),
    "another_rank": (save({"coefficients": np.zeros(4), "intercept": np.zeros(2)}), "2 axes"),
    "another_width": (save({"coefficients": np.zeros((2, 3)), "intercept": np.zeros(2)}), "do not fit"),
    "more_rows_than_labels": (save({"coefficients": np.zeros((9, 2)), "intercept": np.zeros(9)}), "do not fit"),
    "an_intercept_of_another_length": (save({"coefficients": np.zeros((2, 2)), "intercept": np.zeros(3)}), "fit"),
    "weights_that_are_no_numbers": (save({"coefficients": np.full((2, 2), np.nan), "intercept": np.zeros(2)}), "NaN"),
    "endless_weights": (save({"coefficients": np.zeros((2, 2)), "intercept": np.full(2, np.inf)}), "infinity"),
    "no_bytes": (b"", "header"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "rule"), TENSORS.values(), ids=TENSORS)
def test_malicious_tensors_are_refused(folder: Path, refused: Refused, content: bytes, rule: str) -> None:
    hostile.replace(folder, "model.safetensors", content)
    refused(folder, "model.safetensors", rule)


@pytest.mark.parametrize("kept", [1, 8, 9, 100, 150, -1])
def test_malicious_truncation_is_refused(folder: Path, refused: Refused, kept: int) -> None:
    hostile.replace(folder, "model.safetensors", (folder / "model.safetensors").read_bytes()[:kept])
    refused(folder, "model.safetensors")


VOCABULARIES: dict[str, tuple[bytes, str]] = {
    "a_million_words_for_two_weights": (json.dumps([str(n) for n in range(10**6)]).encode(), "for 2 weights"),
    "lists_in_a_list": (b"[" + b"[]," * 10**6 + b"[]]", "list of strings"),
    "objects_in_a_list": (b"[" + b"{}," * 10**6 + b"{}]", "list of strings"),
    "a_deep_list": (b"[" * 10**6, "list of strings"),
    "numbers": (b"[1, 2]", "list of strings"),
    "a_number_of_a_million_digits": (b"[" + b"9" * 10**6 + b"]", "list of strings"),
    "one_word_twice": (b'["goal", "goal"]', "1 distinct"),
    "no_unicode": (b'["\xff\xfe", "goal"]', "list of strings"),
    "half_a_surrogate": (b'["\\ud800", "goal"]', "list of strings"),
    "a_word_too_few": (b'["goal"]', "1 distinct"),
    "cut_off": (b'["goal", "sha', "list of strings"),
    "yaml": (b"- !!python/name:os.system\n- goal", "list of strings"),
    "nothing": (b"", "list of strings"),
    "null": (b"null", "list of strings"),
}


@pytest.mark.parametrize(("content", "rule"), VOCABULARIES.values(), ids=VOCABULARIES)
def test_malicious_vocabulary_is_refused(folder: Path, refused: Refused, content: bytes, rule: str) -> None:
    hostile.replace(folder, "tfidf_vocabulary.json", content)
    hostile.change(folder, memory=2**30)
    refused(folder, "tfidf_vocabulary.json", rule)
