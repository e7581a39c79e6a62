"""Hostile folders and manifests: links, pipes, names, sizes, digests, YAML, depth."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bundle import hostile
from tests.bundle.attempts import Attempt

Refused = Callable[..., Attempt]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hostile.linear(tmp_path / "b")
    return tmp_path / "b"


def test_malicious_checks_see_a_good_bundle_load(folder: Path, attempt: Callable[..., Attempt]) -> None:
    found = attempt(folder)
    assert not found.error
    assert not found.opened
    assert not found.ran
    assert found.taken < 64 * 2**20


def test_malicious_replaced_manifest_is_refused_by_the_digest(folder: Path, refused: Refused, tmp_path: Path) -> None:
    wanted = hostile.linear(tmp_path / "wanted").digest
    hostile.change(folder, labels=["b", "a"])
    refused(folder, "holds model", wanted[:12], digest=wanted)


def test_malicious_replaced_weights_are_refused_by_the_digest(folder: Path, refused: Refused) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1] + b"\x42")
    refused(folder, "model.safetensors was changed", "digest")


MANIFESTS: dict[str, str] = {
    "yaml_tags": "!!python/object/apply:os.system ['touch ran']",
    "yaml_aliases": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    "deep_lists": "[" * 200_000,
    "deep_objects": '{"a":' * 200_000,
    "a_key_twice": '{"format": 1, "format": 2}',
    "a_huge_number": '{"format": ' + "9" * 500_000 + "}",
    "an_infinity": '{"format": Infinity}',
    "a_pickle": "cos\nsystem\n(S'touch ran'\ntR.",
    "a_lone_surrogate": '{"name": "\\ud800"}',
    "two_megabytes": '{"name": "' + "x" * 2**21 + '"}',
    "python": "__import__('os').system('touch ran')",
    "a_template": '{"name": "{{ cycler.__init__.__globals__.os.system(\'touch ran\') }}"}',
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_malicious_manifest_is_refused(folder: Path, refused: Refused, content: str) -> None:
    (folder / "bundle.json").write_text(content)
    refused(folder, "bundle.json")


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "code_as_a_step": ({"preprocessing": [{"step": "python", "code": "import os"}]}, "python"),
    "a_module_to_import": ({"loader_module": "os"}, "loader_module"),
    "a_class_to_make": ({"uses": "os:system"}, "uses"),
    "a_newer_format": ({"format": 2}, "format"),
    "an_endless_slope": ({"calibration": {"kind": "softmax", "version": 1, "slope": 1e300}}, "slope"),
    "a_slope_that_is_no_number": ({"calibration": {"kind": "softmax", "slope": float("nan")}}, "slope"),
    "a_thousand_labels_and_one": ({"labels": [str(n) for n in range(1001)]}, "labels"),
    "one_label_twice": ({"labels": ["a", "a"]}, "labels"),
    "memory_without_bound": ({"memory": 10**30}, "memory"),
    "negative_memory": ({"memory": -1}, "memory"),
    "a_hostile_name": ({"name": "../../etc"}, "name"),
    "a_template_as_a_name": ({"name": "{{7*7}}"}, "name"),
    "a_million_columns": ({"input": "columns", "columns": [str(n) for n in range(100_001)]}, "columns"),
    "a_step_of_a_billion_columns": (
        {"preprocessing": [{"step": "hashed_ngrams", "version": 1, "columns": 10**9}]},
        "columns",
    ),
    "ngrams_without_end": (
        {"preprocessing": [{"step": "hashed_ngrams", "ngrams": [1, 999], "columns": 2}]},
        "ngrams",
    ),
}


@pytest.mark.parametrize(("changes", "rule"), CHANGES.values(), ids=CHANGES)
def test_malicious_field_is_refused(folder: Path, refused: Refused, changes: dict[str, Any], rule: str) -> None:
    hostile.change(folder, **changes)
    refused(folder, "bundle.json", rule)


NAMES = {
    "up": "../outside.json", "absolute": "/etc/passwd.json", "below": "a/b.json", "backslash": "..\\outside.json",
    "nul": "a\0.json", "newline": "a.json\n", "right_to_left": "model\u202enosj.json", "fullwidth": "\uff41.json",
    "accent": "mod\u0065\u0301l.json", "capital": "Model.json", "pickle": "model.pkl", "two_endings": "model.json.pkl",
    "device": "con.json:stream", "long": "a" * 300 + ".json", "hidden": ".json",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_malicious_file_name_is_refused(folder: Path, refused: Refused, name: str) -> None:
    files = hostile.manifest(folder)["files"]
    hostile.change(folder, files={**files, name: {"sha256": "0" * 64, "size": 1}})
    refused(folder, "bundle.json", "files")


@pytest.mark.parametrize("size", [2**26 + 1, 10**18, -1])
def test_malicious_size_is_refused(folder: Path, refused: Refused, size: int) -> None:
    files = hostile.manifest(folder)["files"]
    files["model.safetensors"]["size"] = size
    hostile.change(folder, files=files)
    refused(folder, "bundle.json", "model.safetensors")


def test_malicious_seventeen_files_are_refused(folder: Path, refused: Refused) -> None:
    hostile.change(folder, files={f"f{n}.json": {"sha256": "0" * 64, "size": 0} for n in range(17)})
    refused(folder, "bundle.json", "files")


@pytest.mark.parametrize(
    "name", ["setup.py", "python_model.pkl", "MLmodel", "bundle.yaml", "modеl.safetensors", "model.safetensors\u200b"]
)
def test_malicious_stranger_is_refused(folder: Path, refused: Refused, name: str) -> None:
    (folder / name).write_text("import os; os.system('touch ran')")
    refused(folder, name, "does not name")


@pytest.mark.parametrize("name", ["bundle.json", "model.safetensors", "tfidf_vocabulary.json"])
@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero", "/proc/self/environ", "../secret"])
def test_malicious_link_is_refused(folder: Path, refused: Refused, tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / "secret").write_bytes((folder / name).read_bytes())
    (folder / name).unlink()
    (folder / name).symlink_to(target)
    refused(folder, name, "plain file")


def test_malicious_hard_link_tells_nothing_of_its_file(folder: Path, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('["password"]')
    (folder / "tfidf_vocabulary.json").unlink()
    os.link(tmp_path / "secret", folder / "tfidf_vocabulary.json")
    assert "password" not in refused(folder, "tfidf_vocabulary.json was changed").error


@pytest.mark.parametrize("name", ["bundle.json", "model.safetensors"])
def test_malicious_pipe_does_not_hang(folder: Path, refused: Refused, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert refused(folder, name, "no plain file").seconds < 5


def test_malicious_folder_for_a_file_is_refused(folder: Path, refused: Refused) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()
    refused(folder, "model.safetensors", "no plain file")


def test_malicious_socket_is_refused(folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "model.safetensors").unlink()
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("model.safetensors")
        refused(folder, "model.safetensors", "plain file")


@pytest.mark.parametrize("name", ["bundle.json", "model.safetensors"])
def test_malicious_sparse_terabyte_is_not_read(folder: Path, refused: Refused, name: str) -> None:
    os.truncate(folder / name, 2**40)
    refused(folder, name, "larger than")


def test_malicious_missing_file_is_refused(folder: Path, refused: Refused) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, "model.safetensors", "cannot be read")


def test_malicious_less_memory_than_its_files_take_is_refused(folder: Path, refused: Refused) -> None:
    words = [f"word{number}" for number in range(200_000)]
    hostile.replace(folder, "tfidf_vocabulary.json", json.dumps(words).encode())
    hostile.change(folder, memory=2**20)
    refused(folder, "declares 1,048,576", memory=2**20 * 16)


def test_malicious_less_memory_than_its_files_have_bytes_is_refused_unread(folder: Path, refused: Refused) -> None:
    hostile.replace(folder, "tfidf_vocabulary.json", b" " * 2**25)
    hostile.change(folder, memory=2**20)
    refused(folder, "reading its files", "declares 1,048,576", memory=2**24)
