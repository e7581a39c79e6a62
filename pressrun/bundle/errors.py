"""What can be wrong with a bundle."""

from __future__ import annotations


class BundleError(ValueError):
    """The folder is no bundle that can be trusted. A retry does not help: fetch or train the model again."""
