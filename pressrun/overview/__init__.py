"""What there is to see of a model: champion, candidate, lineage, what changed, verdicts, messages."""

from pressrun.overview.model import Card, Overview, overview

__all__ = ["Card", "Overview", "overview"]
