"""The demo's lake in a bucket: its server, and that everything finds it by the environment's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.config.environment import Environment
from pressrun.config.load import load_environment
from pressrun.demo.places import InBucket, Laptop, place_of
from pressrun.demo.preflight import PreflightError
from pressrun.demo.services import Services
from pressrun.lake import StepKey, rows_of
from pressrun.step import open_lake


@pytest.mark.parametrize("name", ["s3", "gcs"])
def test_the_lake_in_a_bucket_is_found_by_the_variables_alone(
    name: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(name, router_port=8000)
    for variable, value in {**place.settings(home), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(variable, value)
    bucket, router = place.services(home)
    assert (bucket.name, router.name) == (name, "router")
    services = Services(home=home)
    services.start(bucket)
    try:
        services.wait(bucket)
        lake = open_lake(load_environment(name))
        key = StepKey(dag_id="d", run_id="r", task_id="t")
        made = lake.commit("given", rows_of("given", [{"article_id": "a"}]), key=key, pipeline="topics")
        assert lake.read(made)["article_id"].to_pylist() == ["a"]
    finally:
        services.stop()


def test_what_is_gone_with_a_buckets_server_is_said(environment: Environment) -> None:
    assert "in the memory of its server" in InBucket("s3", port=8000).leave(environment)
    assert isinstance(InBucket("s3", port=8000), Laptop)


def test_another_environment_is_refused_by_name() -> None:
    with pytest.raises(PreflightError, match="laptop, s3, gcs, kubernetes, not in 'azure'"):
        place_of("azure", router_port=8000)
