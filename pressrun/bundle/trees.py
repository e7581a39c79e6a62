"""LightGBM's own predictor through its C API: one call a batch, without the GIL and without importing lightgbm.

Bit for bit what `lightgbm.Booster.predict` answers (LightGBM 4, c_api.h). Importing the package would cost a second
and pandas; its library is found beside it and loaded alone.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pressrun.bundle.errors import BundleError
from pressrun.bundle.tree_text import checked

Scores: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.float64] | sparse.csr_matrix

_NORMAL, _RAW = 0, 1
_FLOAT64, _INT32 = 1, 2
_BY_ROW = 1
_ALL_ITERATIONS = -1
_SETTINGS = b"num_threads=1"


@cache
def _library() -> ctypes.CDLL:
    """Raises BundleError when LightGBM is not installed."""
    spec = find_spec("lightgbm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*/lib_lightgbm.*")):
            library = ctypes.CDLL(str(path))
            library.LGBM_GetLastError.restype = ctypes.c_char_p
            return library
    raise BundleError("LightGBM is not installed, and the model is one of its own; install lightgbm>=4.6")


def _answered(status: int) -> None:
    if status:
        raise BundleError(f"LightGBM refuses: {_library().LGBM_GetLastError().decode(errors='replace')}")


class _Booster:
    """A loaded booster and, for each kind of prediction, the settings of its fast path for a single row."""

    def __init__(self, text: str) -> None:
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        _answered(
            _library().LGBM_BoosterLoadModelFromString(
                checked(text).encode(), ctypes.byref(iterations), ctypes.byref(self._handle)
            )
        )
        self.columns = self._number("LGBM_BoosterGetNumFeature")
        self.outputs = self._number("LGBM_BoosterNumModelPerIteration")
        self._fast = {kind: self._fast_settings(kind) for kind in (_NORMAL, _RAW)}
        self._one_row = _library().LGBM_BoosterPredictForMatSingleRowFast
        self._one_row.argtypes = (ctypes.c_void_p,) * 4
        weakref.finalize(self, _free, _library(), self._handle, tuple(self._fast.values())).atexit = False

    def _number(self, name: str) -> int:
        number = ctypes.c_int()
        _answered(getattr(_library(), name)(self._handle, ctypes.byref(number)))
        return number.value

    def _fast_settings(self, kind: int) -> ctypes.c_void_p:
        made = ctypes.c_void_p()
        init = _library().LGBM_BoosterPredictForMatSingleRowFastInit
        settings = (kind, 0, _ALL_ITERATIONS, _FLOAT64, ctypes.c_int32(self.columns), _SETTINGS)
        _answered(init(self._handle, *settings, ctypes.byref(made)))
        return made

    def predict(self, rows: Rows, kind: int) -> Scores:
        """(n, outputs). Raises ValueError for rows of another width."""
        if rows.shape[1] != self.columns:
            raise ValueError(f"rows have {rows.shape[1]} columns, the model was trained on {self.columns}")
        answers = np.empty((rows.shape[0], self.outputs))
        if isinstance(rows, np.ndarray):
            self._dense(np.ascontiguousarray(rows, dtype=np.float64), kind, answers)
        else:
            self._sparse(rows, kind, answers)
        return answers

    def _dense(self, rows: NDArray[np.float64], kind: int, answers: Scores) -> None:
        written = ctypes.c_int64()
        if len(rows) == 1:
            status = self._one_row(self._fast[kind], rows.ctypes.data, ctypes.addressof(written), answers.ctypes.data)
        else:
            status = _library().LGBM_BoosterPredictForMat(
                self._handle, ctypes.c_void_p(rows.ctypes.data), _FLOAT64, ctypes.c_int32(len(rows)),
                ctypes.c_int32(rows.shape[1]), _BY_ROW, kind, 0, _ALL_ITERATIONS, _SETTINGS,
                ctypes.byref(written), ctypes.c_void_p(answers.ctypes.data),
            )  # fmt: skip
        _complete(status, written, answers)

    def _sparse(self, rows: sparse.csr_matrix, kind: int, answers: Scores) -> None:
        written = ctypes.c_int64()
        starts = np.ascontiguousarray(rows.indptr, dtype=np.int32)
        columns = np.ascontiguousarray(rows.indices, dtype=np.int32)
        values = np.ascontiguousarray(rows.data, dtype=np.float64)
        status = _library().LGBM_BoosterPredictForCSR(
            self._handle, ctypes.c_void_p(starts.ctypes.data), _INT32, ctypes.c_void_p(columns.ctypes.data),
            ctypes.c_void_p(values.ctypes.data), _FLOAT64, ctypes.c_int64(len(starts)), ctypes.c_int64(len(values)),
            ctypes.c_int64(rows.shape[1]), kind, 0, _ALL_ITERATIONS, _SETTINGS,
            ctypes.byref(written), ctypes.c_void_p(answers.ctypes.data),
        )  # fmt: skip
        _complete(status, written, answers)


def _free(library: ctypes.CDLL, handle: ctypes.c_void_p, fast: Iterable[ctypes.c_void_p]) -> None:
    for made in fast:
        library.LGBM_FastConfigFree(made)
    library.LGBM_BoosterFree(handle)


def _complete(status: int, written: ctypes.c_int64, answers: Scores) -> None:
    _answered(status)
    if written.value != answers.size:
        raise ValueError(f"LightGBM wrote {written.value} numbers, {answers.size} were expected")


@dataclass(frozen=True, kw_only=True)
class Lightgbm:
    """A booster in LightGBM's text format, of any objective."""

    text: str = field(repr=False)

    @cached_property
    def _booster(self) -> _Booster:
        return _Booster(self.text)

    def __getstate__(self) -> dict[str, str]:
        """The text alone: a handle means nothing in another process."""
        return {"text": self.text}

    @property
    def columns(self) -> int:
        return self._booster.columns

    def decisions(self, features: Rows) -> Scores:
        """Raw scores, (n, k)."""
        return self._booster.predict(features, _RAW)

    def predictions(self, features: Rows) -> Scores:
        """What the objective makes of the raw scores, (n, k): probabilities, exponentials or the scores themselves."""
        return self._booster.predict(features, _NORMAL)
