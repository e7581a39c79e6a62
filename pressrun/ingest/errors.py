"""What stops an ingest. A bad row never does: it becomes a reject."""


class IngestError(ValueError):
    """The files and the pipeline's `articles` section do not fit. A retry does not help; a change of either does."""
