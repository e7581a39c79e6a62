"""MiniLM as one of MLflow's models in Python: a file, as MLflow advises, so that no code is pickled."""

from typing import Any

import mlflow
from benchmark_model import Encoder
from mlflow.pyfunc import PythonModel


class MiniLM(PythonModel):
    def load_context(self, context: Any) -> None:
        self.model = Encoder()

    # Without a type for its input, which MLflow would check each request against.
    def predict(self, context, model_input, params=None) -> Any:
        return self.model(list(model_input))


mlflow.models.set_model(MiniLM())
