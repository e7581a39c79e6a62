"""`python -m pressrun.serving.fetch URI --digest D --to DIR`: a model's bundle, whole and verified, or an error.

What a pod's init container runs. A bundle that is there already is not fetched again, so a container restarts while
MLflow or the bucket is away.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from pressrun.bundle.errors import BundleError
from pressrun.bundle.folder import read_folder
from pressrun.bundle.manifest import MANIFEST
from pressrun.config.redact import redacted
from pressrun.serving.sources import Source, UnknownSource, source_of

# Where a registered model keeps its bundle; `pressrun.registry.models` writes it there.
REGISTERED = "data/bundle/"
MOST_BYTES = 2**30
ATTEMPTS = 6
_WAIT_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)
_UNFINISHED = ".fetching-"
_log = logging.getLogger("pressrun.fetch")


class FetchError(RuntimeError):
    """The source did not give the bundle, however often it was asked. A retry helps once it answers."""


def fetch(
    uri: str,
    *,
    digest: str,
    to: Path,
    most_bytes: int = MOST_BYTES,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Puts the bundle with `digest` into the folder `to`, in one step; False when it was there already.

    `uri` names the bundle's folder, or that of the registered model which holds it; at the most `most_bytes` are
    fetched. Raises BundleError for what is no bundle or another one, FetchError after `attempts` without an answer.
    """
    if _is_there(to, digest):
        _log.info("%s holds the model %s already: nothing to fetch", to, digest[:12])
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    for left in to.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=to.parent))
    try:
        _with_patience(lambda: _download(source_of(uri), uri, beside, most_bytes), uri, digest, attempts, sleep)
        _verify(beside, uri, digest)
        beside.chmod(0o755)
        shutil.rmtree(to, ignore_errors=True)
        beside.rename(to)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


def _is_there(folder: Path, digest: str) -> bool:
    if not folder.is_dir():
        return False
    try:
        return read_folder(folder)[0].digest == digest
    except BundleError as error:
        _log.warning("what lies in %s is fetched again: %s", folder, error)
        return False


def _with_patience(
    work: Callable[[], None], uri: str, digest: str, attempts: int, sleep: Callable[[float], None]
) -> None:
    for attempt in range(1, attempts + 1):
        try:
            return work()
        except (BundleError, UnknownSource):
            raise
        except Exception as error:  # every client has errors of its own
            reason = redacted((str(error).splitlines() or [""])[0][:300])
            said = f"{type(error).__name__}: {reason}"
        if attempt < attempts:
            seconds = _WAIT_SECONDS[min(attempt, len(_WAIT_SECONDS)) - 1]
            _log.warning("try %d of %d of %s: %s; again in %g s", attempt, attempts, redacted(uri), said, seconds)
            sleep(seconds)
    raise FetchError(
        f"{redacted(uri)} did not give the model {digest[:12]} in {attempts} tries, at last: {said}. See that it "
        "exists, that MLFLOW_TRACKING_URI or the bucket is right and reachable from here, and that the credentials "
        "in the environment may read it; then run this again"
    )


def _download(source: Source, uri: str, to: Path, most_bytes: int) -> None:
    files = _bundle_files(source.sizes(), uri)
    _refuse_size(sum(files.values()), uri, most_bytes)
    got = 0
    for place, (name, size) in enumerate(sorted(files.items()), 1):
        _log.info("%d of %d: %s, %s bytes", place, len(files), name, f"{size:,}")
        kept = to / PurePosixPath(name).name
        source.get(name, kept)
        got += kept.stat().st_size
        _refuse_size(got, uri, most_bytes)  # not every registry says sizes before


def _refuse_size(total: int, uri: str, most_bytes: int) -> None:
    if total > most_bytes:
        raise BundleError(
            f"{redacted(uri)} has {total:,} bytes, more than the {most_bytes:,} allowed: is it a bundle's folder? "
            "If so, raise --most-bytes"
        )


def _bundle_files(sizes: Mapping[str, int], uri: str) -> dict[str, int]:
    """The files of the folder that has the manifest: a bundle is flat. Raises BundleError, FileNotFoundError."""
    if not sizes:
        raise FileNotFoundError("no files are there")
    for prefix in ("", REGISTERED):
        if prefix + MANIFEST in sizes:
            inside = {name: size for name, size in sizes.items() if name.startswith(prefix)}
            _refuse_paths([name[len(prefix) :] for name in inside], uri)
            return inside
    raise BundleError(
        f"{redacted(uri)} has neither {MANIFEST} nor {REGISTERED}{MANIFEST}: it is no bundle and no model that "
        f"Pressrun registered. There are {', '.join(sorted(sizes)[:5])}"
    )


def _refuse_paths(names: list[str], uri: str) -> None:
    bad = [name for name in names if "/" in name or "\\" in name or "\0" in name or name in ("", ".", "..")]
    if bad:
        raise BundleError(f"{redacted(uri)} names {bad[0]!r}, no file of a bundle: a bundle is one flat folder")


def _verify(folder: Path, uri: str, digest: str) -> None:
    try:
        found = read_folder(folder)[0].digest
    except BundleError as error:
        raise BundleError(f"what {redacted(uri)} gave is no whole bundle: {error}; register the model again") from error
    if found != digest:
        raise BundleError(
            f"{redacted(uri)} holds the model {found}, asked for was {digest}: it was registered again or the plan is "
            "an old one; submit a new plan"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="pressrun.serving.fetch", description="Fetches a model's bundle, verified.")
    parser.add_argument("uri", help="models:/NAME/VERSION, runs:/..., mlflow-artifacts:/..., s3://, gs:// or a folder")
    parser.add_argument("--digest", required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--most-bytes", type=int, default=MOST_BYTES)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    started = time.monotonic()
    try:
        new = fetch(given.uri, digest=given.digest, to=given.to, most_bytes=given.most_bytes)
    except (BundleError, FetchError, UnknownSource) as error:
        sys.exit(f"pressrun.serving.fetch: {error}")
    if new:
        _log.info("%s holds the model %s, after %.1f s", given.to, given.digest[:12], time.monotonic() - started)


if __name__ == "__main__":
    main()
