"""Names and labels of a model's objects. An arm's are named by the generation that made them, never by its role.

So the candidate that becomes champion keeps its pods, and what an older generation left behind is told by its name.
"""

from __future__ import annotations

from pressrun.rollout.types import BASELINE

GROUP, VERSION = "pressrun.dev", "v1"
FIELD_MANAGER = "pressrun"
MODEL, GENERATION, ROLE = f"{GROUP}/model", f"{GROUP}/generation", f"{GROUP}/role"
DECIDED = f"{GROUP}/decided"
MANAGED = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
PORT = 8080
CONTROLLER = "pressrun-controller"
CONTROLLER_PORT = 8090


def model_name(model: str) -> str:
    """The model's name as Kubernetes takes it: its names have no underscores."""
    return model.replace("_", "-")


def arm_name(model: str, generation: int, arm: str = "") -> str:
    """The name of an arm's Deployment, Service, PodDisruptionBudget and HorizontalPodAutoscaler."""
    return f"{model_name(model)}-g{generation}{'-baseline' if arm == BASELINE else ''}"


def role_of(arm: str) -> str:
    """What an arm's pods are labeled: the baseline's are told apart, since its generation is the candidate's."""
    return BASELINE if arm == BASELINE else "model"


def arm_labels(model: str, generation: int, arm: str = "") -> dict[str, str]:
    """What selects an arm's pods and nobody else's."""
    return {MODEL: model_name(model), GENERATION: str(generation), ROLE: role_of(arm)}
