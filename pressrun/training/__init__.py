"""Training: people's and machines' labels to a model in a bundle, registered in MLflow."""

from pressrun.training.errors import TrainingError
from pressrun.training.stage import train

__all__ = ["TrainingError", "train"]
