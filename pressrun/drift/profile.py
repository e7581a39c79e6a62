"""Evidently's part: which features drifted, and its report. Imported only when asked for: its import is slow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pressrun.drift.window import Window

# Distances instead of p-values: with thousands of rows every p-value is small, and rows on one article are not
# independent. 0.1 is Evidently's own threshold for both.
_METHODS = {"num_method": "wasserstein", "num_threshold": 0.1, "cat_method": "jensenshannon", "cat_threshold": 0.1}
_MARK = (
    '<p style="margin:0;padding:.6rem 1rem;background:#fff3cd;color:#664d03;font:15px system-ui,sans-serif">'
    "<b>synthetic articles</b>: made by the simulator, not by a newsroom</p>"
)
_OWN_COLUMNS = ("predicted topic", "confidence")


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The features compared, and by how much each moved; `drifted` are those beyond Evidently's threshold."""

    distances: Mapping[str, float]
    drifted: tuple[str, ...]

    @property
    def share(self) -> float:
        return len(self.drifted) / len(self.distances) if self.distances else 0.0


class Profiler(Protocol):
    """Compares two windows' features, and writes a report to `report` where one is wanted."""

    def __call__(self, reference: Window, current: Window, *, report: Path | None) -> Profile: ...


def evidently_profile(reference: Window, current: Window, *, report: Path | None = None) -> Profile:
    """Evidently's DataDriftPreset and DataSummaryPreset on features, predicted topic and confidence.

    The report is one HTML file that loads nothing. Nothing is sent to Evidently.
    """
    # Evidently reads it when it is imported.
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    names = _columns(reference, current)
    definition = DataDefinition(
        categorical_columns=["predicted topic"], numerical_columns=["confidence", *names.values()]
    )
    before, after = (
        Dataset.from_pandas(_frame(window, names), data_definition=definition) for window in (reference, current)
    )
    snapshot = Report([DataDriftPreset(**_METHODS), DataSummaryPreset()]).run(after, before)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        snapshot.save_html(str(report))
    return profile_of(snapshot.dict(), {shown: name for name, shown in names.items()})


def mark_synthetic(report: Path) -> None:
    """Says at the top of Evidently's report what it is about; Evidently itself has no place for it."""
    page = report.read_text(encoding="utf-8")
    report.write_text(page.replace("<body>", f"<body>{_MARK}", 1), encoding="utf-8")


def profile_of(result: Mapping[str, Any], features: Mapping[str, str]) -> Profile:
    """Reads Evidently's result; `features` maps a column of the report to the feature's name."""
    distances = {
        features[metric["config"]["column"]]: (float(metric["value"]), float(metric["config"]["threshold"]))
        for metric in result["metrics"]
        if metric["config"].get("type", "").endswith(":ValueDrift") and metric["config"]["column"] in features
    }
    return Profile(
        distances={name: distance for name, (distance, _) in distances.items()},
        drifted=tuple(sorted(name for name, (distance, threshold) in distances.items() if distance >= threshold)),
    )


def harmless(text: str) -> str:
    """Text for Evidently's report, which puts values into a script as they are: without what could end it."""
    return text.replace("<", "‹").replace(">", "›").replace("&", "+")[:80]


def _columns(reference: Window, current: Window) -> dict[str, str]:
    """The features that both windows have, each with its harmless, unique column name."""
    shared = [name for name in reference.features if name in current.features]
    varied = [name for name in shared if _known(reference, name) and _known(current, name)]
    names: dict[str, str] = {}
    for name in varied:
        shown = harmless(name)
        names[name] = f"{shown} {len(names)}" if shown in (*_OWN_COLUMNS, *names.values()) else shown
    return names


def _known(window: Window, name: str) -> bool:
    return bool(np.isfinite(window.features[name]).any())


def _frame(window: Window, names: Mapping[str, str]) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {
        "predicted topic": [harmless(label) for label in window.labels],
        "confidence": window.confidence,
    }
    return pd.DataFrame({**columns, **{shown: window.features[name] for name, shown in names.items()}})
