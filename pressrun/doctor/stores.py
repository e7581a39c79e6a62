"""The lake's root and the landing folder: whether they can be written, and whether two writers cannot both win."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.config.redact import redacted
from pressrun.doctor.found import Found, bad, doubt, good
from pressrun.ingest.errors import IngestError
from pressrun.ingest.files import matching
from pressrun.ingest.landing import bucket_files
from pressrun.lake.delta import Location
from pressrun.lake.errors import BusyError, CredentialsError, NoBucketError, StoreError
from pressrun.lake.refusals import explained
from pressrun.lake.stores import check_options, in_bucket

_SCHEMA = pa.schema([("probe", pa.string())])
_REMEDY = (
    "the account needs to list, read, write and delete below the root (AWS: s3:ListBucket, s3:GetObject, s3:PutObject, "
    "s3:DeleteObject; GCP: roles/storage.objectUser); see docs/lake.md"
)


def look_at_lake(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    """Makes a table of its own below the root by two writers, and takes it away: the second must be refused."""
    root = environment.lake.root.rstrip("/")
    probe = Location(uri=f"{root}/.doctor-{uuid4().hex[:12]}", storage_options=environment.lake.storage_options)
    try:
        check_options(root, probe.storage_options)
        with explained(root):
            refused = _second_refused(probe)
            _remove(probe.filesystem)
    except Exception as error:
        line = redacted(str(error)).splitlines()[0] if str(error) else type(error).__name__
        words = line if line.startswith(root) else f"{root}: {line}"
        yield bad("lake", "root", words[:500], remedy=_remedy(error))
        return
    yield good("lake", "root", f"{root} can be listed, read, written and cleaned up")
    yield _conditional(refused)


def _remedy(error: Exception) -> str:
    """What the error's own words do not say already."""
    if isinstance(error, NoBucketError):
        return "make the bucket, or mend lake.root in the environment's file"
    if isinstance(error, BusyError):
        return "see that the store is up and that its address is right, and look again"
    if isinstance(error, CredentialsError) and "may not do this" not in str(error):
        return "renew them, or give the machine or pod a role; see docs/lake.md"
    if isinstance(error, StoreError) and not isinstance(error, CredentialsError):
        return "mend lake.root or lake.storage_options in the environment's file; see docs/lake.md"
    return _REMEDY


def _second_refused(probe: Location) -> bool:
    """Whether the store itself refuses the second of two first versions.

    deltalake looks before it writes, and what it finds taken it never asks the store for. So another writer makes the
    table after that look: while the rows that are to be its first are read.
    """
    options, failed = dict(probe.storage_options), list[BaseException]()

    def rows() -> Iterator[pa.RecordBatch]:
        # deltalake's threads that read the rows may not wait for deltalake themselves.
        with ThreadPoolExecutor(1) as other:
            made = other.submit(DeltaTable.create, probe.uri, _SCHEMA, storage_options=options)
            failed.extend(error for error in (made.exception(),) if error)
        yield pa.record_batch([["second"]], schema=_SCHEMA)

    reader, once = pa.RecordBatchReader.from_batches(_SCHEMA, rows()), CommitProperties(max_commit_retries=0)
    try:
        write_deltalake(probe.uri, reader, storage_options=options, commit_properties=once)
        refused = False
    except CommitFailedError:
        refused = True
    if failed:
        raise failed[0]
    return refused


def _conditional(refused: bool) -> Found:
    if refused:
        return good("lake", "conditional writes", "of two writers of one version the second is refused")
    remedy = (
        "on S3 and what speaks like it set storage_options.aws_conditional_put to etag; use a store that honours it"
    )
    return bad(
        "lake", "conditional writes", "two writers of one version both won: commits would be lost", remedy=remedy
    )


def _remove(filesystem: pafs.FileSystem) -> None:
    for info in filesystem.get_file_info(pafs.FileSelector("", recursive=True, allow_not_found=True)):
        if info.type == pafs.FileType.File:
            filesystem.delete_file(info.path)


def look_at_landing(environment: Environment, pipelines: Sequence[Pipeline]) -> Iterator[Found]:
    for pipeline in pipelines:
        where = pipeline.articles.read.path or f"{environment.landing.rstrip('/')}/{pipeline.model}"
        yield _landing(environment, pipeline.model, where)


def _landing(environment: Environment, model: str, where: str) -> Found:
    try:
        count = len(
            bucket_files(environment, where)[1] if in_bucket(where) else matching(where.removeprefix("file://"))
        )
    except IngestError as error:
        remedy = "list and read is all it takes: AWS s3:ListBucket and s3:GetObject, GCP roles/storage.objectViewer"
        return bad("landing", model, redacted(str(error)), remedy=remedy)
    if count:
        return good("landing", model, f"{count} files in {where}")
    return doubt("landing", model, f"nothing in {where}", remedy="put files of articles there before the first run")
