"""How much memory a bundle may take, and how much its files can take at the most: what is more is refused unread.

Each bound holds for any file of that kind, whatever is in it; for a graph it is computed (`onnx_graph`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pressrun.bundle.errors import BundleError
from pressrun.bundle.manifest import Manifest

# Bytes in memory for a byte of the file.
_TENSORS = 8  # float16 as float64, and the file's own bytes
_TREES = 8  # the text, its copy for LightGBM, LightGBM's nodes
_TEXT = 6  # the bytes, their text in 4 bytes a character, a parser's copy
_ENTRY = 300
"""Bytes of an entry of a JSON file in memory: its string, its place in a table here and in the library tokenizers."""
_EXPECTED = {".safetensors": _TENSORS, ".txt": _TREES, ".json": 48, ".onnx": 5}
_BASE = 64 * 2**20
_TRANSFORMER = 768 * 2**20


def allowed(manifest: Manifest) -> int:
    """Bytes: what the manifest declares, else what files of these sizes usually take, with a margin."""
    if manifest.memory is not None:
        return manifest.memory
    graphs = any(name.endswith(".onnx") for name in manifest.files)
    files = sum(file.size * _EXPECTED[name[name.index(".") :]] for name, file in manifest.files.items())
    return _BASE + files + (_TRANSFORMER if graphs else 0)


def refuse_more(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raises BundleError when the files, other than a graph, can take more than is allowed once they are parsed."""
    refuse_over(sum(bound(name, content) for name, content in files.items()), manifest, "its files")


def refuse_over(size: int, manifest: Manifest, what: str) -> None:
    """Raises BundleError when `size` bytes are more than is allowed."""
    if size > allowed(manifest):
        said = "declares" if manifest.memory is not None else "declares no memory, which allows"
        raise BundleError(f"{what} can take {size:,} bytes of memory; bundle.json {said} {allowed(manifest):,}")


def bound(name: str, content: bytes) -> int:
    """Bytes that the file's content can become in memory; of a graph only its bytes."""
    if name.endswith(".safetensors"):
        return _TENSORS * len(content)
    if name.endswith(".txt"):
        return _TREES * len(content)
    if name.endswith(".json"):
        entries = content.count(b",") + content.count(b"[") + content.count(b"{") + content.count(b'"') // 2
        return _TEXT * len(content) + _ENTRY * entries
    return len(content)
