"""Delta Lake tables under one root, and the one path by which rows get into them."""

from pressrun.lake.delta import Retention
from pressrun.lake.errors import (
    ConflictError,
    DatasetGoneError,
    LakeError,
    OvertakenError,
    SameWorkError,
    SchemaError,
    SupersededError,
)
from pressrun.lake.lake import Lake
from pressrun.lake.manifests import Fence, Standing
from pressrun.lake.tables import SCHEMAS, rows_of
from pressrun.lake.types import DatasetRef, StageResult, StepKey

__all__ = [
    "SCHEMAS",
    "ConflictError",
    "DatasetGoneError",
    "DatasetRef",
    "Fence",
    "Lake",
    "LakeError",
    "OvertakenError",
    "Retention",
    "SameWorkError",
    "SchemaError",
    "StageResult",
    "Standing",
    "StepKey",
    "SupersededError",
    "rows_of",
]
