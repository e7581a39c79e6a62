"""By which policy a verdict was judged."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def policy_digest(policy: BaseModel) -> str:
    """SHA-256 of the policy as canonical JSON: what a verdict was judged by."""
    text = json.dumps(policy.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
