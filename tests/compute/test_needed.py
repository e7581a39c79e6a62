"""What a platform's image must have: a sample by Spark goes through with that and Spark alone, in all its processes."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from pressrun.compute.job import make_job
from pressrun.compute.run import StepJob
from pressrun.config.environment import Environment
from pressrun.config.pipeline import Pipeline, Read
from pressrun.config.spark import Local, Spark
from pressrun.environments.needed import needed_by_jobs
from pressrun.ingest import ingest
from pressrun.lake import Lake
from pressrun.lake.types import StageResult, StepKey
from pressrun.simulator import Newsroom, write_night
from pressrun.step import Step
from tests.compute.worlds import EmrServerlessWorld
from tests.environments.conftest import closure
from tests.fakes.emr import fake_emr
from tests.fakes.spark_driver import LocalDriver

PAGE = (Path(__file__).parents[2] / "docs" / "compute.md").read_text(encoding="utf-8")
# Python imports it at each of its starts, those of Spark's workers among them.
LACKING = """
import sys

class Lacking:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {modules!r}
        return None if absent else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Lacking, sys.meta_path)
"""


def lacking(image: set[str]) -> list[str]:
    """The modules installed here that no distribution of the image has."""
    return sorted(module for module, owners in packages_distributions().items() if not image & set(owners))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder that makes every Python that has it on its path see what is listed, and Spark."""
    folder = tmp_path / "image"
    folder.mkdir()
    there = set(closure([*needed_by_jobs(), "pyspark"]))
    (folder / "sitecustomize.py").write_text(LACKING.format(modules=lacking(there)), encoding="utf-8")
    return folder


def night_step(task: str, environment: Environment, pipeline: Pipeline, lake: Lake) -> Step:
    articles = pipeline.articles.model_copy(update={"read": Read()})
    sample = pipeline.sample.model_copy(update={"rows": 20})
    changed = pipeline.model_copy(update={"articles": articles, "sample": sample})
    key = StepKey(dag_id="topics_retrain", run_id="night", task_id=task)
    return Step(key=key, pipeline=changed, environment=environment, lake=lake)


def ingested(environment: Environment, pipeline: Pipeline, lake: Lake) -> StageResult:
    write_night(Newsroom(seed=3, articles_per_night=80), 1, out=Path(environment.landing) / "topics")
    return ingest(night_step("ingest", environment, pipeline, lake))


@pytest.mark.spark
def test_a_sample_by_spark_needs_no_package_that_the_list_for_images_lacks(
    environment: Environment, pipeline: Pipeline, lake: Lake, image: Path, tmp_path: Path
) -> None:
    away = environment.model_copy(update={"spark": Spark(platform=Local(process="own"))})
    step, before = night_step("sample", away, pipeline, lake), ingested(away, pipeline, lake)
    with fake_emr() as fake:
        entered = StepJob.of(step, stage="sample", upstream=[before], platform=EmrServerlessWorld(fake).platform)
        job = make_job(step, entered.attach(), [before])
    session = (*job.arguments, "--platform-session")
    conf = {key: value for key, value in job.conf.items() if key.startswith("spark.sql.")}
    driver = LocalDriver(
        tmp_path, entry=job.entry, packages=[*job.packages, str(image)], files=job.files, arguments=session, conf=conf
    )
    assert driver.process.wait(300) == 0, driver.log.read_text()
    done = step.lake.finished(step.key)
    assert done is not None
    assert done.facts["rows"] == 20


def test_the_page_has_no_list_of_its_own() -> None:
    assert "pressrun requirements --job" in PAGE
    assert re.findall(r"RUN pip3? install (.+)", PAGE) == ["-r /tmp/requirements.txt"]
