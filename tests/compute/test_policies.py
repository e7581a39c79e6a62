"""The calls that are made, against the rights that docs/compute.md lists: none is missing, none is for nothing.

A right is an action on a resource under conditions: what is allowed of one bucket, application or role is of no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml

from pressrun.compute import PollingFailed
from pressrun.compute.outlook import LooksAhead
from pressrun.compute.platform import make_token
from pressrun.compute.uploads import Upload, Uploads
from pressrun.config.environment import Environment, LakeRoot
from pressrun.config.pipeline import Pipeline
from pressrun.doctor import examine
from pressrun.ingest.landing import Landing
from pressrun.lake import Lake
from pressrun.lake.mirror import mirror
from pressrun.lake.stores import store
from pressrun.lake.tables import rows_of
from pressrun.lake.types import StageResult, StepKey
from tests.compute.worlds import KINDS, EmrOnEksWorld, World, submit, world
from tests.fakes.buckets import BucketServer, Troubled, bucket_server, new_root, troubled
from tests.fakes.emr import Asked, fake_emr
from tests.fakes.pods import fake_pods

PAGE = (Path(__file__).parents[2] / "docs" / "compute.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"<!-- policy: (\S+) -->\n```(json|yaml)\n(.*?)```", re.DOTALL)
# Rights of Google's that a call of another name needs: the account that a job runs as, its cluster.
IMPLIED = {"iam.serviceAccounts.actAs", "dataproc.clusters.use"}
# Google's permissions for each method, as in
# https://cloud.google.com/dataproc/docs/concepts/iam/iam#dataproc_methods_and_required_permissions; of cancelling a
# batch's operation as in https://cloud.google.com/dataproc/docs/guides/audit-logging.
GOOGLE = {
    "create_batch": {"dataproc.batches.create"},
    "get_batch": {"dataproc.batches.get"},
    "cancel_operation": {"dataproc.operations.cancel", "dataproc.batches.cancel"},
    "submit_job": {"dataproc.jobs.create"},
    "get_job": {"dataproc.jobs.get"},
    "cancel_job": {"dataproc.jobs.cancel"},
    "get_cluster": {"dataproc.clusters.get"},
}
AWS = ["emr_serverless", "emr_on_eks"]
PLATFORMS = [kind for kind in KINDS if kind != "local"]
# Of the doctor's own, beside those of whoever submits.
QUOTAS = {"emr_serverless": "quotas-aws", "dataproc_serverless": "quotas-gcp", "dataproc_cluster": "quotas-gcp"}
STORES = {"lake-s3", "reader-s3", "landing-s3", "logs-s3", "logs-cloudwatch"}
Right = tuple[int, str, str]
"""One of a policy's statements, an action and a resource that it lists."""


def policy(name: str) -> dict[str, Any]:
    """One policy on the page."""
    told = next((kind, text) for found, kind, text in _BLOCK.findall(PAGE) if found == name)
    found: dict[str, Any] = json.loads(told[1]) if told[0] == "json" else yaml.safe_load(told[1])
    return found


def listed(name: str) -> set[str]:
    """The permissions of a custom role, or a Role's verbs with their resources."""
    told = policy(name)
    if "includedPermissions" in told:
        return set(told["includedPermissions"])
    return {f"{verb} {what}" for rule in told["rules"] for what in rule["resources"] for verb in rule["verbs"]}


def several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def rights(name: str) -> set[Right]:
    """All that a policy of IAM allows."""
    return {
        (number, action, resource)
        for number, one in enumerate(policy(name)["Statement"])
        for action in several(one["Action"])
        for resource in several(one["Resource"])
    }


def granting(name: str, asked: Asked) -> set[Right]:
    """The rights of a policy of IAM that allow it."""
    statements = policy(name)["Statement"]
    return {
        (number, action, resource)
        for number, action, resource in rights(name)
        if action == asked.action and like(resource, asked.resource) and holds(statements[number], dict(asked.context))
    }


def holds(statement: dict[str, Any], context: dict[str, str]) -> bool:
    conditions = [pair for one in statement.get("Condition", {}).values() for pair in one.items()]
    return all(key in context and any(like(one, context[key]) for one in several(value)) for key, value in conditions)


def like(pattern: str, value: str) -> bool:
    """As IAM's wildcards have it."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value) is not None


def refused(name: str, asked: Iterable[Asked]) -> list[Asked]:
    return [one for one in asked if not granting(name, one)]


def unused(name: str, asked: Iterable[Asked]) -> set[Right]:
    return rights(name) - {right for one in asked for right in granting(name, one)}


@pytest.fixture(params=PLATFORMS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with world(request.param, tmp_path) as made:
        yield made


def live(place: World) -> None:
    """A job's life with all that may befall it."""
    if hasattr(place.fake, "script"):  # type: ignore[attr-defined]
        place.fake.script = {kind: ["RUNNING"] for kind in place.fake.script}  # type: ignore[attr-defined]
    token = make_token(step_key="k", inputs="i", generation=0)
    if isinstance(place.platform, LooksAhead):
        list(place.platform.outlook())
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
    name, fake = place.platform.name, place.fake  # type: ignore[attr-defined]
    if name in AWS:
        submitters = [one for one in fake.asked if not one.action.startswith("servicequotas:")]
        assert (refused(name, submitters), unused(name, submitters)) == ([], set())
        return
    calls = {right for call in fake.calls for right in GOOGLE.get(call, {call})}
    assert calls == listed(name) - IMPLIED


def test_quotas_are_looked_at_by_the_doctors_own_rights_and_no_more(place: World) -> None:
    live(place)
    name, fake = QUOTAS.get(place.platform.name), place.fake  # type: ignore[attr-defined]
    asked = [one for one in getattr(fake, "asked", ()) if one.action.startswith("servicequotas:")]
    if name == "quotas-aws":
        assert (refused(name, asked), unused(name, asked)) == ([], set())
    elif name == "quotas-gcp":
        assert set(fake.compute.calls) == listed(name)
    else:
        assert asked == []


def test_a_namespaces_quotas_are_looked_at_by_a_right_of_their_own() -> None:
    with fake_emr() as amazon, fake_pods() as eks:
        list(EmrOnEksWorld(amazon, lambda names: eks.client()).platform.outlook())
    assert set(eks.calls) == listed("quotas-kubernetes")


@pytest.mark.parametrize("kind", AWS)
@pytest.mark.parametrize(
    ("here", "elsewhere"), [("00abc123", "00abc1234"), ("vc0abc", "vc0abcd"), ("/pressrun-job", "/admin")]
)
def test_no_other_application_cluster_or_role_is_allowed(tmp_path: Path, kind: str, here: str, elsewhere: str) -> None:
    with world(kind, tmp_path) as made:
        live(made)
        asked: list[Asked] = made.fake.asked  # type: ignore[attr-defined]
    moved = [json.loads(json.dumps(vars(one)).replace(here, elsewhere)) for one in asked]
    others = {Asked(**{**one, "context": tuple(map(tuple, one["context"]))}) for one in moved} - set(asked)
    assert [one for one in others if granting(kind, one)] == []


def test_every_platform_has_its_policy_on_the_page() -> None:
    assert {name for name, _, _ in _BLOCK.findall(PAGE)} == {*PLATFORMS, *STORES, *QUOTAS.values(), "quotas-kubernetes"}


def needs(request: str, buckets: dict[str, str]) -> Asked:
    """The right behind a request to S3, with the page's names for the buckets.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
    """
    method, _, address = request.partition(" ")
    split = urlsplit(address)
    bucket, _, key = unquote(split.path).strip("/").partition("/")
    query, arn = parse_qs(split.query, keep_blank_values=True), f"arn:aws:s3:::{buckets[bucket]}"
    if method == "POST" and "delete" in query:
        # Its keys are in the body. None is beside the lake: those that are written are not.
        return Asked(action="s3:DeleteObject", resource=f"{arn}/lake/x")
    if not key:
        prefix = (("s3:prefix", query.get("prefix", [""])[0]),)
        return Asked(action="s3:ListBucket", resource=arn, context=prefix if method == "GET" else ())
    if method == "DELETE":
        return Asked(
            action=f"s3:{'AbortMultipartUpload' if 'uploadId' in query else 'DeleteObject'}", resource=f"{arn}/{key}"
        )
    names = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject"}
    return Asked(action=f"s3:{names[method]}", resource=f"{arn}/{key}")


@pytest.fixture
def front() -> Iterator[Troubled]:
    with troubled(bucket_server("s3")) as made:
        yield made


class Watched:
    """What is asked of S3 from now on."""

    def __init__(self, front: Troubled, **buckets: str) -> None:
        """`buckets`: the page's names for the roots that are used."""
        self._front, self._before = front, len(front.asked())
        self._names = {urlsplit(root).netloc: name.replace("_", "-") for name, root in buckets.items()}

    def asked(self, bucket: str = "news") -> set[Asked]:
        """Of the bucket that the page calls so."""
        all_of_them = {needs(one, self._names) for one in self._front.asked()[self._before :]}
        return {one for one in all_of_them if re.match(rf"arn:aws:s3:::{bucket}(/|$)", one.resource)}


def lake_of(server: BucketServer, root: str) -> Lake:
    return Lake(root, server.storage_options)


def filled(lake: Lake) -> None:
    key = StepKey(dag_id="d", run_id="r", task_id="t")
    lake.bind(key, "inputs")
    lake.commit("given", rows_of("given", [{"article_id": "a", "label": "x", "raw": "2"}]), key=key, pipeline="topics")
    lake.finish(StageResult(stage="ingest", step_key=str(key)), key=key, pipeline="topics", fingerprint="f")
    lake.snapshot("given", pipeline="topics")


def test_the_lake_and_the_uploads_need_what_the_policy_allows(front: Troubled, environment: Environment) -> None:
    root = new_root(front.server)
    watched = Watched(front, news=root)
    filled(lake_of(front.server, root))
    there = environment.model_copy(update={"lake": LakeRoot(root=root, storage_options=front.server.storage_options)})
    assert {one.state for one in examine(there, [], only=["lake"])} == {"good"}
    uploads = Uploads(f"{root}/_jobs", front.server.storage_options)
    uploads.put(Upload(stem="a", suffix=".zip", content=b"a" * 12_000_000))
    asked = watched.asked()
    assert refused("lake-s3", asked) == []
    # Only Spark's own writer, which is not here, takes an upload in parts that failed back.
    assert {action for _, action, _ in unused("lake-s3", asked)} == {"s3:AbortMultipartUpload"}


def test_a_mirror_reads_here_and_writes_there(front: Troubled) -> None:
    near, far = new_root(front.server), new_root(front.server)
    filled(lake_of(front.server, near))
    watched = Watched(front, news=near, news_mirror=far)
    mirror(lake_of(front.server, near), lake_of(front.server, far))
    assert (refused("reader-s3", watched.asked()), unused("reader-s3", watched.asked())) == ([], set())
    there = [
        Asked(**{**vars(one), "resource": one.resource.replace("news-mirror", "news")})
        for one in watched.asked("news-mirror")
    ]
    assert refused("lake-s3", there) == []


def test_who_reads_a_landing_folder_needs_no_more_than_to_list_and_read_it(
    front: Troubled, environment: Environment, pipeline: Pipeline
) -> None:
    root = new_root(front.server)
    landing = root.removesuffix("/lake") + "/landing"
    for name in ("a.csv", "b.csv"):
        with store(landing, front.server.storage_options).open_output_stream(
            f"{landing.partition('://')[2]}/topics/{name}"
        ) as file:
            file.write(b"Sports,t,b\n")
    place = LakeRoot(root=root, storage_options=front.server.storage_options)
    there = environment.model_copy(update={"landing": landing, "lake": place})
    watched = Watched(front, news=root)
    with Landing(there) as landed:
        assert len(landed.articles(pipeline)) == 2
    read = {right for right in rights("landing-s3") if right[1] in ("s3:GetObject", "s3:ListBucket")}
    assert refused("landing-s3", watched.asked()) == []
    assert unused("landing-s3", watched.asked()) & read == set()


def test_what_is_uploaded_is_uploaded_once() -> None:
    with troubled(bucket_server("s3")) as store:
        root = new_root(store.server)
        before = len(store.asked())
        uploads = [Uploads(f"{root}/_jobs", store.server.storage_options) for _ in range(2)]
        upload = Upload(stem="pressrun", suffix=".zip", content=b"zip")
        assert uploads[0].put(upload) == uploads[1].put(upload)
        written = [asked for asked in store.asked()[before:] if asked.startswith("PUT")]
    assert len(written) == 1
