"""What can go wrong with the lake. Each docstring says whether a retry helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pressrun.lake.types import StageResult


class LakeError(Exception):
    """The base of them all."""


class SchemaError(LakeError, ValueError):
    """Rows do not fit their table. A retry does not help: the code or the data that made them is wrong."""


class DatasetGoneError(LakeError):
    """A dataset's version or files are no longer there. A retry does not help; recomputing its step does."""


class ErasedError(DatasetGoneError):
    """Readers were erased whom `rows` rows of the dataset led to. Nothing brings them back."""

    def __init__(self, message: str, *, rows: int) -> None:
        super().__init__(message)
        self.rows = rows


class StoreError(LakeError):
    """The lake's bucket could not be used as its options say. A retry helps only once what it names is mended."""


class CredentialsError(StoreError):
    """The bucket did not accept who asks. A retry helps once the credentials are renewed or allowed to do it."""


class NoBucketError(StoreError):
    """There is no such bucket. A retry does not help."""


class BusyError(StoreError):
    """The store did not answer, or asked to slow down, for longer than its clients try. A retry helps."""


class ConflictError(LakeError):
    """Other writers kept winning the race for the next version. A retry helps."""


class SupersededError(LakeError):
    """The step was asked for anew while this try still ran: what it made is void. A retry does not help."""


class OvertakenError(LakeError):
    """Another step finished what this one stood on. Doing the work again, on what is there now, helps."""


class SameWorkError(LakeError):
    """Another step finished the very same work first; `result` is what it handed on. Nothing is left to do."""

    def __init__(self, result: StageResult) -> None:
        super().__init__(f"{result.step_key} has finished the same work")
        self.result = result
