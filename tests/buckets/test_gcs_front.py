"""The front speaks Google's XML API as Google documents it, over the objects that the JSON API shows.

https://cloud.google.com/storage/docs/xml-api/reference-methods, .../reference-headers, .../reference-status
"""

from __future__ import annotations

import http.client
import re
import threading
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from tests.fakes.buckets import bucket_server


class Bucket:
    """Requests to one bucket of its own."""

    def __init__(self) -> None:
        server = bucket_server("gcs")
        self.name = urlsplit(server.make_bucket(f"b-{uuid4().hex[:12]}")).netloc
        self.host, self.endpoint = urlsplit(server.endpoint).netloc, server.endpoint

    def ask(self, method: str, name: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        given = {header.replace("_", "-"): value for header, value in headers.items()}
        connection.request(method, f"/{self.name}{name}", body, given)
        response = connection.getresponse()
        answer = response.status, {n.lower(): v for n, v in response.getheaders()}, response.read()
        connection.close()
        return answer

    def put(self, name: str, body: bytes = b"x", **headers: str) -> int:
        return self.ask("PUT", f"/{name}", body, **headers)[0]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def code(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    found = re.search(rb"<Error><Code>(\w+)</Code>", answer[2])
    return answer[0], found[1].decode() if found else ""


def test_an_object_comes_back_with_what_names_its_state(bucket: Bucket) -> None:
    status, made, _ = bucket.ask("PUT", "/a%2Fb", b"hello", content_type="text/plain")
    assert status == 200
    status, headers, body = bucket.ask("GET", "/a/b")
    assert (status, body, headers["content-type"]) == (200, b"hello", "text/plain")
    assert {"etag", "last-modified", "x-goog-generation"} <= headers.keys()
    assert (headers["etag"], headers["x-goog-generation"]) == (made["etag"], made["x-goog-generation"])
    status, headers, body = bucket.ask("HEAD", "/a/b")
    assert (status, headers["content-length"], body) == (200, "5", b"")


def test_ranges_are_answered_in_part(bucket: Bucket) -> None:
    bucket.put("o", b"0123456789")
    status, headers, body = bucket.ask("GET", "/o", range="bytes=2-4")
    assert (status, body, headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert bucket.ask("GET", "/o", range="bytes=-3")[2] == b"789"
    assert code(bucket.ask("GET", "/o", range="bytes=20-"))[0] == 416


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_not_there_is_named(bucket: Bucket, method: str) -> None:
    assert code(bucket.ask(method, "/nothing")) == (404, "NoSuchKey")
    assert bucket.ask("HEAD", "/nothing")[0] == 404


def test_a_generation_of_0_means_that_there_must_be_none(bucket: Bucket) -> None:
    assert bucket.put("o", b"1", x_goog_if_generation_match="0") == 200
    assert code(bucket.ask("PUT", "/o", b"2", x_goog_if_generation_match="0")) == (412, "PreconditionFailed")
    generation = bucket.ask("HEAD", "/o")[1]["x-goog-generation"]
    assert bucket.put("o", b"3", x_goog_if_generation_match=generation) == 200
    assert bucket.put("o", b"4", x_goog_if_generation_match=generation) == 412
    assert bucket.ask("DELETE", "/o", x_goog_if_generation_match=generation)[0] == 412
    assert bucket.ask("GET", "/o")[2] == b"3"
    assert bucket.ask("DELETE", "/o")[0] == 204


def test_of_writers_at_once_with_one_precondition_exactly_one_wins(bucket: Bucket) -> None:
    for number in range(40):
        together, answers = threading.Barrier(4), list[int]()

        def write(name: str = f"o{number}", at: threading.Barrier = together, said: list[int] = answers) -> None:
            at.wait()
            said.append(bucket.put(name, x_goog_if_generation_match="0"))

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(answers) == [200, 412, 412, 412]


def test_readers_conditions_hold(bucket: Bucket) -> None:
    bucket.put("o")
    tag = bucket.ask("HEAD", "/o")[1]["etag"]
    assert bucket.ask("GET", "/o", if_none_match=tag)[0] == 304
    assert bucket.ask("GET", "/o", if_match=tag)[0] == 200
    assert code(bucket.ask("GET", "/o", if_match='"other"')) == (412, "PreconditionFailed")


def test_copies_mind_preconditions(bucket: Bucket) -> None:
    bucket.put("a", b"content")
    source = f"{bucket.name}/a"
    assert bucket.put("b", b"", x_goog_copy_source=source, x_goog_if_generation_match="0") == 200
    assert bucket.put("b", b"", x_goog_copy_source=source, x_goog_if_generation_match="0") == 412
    assert bucket.put("c", b"", x_goog_copy_source=source) == 200
    assert bucket.ask("GET", "/c")[2] == b"content"


def test_a_list_has_folders_pages_and_a_place_to_start_after(bucket: Bucket) -> None:
    for name in ("x/1", "x/2", "x/sub/3", "y"):
        bucket.put(quote(name, safe=""))

    def keys(query: str, tag: str = "Key") -> list[str]:
        status, _, body = bucket.ask("GET", f"?list-type=2&{query}")
        assert status == 200
        return re.findall(rf"<{tag}>([^<]*)</{tag}>", body.decode())

    assert keys("prefix=x/") == ["x/1", "x/2", "x/sub/3"]
    assert keys("prefix=x/&delimiter=/") == ["x/1", "x/2"]
    assert keys("prefix=x/&delimiter=/", "CommonPrefixes><Prefix") == []
    assert (
        "<CommonPrefixes><Prefix>x/sub/</Prefix>" in bucket.ask("GET", "?list-type=2&prefix=x/&delimiter=/")[2].decode()
    )
    assert keys("prefix=x/&start-after=x/1") == ["x/2", "x/sub/3"]
    (token,) = keys("max-keys=2", "NextContinuationToken")
    assert keys("max-keys=2") + keys(f"max-keys=2&continuation-token={quote(token)}") == ["x/1", "x/2", "x/sub/3", "y"]


def test_a_missing_bucket_is_no_empty_one(bucket: Bucket) -> None:
    bucket.name = "nowhere-at-all"
    assert code(bucket.ask("GET", "?list-type=2&prefix=")) == (404, "NoSuchBucket")


def test_a_multipart_upload_is_an_object_once_it_is_completed(bucket: Bucket) -> None:
    _, _, body = bucket.ask("POST", "/o?uploads")
    upload = re.findall(r"<UploadId>(\w+)</UploadId>", body.decode())[0]
    for number, part in ((2, b"world"), (1, b"hello ")):
        assert bucket.ask("PUT", f"/o?partNumber={number}&uploadId={upload}", part)[1]["etag"]
    assert bucket.ask("GET", "/o")[0] == 404
    status, headers, body = bucket.ask("POST", f"/o?uploadId={upload}", b"<CompleteMultipartUpload/>")
    assert (status, b"<ETag>" in body, "x-goog-generation" in headers) == (200, True, True)
    assert bucket.ask("GET", "/o")[2] == b"hello world"
    assert code(bucket.ask("POST", f"/o?uploadId={upload}")) == (404, "NoSuchUpload")


def test_googles_own_client_sees_the_same_objects(bucket: Bucket) -> None:
    storage = pytest.importorskip("google.cloud.storage")
    from google.auth.credentials import AnonymousCredentials

    bucket.put("a", b"content")
    client = storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": bucket.endpoint}
    )
    there = client.bucket(bucket.name)
    assert [blob.name for blob in there.list_blobs()] == ["a"]
    assert there.blob("a").download_as_bytes() == b"content"
    there.blob("b").upload_from_string("theirs", if_generation_match=0)
    assert bucket.ask("GET", "/b")[2] == b"theirs"
    assert str(there.get_blob("b").generation) == bucket.ask("HEAD", "/b")[1]["x-goog-generation"]
