"""Stages as pods: submit-once by the pod's name, as with Spark's drivers; what fails names the stage's own keys.

A pod that lost its node, as a spot machine's does, is the platform's failure, and a retry starts it again. One that
took more memory than its limit would do so again: that is the configuration's, which no retry mends.
"""

from __future__ import annotations

from typing import Any

from pressrun.compute.kubernetes import Keys, PodPlatform
from pressrun.compute.platform import SparkJob
from pressrun.compute.stage_pod import StageJob, stage_pod
from pressrun.config.stages import Pods


class StagePods(PodPlatform):
    """Pods of one stage."""

    name = "pods"

    def __init__(self, place: Pods, client: Any, *, stage: str) -> None:
        super().__init__(place, client)
        self._place = place
        self.keys = Keys(
            section=f"pods or stages.{stage}",
            image=f"stages.{stage}.environment.image",
            memory=f"stages.{stage}.resources.memory",
            timeout="pods.timeout_minutes",
            too_much="configuration",
        )

    def request(self, job: SparkJob, token: str) -> dict[str, Any]:
        assert isinstance(job, StageJob)
        return stage_pod(job, token, self._place)
