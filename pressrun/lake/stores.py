"""A lake's folder as one of Arrow's own file systems: on this machine, on Amazon S3, on Google Cloud Storage.

Delta's log goes through deltalake's object_store, the files through Arrow: two clients, one set of options, named as
object_store names them (https://docs.rs/object_store/0.13.2, AmazonS3ConfigKey and GoogleConfigKey), in upper or lower
case. Without options both find credentials by their SDK's default chain. A file system of Python's would do as well but
for its end: Arrow's threads that call back into Python may outlive the interpreter, which then aborts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs as pafs

from pressrun.lake.errors import StoreError

_SCHEMES = ("s3", "s3a", "gs")
_NO_STORE = "a lake is a folder, or lies in s3:// or gs://; give lake.root one of these"
Options = Mapping[str, str]
PATIENCE = timedelta(minutes=3)
"""How long a store that fails is tried: object_store's default, and the same for Arrow."""
# 25 ms doubled each time: the last of so many attempts comes after about three minutes.
_ATTEMPTS = 14

_ON, _OFF = ("1", "true", "on", "yes", "y"), ("0", "false", "off", "no", "n", "")
_S3_KEYS = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "token": "session_token",
    "region": "region",
    "default_region": "region",
    "iam_role_arn": "role_arn",
    "iam_role_session_name": "session_name",
    "proxy_url": "proxy_options",
}
_S3_ENDPOINTS = ("endpoint_url_s3", "endpoint_url", "endpoint")
_S3_FLAGS = ("virtual_hosted_style_request", "skip_signature", "allow_http")
# These say how the log is written or how patient its client is; reading and writing files does not depend on them.
_LOG_ONLY = """
    conditional_put copy_if_not_exists unsigned_payload checksum_algorithm disable_tagging disable_bulk_delete
    imdsv1_fallback s3_locking_provider s3_allow_unsafe_rename timeout connect_timeout read_timeout pool_idle_timeout
    pool_max_idle_per_host user_agent http1_only http2_only http2_keep_alive_interval http2_keep_alive_timeout
    http2_keep_alive_while_idle http2_max_frame_size default_content_type randomize_addresses max_retries retry_timeout
    backoff_config.init_backoff backoff_config.max_backoff backoff_config.base bucket bucket_name
    delta_dynamo_table_name
"""
_IN_THE_ENVIRONMENT = """
    profile role_arn role_session_name web_identity_token_file endpoint_url_sts metadata_endpoint
    container_credentials_relative_uri container_credentials_full_uri container_authorization_token_file
"""
_ON_THE_BUCKET = "server_side_encryption sse_kms_key_id sse_bucket_key_enabled sse_customer_key_base64"


# object_store gives up after ten retries, which are less than three seconds of a store that refuses at once. Its waits
# are drawn at random and hardly grow: a hundred were seen to be over in 56 s. The clock is to decide alone.
_PATIENT = {"max_retries": "100000", "retry_timeout": f"{PATIENCE.seconds}s", "backoff_config.max_backoff": "5s"}


def patient(uri: str, options: Options) -> dict[str, str]:
    """The options for deltalake: on a store it tries as long as Arrow does, unless they say otherwise."""
    return {**(_PATIENT if in_bucket(uri) else {}), **options}


def is_root(to: str) -> bool:
    """Whether that is a lake's address rather than an environment's name."""
    return "://" in to or (Path(to).suffix not in (".yaml", ".yml") and ("/" in to or to.startswith(("~", "."))))


def check_options(uri: str, options: Options) -> None:
    """Raises StoreError for a store that there is not, and for options that not both clients know. Opens nothing."""
    if not in_bucket(uri):
        return
    scheme = urlsplit(uri).scheme
    if scheme not in _SCHEMES:
        raise StoreError(_NO_STORE)
    given = _settings(options, "google_" if scheme == "gs" else "aws_")
    _gcs(given) if scheme == "gs" else _s3(bucket_of(uri)[0], given, {})


def known_options(uri: str) -> list[str]:
    """The options of its store, as docs/lake.md writes them."""
    if urlsplit(uri).scheme == "gs":
        return [f"google_{name}" for name in (*_GCS_KEYS, *_LOG_ONLY.split())]
    return [f"aws_{name}" for name in (*_S3_KEYS, *_S3_ENDPOINTS, *_S3_FLAGS, *_LOG_ONLY.split())]


def in_bucket(uri: str) -> bool:
    """Whether the address is an object store's rather than a folder of this machine."""
    return "://" in uri.removeprefix("file://")


def bucket_of(uri: str) -> tuple[str, str]:
    """The bucket and what is below it."""
    split = urlsplit(uri)
    return split.netloc, split.path.strip("/")


def filesystem(uri: str, options: Options) -> pafs.FileSystem:
    """The folder at `uri` as a file system. Raises StoreError for options that only one of the two clients knows."""
    if not in_bucket(uri):
        return pafs.SubTreeFileSystem(uri.removeprefix("file://"), pafs.LocalFileSystem())
    bucket, below = bucket_of(uri)
    return pafs.SubTreeFileSystem(f"{bucket}/{below}".rstrip("/"), store(uri, options))


def store(uri: str, options: Options) -> pafs.FileSystem:
    """The store that holds the bucket of `uri`; paths on it begin with the bucket. Raises StoreError."""
    scheme = urlsplit(uri).scheme
    if scheme not in _SCHEMES:
        raise StoreError(f"{uri}: {_NO_STORE}")
    prefix = "google_" if scheme == "gs" else "aws_"
    given = tuple(sorted(_settings(options, prefix).items()))
    # A process that was forked must not use its parent's: the threads of the client are not there.
    return _opened(scheme, bucket_of(uri)[0], given, tuple(_from_environment(prefix).items()), os.getpid())


@lru_cache(maxsize=32)
def _opened(
    scheme: str, bucket: str, given: tuple[tuple[str, str], ...], around: tuple[tuple[str, str], ...], process: int
) -> pafs.FileSystem:
    try:
        if scheme == "gs":
            return pafs.GcsFileSystem(retry_time_limit=PATIENCE, **_gcs(dict(around) | dict(given)))
        arguments = _s3(bucket, dict(given), dict(around))
        patient = pafs.AwsDefaultS3RetryStrategy(max_attempts=_ATTEMPTS)
        # Opened late, a small file is one request instead of a multipart upload's three.
        return pafs.S3FileSystem(retry_strategy=patient, allow_delayed_open=True, **arguments)
    except ValueError as error:
        raise StoreError(f"storage_options of {bucket}: {error}") from error


def _settings(options: Options, prefix: str) -> dict[str, str]:
    """The options by their short names. Those of another store do no harm: one file may serve lakes on either."""
    others = tuple(other for other in ("aws_", "google_", "azure_") if other != prefix)
    named = {name.lower(): value for name, value in options.items()}
    return {name.removeprefix(prefix): value for name, value in named.items() if not name.startswith(others)}


def _from_environment(prefix: str) -> dict[str, str]:
    """What deltalake takes from the environment by itself, and Arrow must be told."""
    around = _settings({n: v for n, v in os.environ.items() if n.lower().startswith(prefix)}, prefix)
    names = _GCS_KEYS if prefix == "google_" else (*_S3_ENDPOINTS, *_S3_FLAGS, "region", "default_region")
    return {name: around[name] for name in sorted(names) if name in around}


def _s3(bucket: str, given: Mapping[str, str], around: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of Arrow's S3FileSystem."""
    _all_known(given, (*_S3_KEYS, *_S3_ENDPOINTS, *_S3_FLAGS), "S3")
    both = {**around, **given}
    found: dict[str, Any] = {}
    for name, argument in _S3_KEYS.items():
        if both.get(name) and argument not in found:
            found[argument] = both[name]
    if _flag(both, "skip_signature"):
        found["anonymous"] = True
    return found | _s3_endpoint(bucket, both)


def _s3_endpoint(bucket: str, both: Mapping[str, str]) -> dict[str, Any]:
    endpoint = next((both[name] for name in _S3_ENDPOINTS if both.get(name)), "")
    virtual = _flag(both, "virtual_hosted_style_request")
    if not endpoint:
        return {"force_virtual_addressing": True} if virtual else {}
    split = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if split.scheme == "http" and not _flag(both, "allow_http"):
        raise StoreError(f"the S3 endpoint {endpoint} is not https; use https, or set aws_allow_http: 'true'")
    # object_store wants a virtual host with the bucket in it, Arrow without.
    host = split.netloc.removeprefix(f"{bucket}.") if virtual else split.netloc
    return {"endpoint_override": host, "scheme": split.scheme, "force_virtual_addressing": virtual}


_GCS_FILES = ("service_account", "application_credentials")
_GCS_ALIASES = {"service_account_path": "service_account"}
_GCS_KEYS = (*_GCS_FILES, *_GCS_ALIASES, "service_account_key", "skip_signature")


def _gcs(given: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of Arrow's GcsFileSystem."""
    given = {_GCS_ALIASES.get(name, name): value for name, value in given.items()}
    _all_known(given, (*_GCS_FILES, "service_account_key", "skip_signature", "allow_http"), "GCS")
    key = _gcs_key(given)
    if key.get("disable_oauth"):
        return {"anonymous": True, **_gcs_endpoint(str(key.get("gcs_base_url") or ""))}
    _by_default_credentials(given)
    return {"anonymous": True} if _flag(given, "skip_signature") else {}


def _gcs_key(given: Mapping[str, str]) -> dict[str, Any]:
    """The service account's key that the options hold or name."""
    file = given.get("service_account")
    text = given.get("service_account_key") or (Path(file).read_text() if file and Path(file).is_file() else "{}")
    try:
        key: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise StoreError(
            f"the service account's key of storage_options is no JSON ({error}); give the file's content"
        ) from error
    return key


def _by_default_credentials(given: Mapping[str, str]) -> None:
    """Arrow's client takes a key from the default chain alone: one in the options would sign half of the requests."""
    chain = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    named = [given[name] for name in _GCS_FILES if given.get(name)]
    if given.get("service_account_key") or any(name != chain for name in named):
        raise StoreError(
            "a service account's key cannot stand in storage_options: Arrow reads files with Google's default "
            "credentials only. Leave it out, and use the workload's identity or set GOOGLE_APPLICATION_CREDENTIALS "
            "to the key's file"
        )


def _gcs_endpoint(base: str) -> dict[str, Any]:
    if not base:
        return {}
    split = urlsplit(base)
    return {"endpoint_override": split.netloc, "scheme": split.scheme}


def _all_known(given: Mapping[str, str], mine: tuple[str, ...], store: str) -> None:
    for name in given:
        if name not in (*mine, *_LOG_ONLY.split()):
            raise StoreError(f"storage_options: {_why_not(name, store)}")


def _why_not(name: str, store: str) -> str:
    if name in _IN_THE_ENVIRONMENT.split():
        return f"{name} is understood by one of the lake's two clients only; set it as environment variable instead"
    if name in _ON_THE_BUCKET.split():
        return f"{name} would hold for Delta's log and not for the files; set the bucket's default encryption instead"
    return f"{name} is no option that both clients of {store} know; docs/lake.md lists those there are"


def _flag(given: Mapping[str, str], name: str) -> bool:
    value = given.get(name, "").strip().lower()
    if value not in (*_ON, *_OFF):
        raise StoreError(f"storage_options: {name} must be true or false, given {value!r}")
    return value in _ON
