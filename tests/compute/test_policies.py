"""The calls that are made, against the rights that docs/compute.md lists: none is missing, none is for nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pressrun.compute import PollingFailed
from pressrun.compute.platform import make_token
from pressrun.compute.uploads import Upload, Uploads
from pressrun.lake import Lake
from pressrun.lake.tables import rows_of
from pressrun.lake.types import StepKey
from tests.compute.worlds import KINDS, World, submit, world
from tests.fakes.buckets import bucket_server, new_root, troubled

PAGE = (Path(__file__).parents[2] / "docs" / "compute.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"<!-- policy: (\S+) -->\n```(json|yaml)\n(.*?)```", re.DOTALL)
# Rights that a call of another name needs: tags of a job, the role or account that it runs as, its cluster.
IMPLIED = {
    "emr-serverless:TagResource",
    "emr-containers:TagResource",
    "iam:PassRole",
    "iam.serviceAccounts.actAs",
    "dataproc.clusters.use",
}
# Google's permission for each method, as in
# https://cloud.google.com/dataproc/docs/concepts/iam/iam#dataproc_methods_and_required_permissions.
GOOGLE = {
    "create_batch": "dataproc.batches.create",
    "get_batch": "dataproc.batches.get",
    "cancel_operation": "dataproc.operations.cancel",
    "submit_job": "dataproc.jobs.create",
    "get_job": "dataproc.jobs.get",
    "cancel_job": "dataproc.jobs.cancel",
}
PLATFORMS = [kind for kind in KINDS if kind != "local"]


def listed(name: str) -> set[str]:
    """The rights of one policy on the page."""
    told = next((kind, text) for found, kind, text in _BLOCK.findall(PAGE) if found == name)
    policy: dict[str, Any] = json.loads(told[1]) if told[0] == "json" else yaml.safe_load(told[1])
    if "Statement" in policy:
        actions = [one["Action"] for one in policy["Statement"]]
        return {action for one in actions for action in ([one] if isinstance(one, str) else one)}
    if "includedPermissions" in policy:
        return set(policy["includedPermissions"])
    return {f"{verb} {what}" for rule in policy["rules"] for what in rule["resources"] for verb in rule["verbs"]}


@pytest.fixture(params=PLATFORMS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world(request.param, tmp_path) as made:
        yield made


def live(place: World) -> None:
    """A job's life with all that may befall it."""
    if hasattr(place.fake, "script"):  # type: ignore[attr-defined]
        place.fake.script = {kind: ["RUNNING"] for kind in place.fake.script}  # type: ignore[attr-defined]
    token = make_token(step_key="k", inputs="i", generation=0)
    place.platform.find(token)
    place.lose_an_answer()
    with pytest.raises(PollingFailed):
        submit(place.platform, place.job(), token)
    found = place.platform.find(token)
    assert found is not None
    place.platform.state(found)
    place.platform.cancel(found)
    done = submit(place.platform, place.job(), make_token(step_key="k", inputs="i", generation=1))
    place.end(done, "well")
    place.platform.state(done)


def test_the_calls_made_are_those_that_the_policy_allows(place: World) -> None:
    live(place)
    calls = {GOOGLE.get(call, call) for call in place.fake.calls}  # type: ignore[attr-defined]
    assert calls == listed(place.platform.name) - IMPLIED


def test_every_platform_has_its_policy_on_the_page() -> None:
    assert {name for name, _, _ in _BLOCK.findall(PAGE)} == {*PLATFORMS, "lake-s3"}


def s3_action(method: str, path: str) -> str:
    """The IAM action behind a request to S3."""
    in_bucket = "/" in path.partition("?")[0].strip("/")
    names = {"GET": "GetObject" if in_bucket else "ListBucket", "HEAD": "GetObject" if in_bucket else "ListBucket"}
    return "s3:" + {**names, "PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject"}[method]


def test_the_lake_and_the_uploads_need_what_the_policy_allows() -> None:
    with troubled(bucket_server("s3")) as store:
        root = new_root(store.server)
        before = len(store.asked())
        lake = Lake(root, store.server.storage_options)
        key = StepKey(dag_id="d", run_id="r", task_id="t")
        for name in ("a", "b"):
            row = {"stage": "sample", "fingerprint": name, "result": "{}", "state": "seen", "asked": ""}
            lake.bind(key, name)
            lake.commit("steps", rows_of("steps", [row]), key=key, pipeline="topics")
        lake.snapshot("steps", pipeline="topics")
        Uploads(f"{root}/_jobs", store.server.storage_options).put(Upload(stem="a", suffix=".txt", content=b"a"))
        used = {s3_action(*asked.split(" ", 1)) for asked in store.asked()[before:]}
    assert used <= listed("lake-s3")


def test_what_is_uploaded_is_uploaded_once() -> None:
    with troubled(bucket_server("s3")) as store:
        root = new_root(store.server)
        before = len(store.asked())
        uploads = [Uploads(f"{root}/_jobs", store.server.storage_options) for _ in range(2)]
        upload = Upload(stem="pressrun", suffix=".zip", content=b"zip")
        assert uploads[0].put(upload) == uploads[1].put(upload)
        written = [asked for asked in store.asked()[before:] if asked.startswith("PUT")]
    assert len(written) == 1
