"""Articles that land in a bucket are read as those of a folder are, and nothing of them stays on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline
from pressrun.ingest.errors import IngestError
from pressrun.ingest.landing import Landing
from pressrun.lake.stores import store
from tests.fakes.buckets import BucketServer, bucket_server, new_root, troubled

LANDED = ("topics/a.jsonl", "topics/b.csv", "topics/_half.csv", "topics/.own", "topics/old/c.csv", "other/d.csv")


@pytest.fixture(params=["s3", "gcs"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> BucketServer:
    return bucket_server(request.param)


@pytest.fixture
def root(server: BucketServer) -> str:
    """A bucket in which something has landed."""
    root = new_root(server).removesuffix("/lake")
    place = store(root, server.storage_options)
    for name in LANDED:
        with place.open_output_stream(f"{root.partition('://')[2]}/{name}") as file:
            file.write(name.encode())
    return root


@pytest.fixture
def there(environment: Environment, server: BucketServer, root: str) -> Environment:
    lake = environment.lake.model_copy(update={"root": f"{root}/lake", "storage_options": server.storage_options})
    return environment.model_copy(update={"lake": lake, "landing": root})


def found(files: list[Path]) -> list[str]:
    return [file.read_text() for file in files]


def test_a_models_prefix_is_its_landing_folder(there: Environment, pipeline: Pipeline) -> None:
    with Landing(there) as landing:
        files = landing.articles(pipeline)
        assert found(files) == ["topics/a.jsonl", "topics/b.csv"]
        assert [file.name for file in files] == ["a.jsonl", "b.csv"]
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize(
    ("wild", "names"),
    [
        ("topics", ["topics/a.jsonl", "topics/b.csv"]),
        ("topics/*.csv", ["topics/b.csv"]),
        ("**/*.csv", ["other/d.csv", "topics/b.csv", "topics/old/c.csv"]),
        ("*/[bd].csv", ["other/d.csv", "topics/b.csv"]),
        ("topics/?.csv", ["topics/b.csv"]),
        ("nowhere/*", []),
    ],
)
def test_a_glob_means_what_it_means_in_a_folder(there: Environment, root: str, wild: str, names: list[str]) -> None:
    with Landing(there) as landing:
        assert found(landing.files(f"{root}/{wild}")) == names


def test_what_was_brought_is_not_brought_again_within_a_try(
    there: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Landing(there) as landing:
        first = landing.articles(pipeline)
        monkeypatch.setattr("pressrun.ingest.landing.store", lambda *given: pytest.fail("asked again"))
        assert landing.articles(pipeline) == first


def test_a_path_that_matches_nothing_is_an_error_and_an_empty_landing_prefix_is_none(
    there: Environment, pipeline: Pipeline, root: str
) -> None:
    def reading(path: str | None) -> Pipeline:
        read: dict[str, Any] = {"path": path}
        articles = pipeline.articles.model_copy(update={"read": pipeline.articles.read.model_copy(update=read)})
        return pipeline.model_copy(update={"articles": articles})

    with Landing(there) as landing, pytest.raises(IngestError, match="no file is there"):
        landing.articles(reading(f"{root}/nowhere/*"))
    with Landing(there.model_copy(update={"landing": f"{root}/nowhere"})) as landing:
        assert landing.articles(reading(None)) == []


def test_a_bucket_that_is_not_there_says_what_the_account_needs(there: Environment, root: str) -> None:
    scheme = root.partition("://")[0]
    with Landing(there) as landing, pytest.raises(IngestError, match="list and read there"):
        landing.files(f"{scheme}://no-such-bucket-of-ours/topics/*")


@pytest.mark.parametrize("below", ["/landing", ""])
def test_an_account_that_may_only_list_and_read_has_a_night_with_nothing_new(
    server: BucketServer, environment: Environment, pipeline: Pipeline, below: str
) -> None:
    """It may not look at the bucket itself: neither S3's HeadBucket nor GCS's storage.buckets.get."""
    with troubled(server) as store:
        bucket = new_root(store.server).removesuffix("/lake")
        store.spoil(403, "AccessDenied", "Access Denied", matching=r"^(HEAD|GET) (/storage/v1/b)?/lake-[0-9a-f]+/?$")
        lake = environment.lake.model_copy(
            update={"root": f"{bucket}/lake", "storage_options": store.server.storage_options}
        )
        place = environment.model_copy(update={"lake": lake, "landing": f"{bucket}{below}"})
        with Landing(place) as landing:
            assert landing.articles(pipeline) == []
            assert landing.files(f"{bucket}/*.csv") == []
