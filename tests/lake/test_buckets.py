"""A lake in a bucket: how it is reached, what it does when the store misbehaves, and that its readers end well."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from pressrun.lake import Lake, StepKey
from pressrun.lake.errors import CredentialsError, NoBucketError, StoreError
from pressrun.lake.stores import filesystem
from tests.fakes.buckets import Troubled, bucket_server, new_root, troubled
from tests.lake.places import BUCKETS, lake_in

Rows = Callable[..., pa.Table]
_READ = """
from pressrun.lake import Lake, DatasetRef
import sys
dataset = DatasetRef.model_validate_json(sys.argv[1])
for root in sys.argv[2:]:
    assert Lake(root).read(dataset).num_rows == dataset.rows
"""


def emulated(endpoint: str) -> dict[str, str]:
    """Options of a GCS server at that address."""
    key = f'{{"gcs_base_url": "{endpoint}", "disable_oauth": true, "client_email": "", "private_key": "", '
    return {"google_service_account_key": key + '"private_key_id": ""}'}


def test_interpreters_that_read_lakes_from_buckets_end_well(tmp_path: Path, key: StepKey, given: Rows) -> None:
    """By the default chains alone: the environment says where the stores are and who asks."""
    lakes = [lake_in(place, tmp_path) for place in BUCKETS]
    dataset = lakes[0].commit("given", given("a", "b"), key=key, pipeline="topics")
    assert lakes[1].commit("given", given("a", "b"), key=key, pipeline="topics") == dataset
    environment = {**os.environ, **bucket_server("s3").environment, **bucket_server("gcs").environment}
    command = [sys.executable, "-c", _READ, dataset.model_dump_json(), *(lake.root for lake in lakes)]

    def once(_: int) -> int:
        return subprocess.run(command, env=environment, check=False).returncode

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(once, range(20))) == [0] * 20


@pytest.fixture(params=BUCKETS)
def spoilt(request: pytest.FixtureRequest) -> Iterator[Troubled]:
    with troubled(bucket_server(request.param)) as server:
        yield server


@pytest.fixture
def lake(spoilt: Troubled) -> Lake:
    return Lake(new_root(spoilt.server), spoilt.server.storage_options)


def test_a_store_that_asks_to_slow_down_for_seconds_loses_nothing(
    lake: Lake, spoilt: Troubled, key: StepKey, given: Rows
) -> None:
    """Four seconds are more than object_store tries by default."""
    first = lake.commit("given", given("a"), key=key, pipeline="topics")
    for matching, seconds in (("", 4), ("part-", 1), ("PUT .*delta", 1)):
        spoilt.spoil(503, "SlowDown", "Please reduce your request rate.", matching=matching, seconds=seconds)
        began, other = time.monotonic(), key.model_copy(update={"run_id": f"run {matching}"})
        assert lake.commit("given", given("b"), key=other, pipeline="topics").rows == 1
        assert time.monotonic() - began > seconds * 0.9
    spoilt.spoil(503, "SlowDown", "Please reduce your request rate.", matching="part-", seconds=1)
    assert lake.read(first)["article_id"].to_pylist() == ["a"]


def test_how_long_a_store_is_waited_for_goes_by_the_clock_and_not_by_the_number_of_tries(
    spoilt: Troubled, key: StepKey, given: Rows
) -> None:
    """Refused at once and asked again at once, three seconds are some hundred tries."""
    eager = {"backoff_config.init_backoff": "1ms", "backoff_config.max_backoff": "10ms"}
    lake = Lake(new_root(spoilt.server), {**spoilt.server.storage_options, **eager})
    dataset = lake.commit("given", given("a"), key=key, pipeline="topics")
    spoilt.spoil(503, "SlowDown", "Please reduce your request rate.", matching="_delta_log", seconds=3)
    assert lake.read(dataset)["article_id"].to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("status", "code", "message", "advice"),
    [
        (400, "ExpiredToken", "The provided token has expired.", "have expired.*Renew them.*login"),
        (403, "AccessDenied", "Access Denied", "may not do this.*Allow their role to list"),
        (401, "AuthenticationRequired", "Authentication required.", "does not accept the credentials.*They come from"),
    ],
)
def test_refused_credentials_are_told_with_what_to_do(
    lake: Lake, spoilt: Troubled, key: StepKey, given: Rows, status: int, code: str, message: str, advice: str
) -> None:
    dataset = lake.commit("given", given("a"), key=key, pipeline="topics")
    other = key.model_copy(update={"run_id": "other"})
    for matching in ("", "part-"):
        spoilt.spoil(status, code, message, matching=matching)
        for act in (
            lambda: lake.read(dataset),
            lambda: lake.intact(dataset),
            lambda: lake.commit("given", given("b"), key=other, pipeline="topics"),
        ):
            # A HEAD request is answered by a status alone, so a file's reader is told less.
            with pytest.raises(CredentialsError, match=None if matching else advice):
                act()


def test_a_missing_bucket_is_an_error_and_no_empty_lake(spoilt: Troubled, key: StepKey, given: Rows) -> None:
    lost = Lake(f"{spoilt.server.scheme}://nowhere/lake", spoilt.server.storage_options)
    advice = r"no bucket nowhere .*Make it, or mend lake\.root"
    with pytest.raises(NoBucketError, match=advice):
        lost.snapshot("given", pipeline="topics")
    with pytest.raises(NoBucketError, match=advice):
        lost.commit("given", given("a"), key=key, pipeline="topics")


S3 = {"aws_endpoint_url": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true"}
KEYS = {"AWS_REGION": "eu-west-1", "aws_token": "t", "access_key_id": "a", "secret_access_key": "s"}


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("s3://b/l", {"aws_endpoint_url": "http://127.0.0.1:9"}, "is not https.*aws_allow_http"),
        ("s3://b/l", {"aws_server_side_encryption": "aws:kms"}, "bucket's default encryption"),
        ("s3://b/l", {"AWS_PROFILE": "news"}, "profile .* as environment variable"),
        ("s3://b/l", {"aws_regoin": "eu-west-1"}, "regoin is no option that both clients of S3 know"),
        ("s3://b/l", {"aws_allow_http": "perhaps"} | {"aws_endpoint_url": "http://h"}, "must be true or false"),
        ("gs://b/l", {"google_service_account": "/run/key.json"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("gs://b/l", {"google_service_account_key": "{"}, "is no JSON"),
        ("gs://b/l", {"google_proxy": "x"}, "proxy is no option that both clients of GCS know"),
        ("abfss://c@a/l", {}, "s3:// or gs://"),
        ("s3://b/l", {"aws_session_token": "t"}, "access_key .*must be provided"),
    ],
)
def test_an_option_that_only_one_of_the_clients_knows_is_refused(uri: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(StoreError, match=said):
        filesystem(uri, options)


@pytest.mark.parametrize(
    ("uri", "options", "base"),
    [
        (
            "s3://news/lake",
            S3 | {"AWS_REGION": "eu-west-1", "aws_token": "t", "access_key_id": "a", "secret_access_key": "s"},
            "news/lake/",
        ),
        ("s3://news/lake", S3 | {"aws_virtual_hosted_style_request": "true"}, "news/lake/"),
        ("s3a://news", S3 | {"aws_skip_signature": "true", "conditional_put": "etag"}, "news/"),
        ("gs://news/lake", emulated("http://127.0.0.1:9"), "news/lake/"),
        ("gs://news/lake", {"google_skip_signature": "true"}, "news/lake/"),
        ("gs://news/lake", {"google_skip_signature": "true", "aws_conditional_put": "etag"}, "news/lake/"),
    ],
)
def test_options_are_understood_in_either_case_and_by_their_short_names(
    uri: str, options: dict[str, str], base: str
) -> None:
    assert filesystem(uri, options).base_path == base


def test_a_key_that_the_default_chain_has_too_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text('{"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    assert filesystem("gs://news/lake", {"google_application_credentials": str(key)}).base_path == "news/lake/"
