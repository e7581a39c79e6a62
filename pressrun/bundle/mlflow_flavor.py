"""The MLflow flavor of a bundle: `loader_module` of an MLmodel file, with the bundle's folder as data path.

MLflow imports this module by name and gives it a path: nothing is unpickled, no code comes with the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pressrun.bundle.bundle import Bundle, load_bundle
from pressrun.bundle.text import article_text

if TYPE_CHECKING:
    import pandas as pd


class BundleModel:
    """What `mlflow.pyfunc.load_model` wraps: a frame with `title` and `body`, or with `text`, to probabilities."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One row an article, one column a label."""
        import pandas

        texts = frame["text"] if "text" in frame else map(article_text, frame["title"], frame["body"])
        return pandas.DataFrame(self.bundle.scores(list(texts)), columns=list(self.bundle.labels), index=frame.index)


def _load_pyfunc(data_path: str) -> BundleModel:
    return BundleModel(load_bundle(data_path))
