"""What keeps a model from being trained."""

from __future__ import annotations


class TrainingError(ValueError):
    """The labels or the settings do not make a model. A retry does not help before what it names is changed."""
