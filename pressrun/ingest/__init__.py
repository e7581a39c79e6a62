"""New articles into the lake, once each, with a verdict on the batch."""

from pressrun.ingest.errors import IngestError
from pressrun.ingest.stage import ingest

__all__ = ["IngestError", "ingest"]
