"""What a process with another Python imports: Pressrun as it is installed here, and the user's own modules."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pressrun.compute.uploads import package
from pressrun.config.pipeline import Pipeline
from pressrun.lake.fingerprint import installed, named_modules, places_of


def unpacked(folder: Path) -> Path:
    """The folder below `folder` that holds Pressrun and nothing else: its site-packages would bring Airflow's pins."""
    packed = package()
    place = folder / packed.name.removesuffix(packed.suffix)
    if not place.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as aside:
            made = Path(aside) / "made"
            zipfile.ZipFile(io.BytesIO(packed.content)).extractall(made)
            _take_name(made, place)
    return place


def own_folders(pipeline: Pipeline) -> Iterator[str]:
    """Where the modules lie that `uses` names, unless they are installed: then the lock has them, too."""
    roots = {module.partition(".")[0] for module in named_modules(pipeline.model_dump(mode="json"))}
    for root in sorted(roots - {"pressrun"}):
        if not installed(root):
            yield str(places_of(root)[0].absolute().parent)


def search_path() -> str:
    """This process's own, for one of the same Python."""
    return os.pathsep.join(dict.fromkeys(place or str(Path.cwd()) for place in sys.path))


def _take_name(made: Path, place: Path) -> None:
    """Of two that unpack at once each has made the same."""
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():
            raise
