"""What can go wrong between the loop and the registry."""

from __future__ import annotations


class RegistryError(RuntimeError):
    """MLflow did not answer, or not as it should. A retry helps once what the message names is mended."""


class UnknownModelError(LookupError):
    """The registry has no such model version. A retry does not help."""
