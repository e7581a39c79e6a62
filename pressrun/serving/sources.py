"""Where a bundle's files may lie: one class a kind of place, all with `sizes` and `get`. Clients load when used."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from pressrun.bundle.errors import BundleError

MLFLOW_SCHEMES = ("models", "runs", "mlflow-artifacts")
# MLflow's own patience is minutes; who calls this tries again by itself and says so.
_MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class UnknownSource(ValueError):
    """No such kind of address. Trying again does not help."""


class Source(Protocol):
    """A folder somewhere."""

    def sizes(self) -> Mapping[str, int]:
        """Every file below the folder by its path, with its size in bytes."""

    def get(self, name: str, to: Path) -> None:
        """Writes the file `name` to `to`."""


def source_of(uri: str) -> Source:
    """The source that the address names. Raises UnknownSource."""
    parts = urlsplit(uri)
    if parts.scheme in MLFLOW_SCHEMES:
        return MlflowArtifacts(uri)
    if parts.scheme == "s3":
        return S3Folder(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "gs":
        return GcsFolder(parts.netloc, parts.path.strip("/"))
    if parts.scheme in ("", "file") and parts.netloc in ("", "localhost"):
        return LocalFolder(Path(unquote(parts.path) if parts.scheme else uri))
    raise UnknownSource(
        f"{uri} is no address of a bundle: give models:/, runs:/ or mlflow-artifacts:/, s3://, gs:// or a folder"
    )


class LocalFolder:
    """A folder of this machine, or of a volume; links in it are not followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sizes(self) -> dict[str, int]:
        if not self._folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self._folder}")
        paths = [Path(place) / name for place, _, names in os.walk(self._folder) for name in names]
        return {path.relative_to(self._folder).as_posix(): _plain_size(path) for path in paths}

    def get(self, name: str, to: Path) -> None:
        handle = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as given, to.open("wb") as kept:
            while chunk := given.read(2**20):
                kept.write(chunk)


def _plain_size(path: Path) -> int:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{path} is no plain file: a bundle has no links or devices; copy its files instead")
    return found.st_size


class S3Folder:
    """A prefix of a bucket; credentials, region and AWS_ENDPOINT_URL are boto3's to find."""

    def __init__(self, bucket: str, prefix: str) -> None:
        import boto3

        self._client: Any = boto3.client("s3")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""

    def sizes(self) -> dict[str, int]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        found = [item for page in pages for item in page.get("Contents", [])]
        return {item["Key"][len(self._prefix) :]: int(item["Size"]) for item in found if item["Key"][-1] != "/"}

    def get(self, name: str, to: Path) -> None:
        self._client.download_file(self._bucket, self._prefix + name, str(to))


class GcsFolder:
    """A prefix of a bucket; credentials and STORAGE_EMULATOR_HOST are Google's client's to find."""

    def __init__(self, bucket: str, prefix: str) -> None:
        from google.cloud.storage import Client

        self._client: Any = Client()
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""

    def sizes(self) -> dict[str, int]:
        found = self._client.list_blobs(self._bucket, prefix=self._prefix)
        return {blob.name[len(self._prefix) :]: int(blob.size) for blob in found if not blob.name.endswith("/")}

    def get(self, name: str, to: Path) -> None:
        self._client.bucket(self._bucket).blob(self._prefix + name).download_to_filename(str(to))


class MlflowArtifacts:
    """An artifact folder, or a registered version's, of the MLflow that MLFLOW_TRACKING_URI names."""

    def __init__(self, uri: str) -> None:
        for name, value in _MLFLOW_SETTINGS.items():
            os.environ.setdefault(name, value)
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        self._folder: Any = get_artifact_repository(uri)

    def sizes(self) -> dict[str, int]:
        sizes, folders = {}, [""]
        while folders:
            for entry in self._folder.list_artifacts(folders.pop() or None):
                if entry.is_dir:
                    folders.append(entry.path)
                else:
                    sizes[entry.path] = int(entry.file_size or 0)
        return sizes

    def get(self, name: str, to: Path) -> None:
        with TemporaryDirectory(dir=to.parent) as scratch:  # MLflow makes the artifact's folders, too
            os.replace(self._folder.download_artifacts(name, scratch), to)
