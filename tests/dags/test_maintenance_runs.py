"""The maintenance DAG in a real Airflow: its metadata database, its serialized DAG, its tasks by the task SDK."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from pressrun.config.environment import Environment, LakeRetention
from pressrun.lake import Lake, rows_of
from pressrun.step import open_lake

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).parents[2]
# As Airflow's own command `dags test`, but that each task's state is told.
RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
dag = DagBag(sys.argv[1], bundle_name="dags-folder").dags["pressrun_maintenance"]
run = dag.test(run_conf=json.loads(sys.argv[2]))
states = {one.task_id: str(one.state) for one in run.get_task_instances()}
print("TOLD " + json.dumps({"run": str(run.state), "tasks": states}))
"""


class Airflow:
    """One with a home of its own, in which the maintenance of an environment runs."""

    def __init__(self, home: Path, environment: Environment) -> None:
        self.home, self._named = home, home / "here.yaml"
        home.mkdir()
        self._named.write_text(yaml.safe_dump(environment.model_dump(mode="json", exclude_none=True)))
        shutil.copy(REPOSITORY / "dags" / "maintenance.py", home / "maintenance.py")
        self._do("-m", "airflow", "db", "migrate")

    def maintain(self, **params: object) -> dict[str, dict[str, str]]:
        output = self._do("-c", RUN, str(self.home / "maintenance.py"), json.dumps(params))
        told: dict[str, dict[str, str]] = json.loads(output.rpartition("TOLD ")[2].splitlines()[0])
        return told

    def _do(self, *arguments: str) -> str:
        around = {
            **os.environ,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "PRESSRUN_ENVIRONMENT": str(self._named),
            "PYTHONPATH": str(REPOSITORY),
        }
        done = subprocess.run(
            [sys.executable, *arguments], check=False, capture_output=True, text=True, env=around, cwd=self.home
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


@pytest.fixture
def kept(environment: Environment) -> Environment:
    """A home with an empty registry whose lake forgets at once what nobody needs."""
    MlflowClient(tracking_uri=environment.mlflow.tracking_uri).search_registered_models()
    lake = environment.lake.model_copy(update={"retention": LakeRetention(log=0, files=0, transactions=0)})
    return environment.model_copy(update={"lake": lake})


def of_many_small_files(environment: Environment) -> Lake:
    lake = open_lake(environment)
    for number in range(1, 7):
        rows = rows_of("predictions", [{"request_id": f"q{number}", "model": "topics"}])
        lake.append("predictions", rows, pipeline="topics", source="s", sequence=number)
    return lake


def test_it_looks_when_asked_to_look_only_else_makes_few_files_of_the_same_rows_and_a_heartbeat(
    kept: Environment, tmp_path: Path
) -> None:
    lake, airflow = of_many_small_files(kept), Airflow(tmp_path / "airflow", kept)
    before = lake.snapshot("predictions", pipeline="topics")
    well = {"run": "success", "tasks": {"maintain": "success", "alerts_arrive": "success"}}
    assert airflow.maintain(only_look=True) == well
    assert len(lake.files(before)) == 6
    assert airflow.maintain() == well
    after = lake.snapshot("predictions", pipeline="topics")
    assert (len(lake.files(after)), after.digest) == (1, before.digest)
    assert (kept.home / "heartbeat").exists()
