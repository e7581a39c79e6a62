"""Delta Lake tables under one root, and the one path by which rows get into them."""

from pressrun.lake.delta import Retention
from pressrun.lake.errors import ConflictError, DatasetGoneError, LakeError, SchemaError
from pressrun.lake.lake import Lake
from pressrun.lake.tables import SCHEMAS, rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey

__all__ = [
    "SCHEMAS",
    "ConflictError",
    "DatasetGoneError",
    "DatasetRef",
    "Lake",
    "LakeError",
    "Retention",
    "SchemaError",
    "StageResult",
    "StepKey",
    "rows_of",
]
