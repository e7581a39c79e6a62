"""The MLflow flavor of a bundle: `loader_module` of an MLmodel file, with the bundle's folder as data path.

MLflow imports this module by name and gives it a path: nothing is unpickled, no code comes with the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pressrun.bundle.bundle import Bundle, load_bundle
from pressrun.bundle.inputs import Batch, Pairs
from pressrun.bundle.text import article_text

if TYPE_CHECKING:
    import pandas as pd


class BundleModel:
    """What `mlflow.pyfunc.load_model` wraps: a frame to a frame, one row an article, a row of columns or a pair.

    Articles are `title` and `body`, or `text`; columns are those that the bundle names; pairs are `query` and `text`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One column a label, `score`, or one column a number of an embedding. Raises KeyError for a missing column."""
        import pandas

        scores = self.bundle.scores(self._batch(frame))
        return pandas.DataFrame(scores, columns=self._names(scores.shape[1]), index=frame.index)

    def _batch(self, frame: pd.DataFrame) -> Batch:
        columns = self.bundle.manifest.columns
        if columns is not None:
            return np.asarray(frame[list(columns)].to_numpy(dtype=np.float64))
        if self.bundle.manifest.input == "text_pair":
            return Pairs(queries=list(frame["query"]), texts=list(frame["text"]))
        return list(frame["text"] if "text" in frame else map(article_text, frame["title"], frame["body"]))

    def _names(self, width: int) -> list[str]:
        if self.bundle.labels:
            return list(self.bundle.labels)
        return ["score"] if width == 1 else [f"embedding_{place}" for place in range(width)]


def _load_pyfunc(data_path: str) -> BundleModel:
    return BundleModel(load_bundle(data_path))
