"""Labels of a model's objects in a cluster beside those that select them: for bills, and for who looks at them."""

from __future__ import annotations

import re
from collections.abc import Mapping

GROUP = "pressrun.dev"
TEAM = f"{GROUP}/team"


def object_labels(model: str, more: Mapping[str, str]) -> dict[str, str]:
    """Those that Kubernetes recommends, and `more`, with values as it takes them: 63 letters, digits, - _ . at most.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
    """
    recommended = {"app.kubernetes.io/name": "pressrun-model", "app.kubernetes.io/part-of": model}
    return {key: _value(value) for key, value in {**more, **recommended}.items()}


def _value(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:63].strip("-_.")
