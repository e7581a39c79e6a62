"""What a store's refusal means, in words: whose credentials, which bucket, or only for how long.

Both clients put the store's own error into their message. Codes: Amazon S3, "Error responses"; Google Cloud Storage,
"HTTP status and error codes for XML". A HEAD request is answered without a body, so there only the status tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pressrun.config.room import room
from pressrun.lake.errors import BusyError, CredentialsError, NoBucketError, StoreError
from pressrun.lake.stores import in_bucket

_EXPIRED = r"expiredtoken|token (has|is) expired|requestexpired|invalid_grant|tokenrefreshrequired"
_SKEWED = r"requesttimetooskewed|reasonable timeframe|difference between the request time"
_UNKNOWN = (
    r"invalidaccesskeyid|signaturedoesnotmatch|invalidtoken|authenticationrequired|unauthenticated|http status 40[01]|"
    r"401 unauthorized|lacked valid authentication|no credentials|metadata server|"
    r"error getting token|error performing token request|could not create a oauth2"
)
# Whatever kept them from being found: the store itself has not been asked, or refuses whoever has none.
_NONE = r"failed to load credentials|loading credentials|anonymous caller"
_DENIED = r"accessdenied|access_denied|403 forbidden|permission_denied|lacked the necessary privileges|permissiondenied"
_NO_BUCKET = r"nosuchbucket|no_such_bucket|bucket does not exist"
_BUSY = (
    r"slowdown|slow_down|serviceunavailable|service_unavailable|503 service|internalerror|500 internal|429 too many|"
    r"retry policy exhausted|timed out|timeout|connection refused|error sending request|network_connection|"
    r"couldn't connect|could not connect"
)
_CHAINS = {
    "s3": "storage_options, else the AWS SDK's default chain (environment, profile, web identity, container, instance)",
    "gs": "storage_options, else Google's default chain (GOOGLE_APPLICATION_CREDENTIALS, gcloud, the instance)",
}
_RENEW = {"s3": "aws sso login", "gs": "gcloud auth application-default login"}


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Raises what the store at `uri` refuses as the StoreError that says what to do; all else passes as it is.

    Raises DiskFull where a folder's disk is full.
    """
    if not in_bucket(uri):
        with room(uri.removeprefix("file://")):
            yield
        return
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, DeltaError, pa.ArrowException) as error:
        meant = meaning(uri, str(error))
        if meant is None:
            raise
        raise meant from error


def meaning(uri: str, message: str) -> StoreError | None:
    """The error that a client's message stands for; None when it is about no store."""
    split = urlsplit(uri)
    scheme, said = "gs" if split.scheme == "gs" else "s3", _said(message)
    found = message.lower()
    if re.search(_NO_BUCKET, found):
        return NoBucketError(
            f"{uri}: there is no bucket {split.netloc} ({said}). Make it, or mend lake.root in the environment's file"
        )
    if re.search(_SKEWED, found):
        return StoreError(
            f"{uri}: the store refuses this machine's clock, which differs from its own by minutes ({said}). Set it, "
            "best by NTP (timedatectl set-ntp true), and retry; the credentials need no change"
        )
    if re.search(_EXPIRED, found):
        return CredentialsError(
            f"{uri}: the credentials have expired ({said}). Renew them, for example by {_RENEW[scheme]}, and retry; "
            f"they come from {_CHAINS[scheme]}"
        )
    if re.search(_NONE, found):
        return _no_credentials(uri, scheme, said)
    if re.search(_DENIED, found):
        return CredentialsError(
            f"{uri}: the bucket is there and these credentials may not do this ({said}). Allow their role to list the "
            "bucket and to read, write and delete below the lake's root (docs/lake.md)"
        )
    if re.search(_BUSY, found):
        return BusyError(
            f"{uri}: the store did not serve us, however often we asked ({said}). What was begun can be retried as is"
        )
    if re.search(_UNKNOWN, found):
        return _no_credentials(uri, scheme, said)
    return None


def _no_credentials(uri: str, scheme: str, said: str) -> CredentialsError:
    return CredentialsError(
        f"{uri}: the store does not accept the credentials, or there are none ({said}). They come from "
        f"{_CHAINS[scheme]}"
    )


def _said(message: str) -> str:
    """The store's own words in a client's message."""
    code, words = (re.search(rf"<{name}>([^<]*)</{name}>", message) for name in ("Code", "Message"))
    if code:
        return f"{code[1]}: {words[1]}" if words else code[1]
    lines = [re.sub(r"\x1b\[\d+m|↳", "", line).strip() for line in message.splitlines()]
    return next((line for line in reversed(lines) if line), message)[:300]
