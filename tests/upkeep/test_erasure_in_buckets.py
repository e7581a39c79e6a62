"""Interactions that landed in a bucket are erased there, and the receipt names each object."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from pressrun.lake.stores import store
from pressrun.upkeep import landed
from pressrun.upkeep.erasure import erase, would_erase
from pressrun.upkeep.maintenance import maintain
from tests.fakes.buckets import bucket_server, new_root
from tests.upkeep.site import ANN, BOB, Site

SLATE = "{slate}\t{reader}\t11/15/2019 8:00:00 AM\t\tN1-1 N2-0\n"


class Bucket:
    """Where the site's interactions land."""

    def __init__(self, root: str, place: pafs.FileSystem) -> None:
        self.root, self.place, self.path = root, place, root.partition("://")[2]

    def put(self, name: str, content: bytes) -> None:
        with self.place.open_output_stream(f"{self.path}/{name}") as out:
            out.write(content)

    def get(self, name: str) -> bytes:
        with self.place.open_input_stream(f"{self.path}/{name}") as opened:
            content: bytes = opened.read()
        return content

    def impressions(self, name: str) -> list[str]:
        found: list[str] = pq.read_table(io.BytesIO(self.get(name)))["impression_id"].to_pylist()
        return found


def parquet(*impressions: tuple[str, str]) -> bytes:
    content = io.BytesIO()
    rows = [{"impression_id": i, "article_id": "x", "reader_id": r, "slate_id": f"s-{i}"} for i, r in impressions]
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest, site: Site) -> Bucket:
    """The site's pipeline reads interactions from a bucket with Ann and Bob in it; its lake is in another."""
    server = bucket_server(request.param)
    root = new_root(server).removesuffix("/lake") + "/shown"
    lake = site.environment.lake.model_copy(
        update={"root": new_root(server), "storage_options": server.storage_options}
    )
    site.moved(site.environment.model_copy(update={"lake": lake}), root)
    bucket = Bucket(root, store(root, server.storage_options))
    bucket.put("n1.parquet", parquet(("a1", ANN), ("b1", BOB)))
    bucket.put("n2.parquet", parquet(("b2", BOB)))
    bucket.put("n3.tsv", (SLATE.format(slate="7", reader=ANN) + SLATE.format(slate="8", reader=BOB)).encode())
    return bucket


def test_her_rows_leave_the_objects_and_the_receipt_names_them(site: Site, bucket: Bucket) -> None:
    untouched = bucket.get("n2.parquet")
    assert would_erase(site.environment, ANN) == {"landing": 3}
    receipt = site.erase()
    assert {one.file: one.rows for one in receipt.files} == {
        f"{bucket.root}/n1.parquet": 1,
        f"{bucket.root}/n3.tsv": 2,
    }
    assert receipt.complete
    assert bucket.impressions("n1.parquet") == ["b1"]
    assert bucket.get("n2.parquet") == untouched
    assert bucket.get("n3.tsv").decode() == SLATE.format(slate="8", reader=BOB)
    site.ingest("n1")
    shown = site.lake.read(site.lake.snapshot("interactions", pipeline="topics"))["impression_id"].to_pylist()
    assert sorted(shown) == ["8-0", "8-1", "b1", "b2"]


def test_what_lands_again_is_taken_out_at_night(site: Site, bucket: Bucket) -> None:
    site.erase()
    bucket.put("n4.parquet", parquet(("a9", ANN), ("b9", BOB)))
    assert maintain(site.environment).swept == 1
    assert bucket.impressions("n4.parquet") == ["b9"]


def test_an_object_that_is_replaced_meanwhile_is_left_and_named(
    site: Site, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrub = landed.scrub_parquet

    def slow(*given: object, change: bool) -> int:
        count = scrub(*given, change=change)  # type: ignore[arg-type]
        if change:
            bucket.put("n1.parquet", parquet(("a1", ANN), ("b1", BOB), ("b5", BOB)))
        return count

    with monkeypatch.context() as patch:
        patch.setattr(landed, "scrub_parquet", slow)
        receipt = site.erase()
    assert not receipt.complete
    assert [one.problem for one in receipt.files if "n1" in one.file] == [
        "not looked through: somebody replaced it while it was looked through"
    ]
    assert bucket.impressions("n1.parquet") == ["a1", "b1", "b5"]
    assert site.erase().complete
    assert bucket.impressions("n1.parquet") == ["b1", "b5"]


def test_a_bucket_that_refuses_makes_the_receipt_incomplete(site: Site, bucket: Bucket) -> None:
    scheme = bucket.root.partition("://")[0]
    site.moved(site.environment, f"{scheme}://no-such-bucket-of-ours/shown")
    receipt, _ = erase(site.environment, ANN, actor="dpo", reason="asked for it")
    assert not receipt.complete
    assert ["list and read there" in one.problem for one in receipt.files] == [True], receipt.files
