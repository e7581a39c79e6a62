"""Whether stages can have what the environment's file gives them: uv, lock, GPU, the pods' cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pressrun.config.environment import Environment
from pressrun.config.stages import Pods, Stages
from pressrun.doctor import Found, compute, examine
from pressrun.environments import build, gpus
from tests.fakes.pods import fake_pods


def found(environment: Environment, /, **train: Any) -> list[Found]:
    update = {"stages": Stages.model_validate({"train": train}), "pods": Pods(namespace="news")}
    return list(examine(environment.model_copy(update=update), [], only=["stages"]))


def test_stages_in_their_tasks_need_nothing(environment: Environment) -> None:
    assert [one.state for one in found(environment)] == ["skipped"]


def test_a_lock_is_good_where_uv_is_and_bad_where_not(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "train.lock"
    lock.write_text("numpy==2.2.0\n")
    monkeypatch.setattr(build, "find_uv", lambda: "/usr/bin/uv")
    (one,) = found(environment, environment={"lock": str(lock)})
    assert (one.state, str(lock) in one.words) == ("good", True)
    monkeypatch.setattr(build, "find_uv", lambda: None)
    (one,) = found(environment, environment={"lock": str(lock)})
    assert (one.state, "pip install uv" in one.remedy) == ("bad", True)


def test_a_lock_that_is_missing_is_bad(environment: Environment, tmp_path: Path) -> None:
    (one,) = found(environment, environment={"lock": str(tmp_path / "no.lock")})
    assert (one.state, "uv pip compile" in one.remedy) == ("bad", True)


def test_a_gpu_that_is_not_there_is_bad(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_listed", lambda: ["0"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [one.state for one in found(environment, resources={"gpu": 1})] == ["good"]
    (one,) = found(environment, resources={"gpu": 2})
    assert one.words == "stage train asks for 2 gpu, and this machine has 1"
    assert "stages.train.resources.gpu" in one.remedy


def test_the_pods_cluster_is_asked(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    from pressrun.compute.connect import open_platform

    with fake_pods() as fake:

        class Clients:
            def kubernetes(self, place: Any) -> Any:
                return fake.client()

        monkeypatch.setattr(compute, "_connect", lambda place, **stage: open_platform(place, Clients(), **stage))  # type: ignore[arg-type]
        assert [one.state for one in found(environment, environment={"image": "train:1"})] == ["good"]
        fake.troubles["GET"] = ["denied"]
        assert [one.state for one in found(environment, environment={"image": "train:1"})] == ["bad"]
    assert fake.created == []
