"""What a platform starts: unpacks Pressrun from among the job's Python files and runs the module that is named first.

It is uploaded by itself and imports nothing but the standard library: nothing of Pressrun can be imported before its
zip is unpacked, and stages read their own sources as files.
"""

from __future__ import annotations

import atexit
import runpy
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path


def find_archive(name: str) -> Path:
    """The zip of that name: beside the program, in the working folder, or where Spark has put the Python files."""
    folders = [Path.cwd(), Path(sys.argv[0]).parent, *(Path(place).parent for place in sys.path if place)]
    for file in [*(folder / name for folder in folders), *(Path(place) for place in sys.path)]:
        if file.name == name and file.is_file():
            return file
    raise SystemExit(f"{name} is not among the job's Python files; sys.path is {sys.path}")


def unpack(name: str) -> None:
    """Unpacks the archive into a new folder, the first that this process imports from; at its end it goes."""
    folder = Path(tempfile.mkdtemp(prefix="pressrun-"))
    # Before anything else registers what it does at the end, and so after all of that.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with zipfile.ZipFile(find_archive(name)) as archive:
        archive.extractall(folder)
    sys.path.insert(0, str(folder))


def main() -> None:
    """`entry.py MODULE ARCHIVE ARGUMENTS...`."""
    module, archive, *arguments = sys.argv[1:]
    unpack(archive)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
