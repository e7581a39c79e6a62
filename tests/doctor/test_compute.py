"""Whether the platform of Spark jobs answers, over EMR's wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.spark import Spark
from pressrun.doctor import Found, compute, examine
from tests.compute.worlds import ROLE, EmrServerlessWorld
from tests.fakes.emr import FakeEmr, fake_emr

PLATFORM = {"kind": "emr_serverless", "region": "eu-west-1", "application_id": "00abc123", "execution_role_arn": ROLE}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEmr]:
    with fake_emr() as made:
        monkeypatch.setattr(compute, "_connect", lambda environment: EmrServerlessWorld(made).platform)
        yield made


def found(environment: Environment, **spark: Any) -> Found:
    place = environment.model_copy(update={"spark": Spark.model_validate(spark)})
    (one,) = examine(place, [], only=["compute"])
    return one


def test_a_platform_that_answers_is_good_and_no_job_is_started(fake: FakeEmr, environment: Environment) -> None:
    assert found(environment, platform=PLATFORM).state == "good"
    assert (fake.calls, fake.runs) == (["emr-serverless:ListJobRuns"], [])


@pytest.mark.parametrize(
    ("trouble", "words"), [("denied", "was denied"), ("expired", "do not hold"), ("refused", "was refused")]
)
def test_an_account_that_may_not_ask_is_bad_with_what_to_allow(
    fake: FakeEmr, environment: Environment, trouble: Any, words: str
) -> None:
    fake.troubles["ListJobRuns"] = [trouble]
    one = found(environment, platform=PLATFORM)
    assert (one.state, words in one.words) == ("bad", True)
    assert one.remedy


def test_jobs_of_this_machine_need_no_platform(environment: Environment) -> None:
    assert found(environment, engine="duckdb").state == "skipped"
