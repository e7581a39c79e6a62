"""What can go wrong with the lake. Each docstring says whether a retry helps."""


class LakeError(Exception):
    """The base of them all."""


class SchemaError(LakeError, ValueError):
    """Rows do not fit their table. A retry does not help: the code or the data that made them is wrong."""


class DatasetGoneError(LakeError):
    """A dataset's version or files are no longer there. A retry does not help; recomputing its step does."""


class ConflictError(LakeError):
    """Other writers kept winning the race for the next version. A retry helps."""
