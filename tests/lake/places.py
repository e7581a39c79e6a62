"""Where the conformance suite runs: a folder, a bucket of Amazon S3, a bucket of Google Cloud Storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.lake import Lake
from tests.fakes.buckets import bucket_server, new_root

BUCKETS = ("s3", "gcs")
PLACES = ("folder", *BUCKETS)
everywhere = pytest.mark.parametrize("lake", PLACES, indirect=True)
"""The test's `lake` is in each place in turn: what holds of a lake holds wherever it is."""


def lake_in(place: str, folder: Path) -> Lake:
    """An empty lake below `folder`, or in a bucket of the session's own server of that kind."""
    if place == "folder":
        return Lake(str(folder / "lake"))
    server = bucket_server("s3" if place == "s3" else "gcs")
    return Lake(new_root(server), server.storage_options, staging=folder / "staging")
