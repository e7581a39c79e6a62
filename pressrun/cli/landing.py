"""How the pipelines that there are read a folder of articles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.config.pipeline import Read


def how_to_read(folder: Path) -> str:
    """The next command for whoever has put JSONL files of articles with our own names into `folder`."""
    from pressrun.config.load import load_environment, load_pipeline, pipeline_files

    landing = Path(load_environment().landing).expanduser().resolve()
    for file in pipeline_files():
        pipeline = load_pipeline(file)
        if (landing / pipeline.model).resolve() == folder.resolve():
            wanted = "" if _fits(pipeline.articles.read) else f", with articles.read: {{format: jsonl}} in {file}"
            return f"next: pressrun ingest {file.stem}{wanted}"
    mapping = f"{{path: {folder}/*.jsonl, format: jsonl}}"
    return f"next: pressrun ingest, with articles.read: {mapping} in your pipeline's file"


def _fits(read: Read) -> bool:
    return read.format in ("auto", "jsonl") and not read.columns
