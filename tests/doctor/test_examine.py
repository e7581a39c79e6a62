"""What `pressrun doctor` finds, on a laptop that is well and on ones that are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pressrun.buckets.servers import Kind
from pressrun.cli import app
from pressrun.config.environment import Environment, LakeRoot, Mlflow
from pressrun.config.pipeline import Pipeline
from pressrun.doctor import Found, examine, machine
from pressrun.lake.stores import store
from tests.doctor.answering import answering
from tests.fakes.buckets import bucket_server, new_root, troubled

HEALTHY = {part: {"status": "healthy"} for part in ("metadatabase", "scheduler", "triggerer", "dag_processor")}


def found(environment: Environment, pipeline: Pipeline, area: str) -> list[Found]:
    return list(examine(environment, [pipeline], only=[area]))


def one(environment: Environment, pipeline: Pipeline, area: str) -> Found:
    (only,) = found(environment, pipeline, area)
    return only


def changed(environment: Environment, **values: Any) -> Environment:
    return environment.model_copy(update=values)


def test_a_laptop_that_is_well_has_nothing_in_the_way(environment: Environment, pipeline: Pipeline) -> None:
    states = {(one.area, one.what): one.state for one in examine(environment, [pipeline])}
    assert "bad" not in states.values(), states
    assert states["lake", "root"] == states["lake", "conditional writes"] == "good"
    assert states["kubernetes", "clusters"] == "skipped"


def test_the_lakes_probe_is_taken_away(environment: Environment, pipeline: Pipeline) -> None:
    found(environment, pipeline, "lake")
    root = Path(environment.lake.root)
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("root", "options", "words", "remedy"),
    [
        ("s3://nowhere/lake", {}, "there is no bucket nowhere", "make the bucket"),
        ("abfss://news/lake", {}, "s3:// or gs://", "lake.root"),
        ("s3://news/lake", {"aws_regoin": "x"}, "regoin is no option", "lake.storage_options"),
    ],
)
def test_a_lake_that_cannot_be_opened_says_why_and_what_to_mend(
    root: str, options: dict[str, str], words: str, remedy: str, environment: Environment, pipeline: Pipeline
) -> None:
    lake = LakeRoot(root=root, storage_options=bucket_server("s3").storage_options | options)
    said = one(changed(environment, lake=lake), pipeline, "lake")
    assert (said.state, words in said.words, remedy in said.remedy) == ("bad", True, True), said


@pytest.mark.parametrize(
    ("status", "code", "words", "remedy"),
    [
        (400, "ExpiredToken", "have expired", "renew"),
        (403, "AccessDenied", "may not do this", "s3:PutObject"),
    ],
)
def test_a_store_that_refuses_is_told_as_ingest_tells_it(
    status: int, code: str, words: str, remedy: str, environment: Environment, pipeline: Pipeline
) -> None:
    with troubled(bucket_server("s3")) as store:
        lake = LakeRoot(root=new_root(store.server), storage_options=store.server.storage_options)
        store.spoil(status, code, "No.")
        said = one(changed(environment, lake=lake), pipeline, "lake")
    assert (said.state, words in said.words, remedy in said.remedy) == ("bad", True, True), said


def test_a_root_that_cannot_be_written_names_the_rights_that_it_needs(
    environment: Environment, pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    lake = environment.lake.model_copy(update={"root": str(tmp_path / "file" / "lake")})
    said = one(changed(environment, lake=lake), pipeline, "lake")
    assert said.state == "bad"
    assert "s3:PutObject" in said.remedy


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_store_that_ignores_conditions_is_bad_and_the_same_one_that_heeds_them_is_good(
    kind: Kind, environment: Environment, pipeline: Pipeline
) -> None:
    with troubled(bucket_server(kind)) as store:
        lake = LakeRoot(root=new_root(store.server), storage_options=store.server.storage_options)
        place = changed(environment, lake=lake)
        heeding = {one.what: one for one in found(place, pipeline, "lake")}["conditional writes"]
        store.ignore_conditions()
        state = {one.what: one for one in found(place, pipeline, "lake")}["conditional writes"]
    assert heeding.state == "good", heeding
    assert (state.state, "aws_conditional_put" in state.remedy) == ("bad", True)


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_a_store_that_fails_while_it_is_tried_proves_nothing(
    kind: Kind, environment: Environment, pipeline: Pipeline
) -> None:
    with troubled(bucket_server(kind)) as store:
        lake = LakeRoot(root=new_root(store.server), storage_options=store.server.storage_options)
        store.spoil(403, "AccessDenied", "Access Denied", matching="^PUT")
        said = one(changed(environment, lake=lake), pipeline, "lake")
    assert (said.what, said.state, "s3:PutObject" in said.remedy) == ("root", "bad", True)


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_articles_that_landed_in_a_bucket_are_found_there(
    kind: Kind, environment: Environment, pipeline: Pipeline
) -> None:
    server = bucket_server(kind)
    bucket = new_root(server).removesuffix("/lake")
    lake = LakeRoot(root=f"{bucket}/lake", storage_options=server.storage_options)
    place = changed(environment, lake=lake, landing=f"{bucket}/landing")
    assert one(place, pipeline, "landing").state == "doubt"
    name = f"{bucket.partition('://')[2]}/landing/topics/a.csv"
    with store(bucket, server.storage_options).open_output_stream(name) as file:
        file.write(b"Sports,title,body\n")
    assert "1 files in" in one(place, pipeline, "landing").words
    away = one(changed(place, landing=f"{bucket}-away/landing"), pipeline, "landing")
    assert (away.state, "list and read" in away.words) == ("bad", True)


def test_little_room_is_a_doubt_and_next_to_none_is_bad(
    environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for enough, little, state in ((1e9, 0, "doubt"), (1e9, 1e8, "bad"), (0, 0, "good")):
        monkeypatch.setattr(machine, "ENOUGH_GB", enough)
        monkeypatch.setattr(machine, "LITTLE_GB", little)
        home = next(each for each in found(environment, pipeline, "machine") if each.what == "home")
        assert home.state == state


@pytest.mark.parametrize(("needed", "words"), [("nothing-of-this-name>=1", "is not installed"), ("numpy<1", "needed")])
def test_packages_that_are_not_what_pressrun_needs_are_named(
    needed: str, words: str, environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "requires", lambda name: [needed, "boto3>=1; extra == 'never'"])
    packages = found(environment, pipeline, "machine")[0]
    assert (packages.state, words in packages.words) == ("bad", True)


@pytest.mark.parametrize(
    ("version", "parts", "state"),
    [
        ("3.3.2", HEALTHY, "good"),
        ("3.2.0", HEALTHY, "bad"),
        ("3.3.2", HEALTHY | {"triggerer": {"status": None}}, "bad"),
        ("3.3.2", {}, "bad"),
    ],
)
def test_airflow_is_asked_for_its_version_and_its_parts(
    version: str, parts: dict[str, Any], state: str, environment: Environment, pipeline: Pipeline
) -> None:
    with answering({"/api/v2/version": {"version": version}, "/api/v2/monitor/health": parts}) as url:
        assert one(changed(environment, airflow_url=url), pipeline, "airflow").state == state


def test_an_address_where_no_airflow_answers_is_a_doubt(environment: Environment, pipeline: Pipeline) -> None:
    with answering({}) as url:
        assert one(changed(environment, airflow_url=url), pipeline, "airflow").state == "doubt"


def test_an_mlflow_of_another_major_version_is_bad_and_one_that_is_away_too(
    environment: Environment, pipeline: Pipeline
) -> None:
    answers = {
        "/health": "OK",
        "/version": "1.27.0",
        "/api/2.0/mlflow/experiments/search": {},
        "/api/2.0/mlflow/registered-models/search": {},
    }
    with answering(answers) as url:
        old = one(changed(environment, mlflow=Mlflow(tracking_uri=url)), pipeline, "mlflow")
        assert (old.state, "1.27.0" in old.words) == ("bad", True)
        answers["/version"] = "3.17.2"
        assert one(changed(environment, mlflow=Mlflow(tracking_uri=url)), pipeline, "mlflow").state == "good"
    away = one(changed(environment, mlflow=Mlflow(tracking_uri="http://ann:pw123456@127.0.0.1:9")), pipeline, "mlflow")
    assert away.state == "bad"
    assert "pw123456" not in away.words + away.remedy


def test_a_database_that_does_not_open_is_told_without_its_password(
    environment: Environment, pipeline: Pipeline
) -> None:
    url = "postgresql://news:pw123456@127.0.0.1:9/news"
    said = one(changed(environment, database=url), pipeline, "database")
    assert said.state == "bad"
    assert "pw123456" not in said.words
    assert "PRESSRUN_DATABASE" in said.remedy


@pytest.mark.parametrize(
    ("scopes", "state", "words"),
    [
        ("chat:write,groups:history", "good", "newsdesk of gazette"),
        ("chat:write", "bad", "lacks channels:history"),
        ("", "good", "newsdesk"),
    ],
)
def test_slacks_token_is_tried_and_its_scopes_are_read(
    scopes: str, state: str, words: str, environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")
    answer = {"ok": True, "user": "newsdesk", "team": "gazette"}
    with answering({"/auth.test": lambda _: answer}, headers={"x-oauth-scopes": scopes}) as url:
        said = one(changed(environment, slack_url=url), pipeline, "slack")
    assert (said.state, words in said.words) == (state, True)


@pytest.mark.parametrize(("slack", "state", "told"), [("required", "bad", "wait"), ("optional", "doubt", "terminal")])
def test_a_missing_token_is_bad_where_slack_is_required_and_else_a_doubt(
    slack: str, state: str, told: str, environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    said = one(changed(environment, slack=slack), pipeline, "slack")
    assert (said.state, told in said.remedy) == (state, True)


def test_a_token_that_slack_refuses_is_bad(
    environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")
    with answering({"/auth.test": lambda _: {"ok": False, "error": "invalid_auth"}}) as url:
        said = one(changed(environment, slack_url=url), pipeline, "slack")
    assert (said.state, "invalid_auth" in said.words) == ("bad", True)


def test_an_llm_without_its_key_is_bad_and_one_of_ones_own_is_asked(
    environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def labeled_by(**spec: Any) -> Pipeline:
        given = pipeline.model_dump()
        given["label"]["chain"] = [{"labeler": "llm", "model": "openai:gpt-5-mini", **spec}]
        return Pipeline.model_validate(given)

    assert "OPENAI_API_KEY" in one(environment, labeled_by(), "labelers").words
    with answering({"/v1/models": {"data": []}}) as url:
        assert one(environment, labeled_by(base_url=f"{url}/v1"), "labelers").state == "good"
    assert one(environment, labeled_by(base_url="http://127.0.0.1:9/v1"), "labelers").state == "bad"


def test_what_cannot_be_looked_at_is_a_finding_and_stops_no_other(
    environment: Environment, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(given: object, pipelines: object) -> Any:
        raise RuntimeError("no such thing: token=xoxb-123456789012-abcdef")

    monkeypatch.setitem(__import__("pressrun.doctor.examine", fromlist=["LOOKS"]).LOOKS, "lake", broken)
    areas = {one.area: one for one in examine(environment, [pipeline])}
    assert areas["lake"].state == "bad"
    assert "xoxb-123456789012" not in areas["lake"].words
    assert areas["database"].state == "good"


def test_the_command_leaves_with_an_error_where_something_stands_in_the_way(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = CliRunner(env={"COLUMNS": "200"})
    bad = changed(environment, database="postgresql://127.0.0.1:9/news")
    for place, code, words in ((environment, 0, "nothing stands in the way"), (bad, 2, "1 of 1 stand in the way")):
        monkeypatch.setattr("pressrun.config.load.load_environment", lambda name, place=place: place)
        said = cli.invoke(app, ["doctor", "--only", "database"])
        assert (said.exit_code, words in said.output) == (code, True), said.output
    lines = cli.invoke(app, ["doctor", "--only", "database", "--json"]).stdout.splitlines()
    assert [json.loads(line)["area"] for line in lines] == ["database"]
    assert cli.invoke(app, ["doctor", "--only", "weather"]).exit_code == 2
