from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from fakes import context

import pressrun.rollout
from operators.reconcile import ReconcileOperator
from pressrun.registry import RegistryError


def reconciled(monkeypatch: pytest.MonkeyPatch, *moved: str, error: Exception | None = None) -> Any:
    def reconcile(environment: Any, model: str) -> tuple[str, ...]:
        assert model == "topics"
        if error:
            raise error
        return moved

    monkeypatch.setattr(pressrun.rollout, "reconcile_aliases", reconcile)
    return ReconcileOperator(task_id="reconcile", pipeline="topics").execute(context("reconcile"))


def test_it_hands_on_what_it_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    result = reconciled(monkeypatch, "champion v1 → v2", "candidate v2 → none")
    assert result["facts"] == {"moved": "champion v1 → v2, candidate v2 → none"}
    assert reconciled(monkeypatch)["facts"] == {}


def test_it_is_skipped_while_mlflow_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowSkipException, match=r"stay as they are until the next run: MLflow at http://x"):
        reconciled(monkeypatch, error=RegistryError("MLflow at http://x does not answer"))
