"""The assets that one model's loop makes and waits for; Airflow's asset graph draws the loop from them."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import Asset


@dataclass(frozen=True, kw_only=True)
class LoopAssets:
    """What moves round the loop of one model."""

    articles: Asset
    labels: Asset
    model: Asset
    champion: Asset
    drift: Asset


def loop_assets(model: str) -> LoopAssets:
    """The assets of `model`; DAG files that name the same model share them."""
    kinds = ("articles", "labels", "model", "champion", "drift")
    return LoopAssets(**{kind: _asset(model, kind) for kind in kinds})


def _asset(model: str, kind: str) -> Asset:
    return Asset(name=f"{model}/{kind}", uri=f"pressrun://{model}/{kind}", group="pressrun")
