"""What clients say of a store that refuses, in words."""

from __future__ import annotations

import pytest

from pressrun.lake.errors import CredentialsError
from pressrun.lake.refusals import meaning

NO_METADATA = (
    "Kernel error -> Operation not supported\n          \x1b[31m↳\x1b[0m an error occurred while loading credentials\n"
    "           \x1b[31m↳\x1b[0m failed to load IMDS session token\n             \x1b[31m↳\x1b[0m request forbidden\n"
    "              \x1b[31m↳\x1b[0m IMDS is disabled or the caller has insufficient permissions.\n"
)
ANONYMOUS = (
    "google::cloud::Status(PERMISSION_DENIED: Permanent error: Anonymous caller does not have storage.objects.list "
    "access to the Google Cloud Storage bucket. Permission 'storage.objects.list' denied on resource.)"
)


@pytest.mark.parametrize(
    ("uri", "message", "said"),
    [
        ("s3://news/lake", NO_METADATA, "IMDS is disabled or the caller has insufficient permissions."),
        ("s3://news/lake", NO_METADATA.replace("request forbidden", "request timed out"), "IMDS is disabled"),
        ("gs://news/lake", ANONYMOUS, "Anonymous caller"),
    ],
)
def test_who_has_no_credentials_is_told_where_they_are_looked_for(uri: str, message: str, said: str) -> None:
    meant = meaning(uri, message)
    assert isinstance(meant, CredentialsError)
    assert str(meant).startswith(f"{uri}: the store does not accept the credentials, or there are none")
    assert said in str(meant)
    assert "default chain" in str(meant)
    assert "\x1b" not in str(meant)
