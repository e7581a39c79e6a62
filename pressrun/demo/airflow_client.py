"""A small client of Airflow's REST API: log in, trigger a run, watch it, read its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

ENDED = ("success", "failed")
TRIES, PAUSE_SECONDS = 6, 2.0
_ITS_LOG = " Its log is logs/airflow.log of the demo's home; run the demo again."


class AirflowError(RuntimeError):
    """Airflow refused or did not answer in time; the message says what was asked and what came back."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task of a run; `state` is None before it is scheduled."""

    task_id: str
    state: str | None
    try_number: int
    seconds: float | None


Watch = Callable[[str, list[TaskState]], None]


class AirflowClient:
    """Talks to `url` as `user`; a token is fetched when it is first needed, and again when it has run out."""

    def __init__(self, url: str, user: str, password: str, *, timeout: float = 60.0) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=timeout)
        self._login = {"username": user, "password": password}
        self._token: str | None = None

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at `/api/v2/<path>`."""
        return self._ask("GET", f"/api/v2/{path}", params=params).json()

    def page(self, path: str) -> httpx.Response:
        """Any page of the server, as the logged-in user, such as a plugin's."""
        return self._ask("GET", path)

    def dags(self) -> list[str]:
        """The ids of all DAGs that Airflow knows."""
        return [dag["dag_id"] for dag in self.get("dags", limit=200)["dags"]]

    def import_errors(self) -> list[str]:
        """What is wrong with DAG files, as Airflow shows it."""
        return [error["stack_trace"] for error in self.get("importErrors")["import_errors"]]

    def wait_for_dags(self, *dag_ids: str, patience: float = 300) -> None:
        """Waits until Airflow has read the DAGs. Raises AirflowError naming those that are missing."""
        end = time.monotonic() + patience
        while missing := sorted(set(dag_ids) - set(self.dags())):
            if time.monotonic() > end:
                raise AirflowError(
                    f"Airflow has not read {', '.join(missing)} in {patience:.0f} s: {self.import_errors()}"
                )
            time.sleep(1)

    def trigger(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, run_id: str | None = None) -> str:
        """Starts a run with `conf` laid over the DAG's params; returns its id."""
        # With an id of its own a request that is sent again finds the run that the first one made.
        named = run_id or f"manual__{datetime.now(UTC).isoformat()}"
        body = {"logical_date": None, "conf": dict(conf or {}), "dag_run_id": named}
        answer = self._send("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", json=body)
        return named if answer.status_code == 409 else str(_checked(answer).json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The run as Airflow tells it; `state` is queued, running, success or failed."""
        found: dict[str, Any] = self.get(_run_path(dag_id, run_id))
        return found

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's newest runs, the newest first."""
        found: list[dict[str, Any]] = self.get(f"dags/{quote(dag_id)}/dagRuns", order_by="-run_after", limit=50)[
            "dag_runs"
        ]
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Where every task of the run stands."""
        return [_task(row) for row in self.get(f"{_run_path(dag_id, run_id)}/taskInstances")["task_instances"]]

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """The state of every task of the run; "none" before it is scheduled."""
        return {task.task_id: task.state or "none" for task in self.tasks(dag_id, run_id)}

    def wait(
        self, dag_id: str, run_id: str, *, patience: float = 900, poll: float = 1.0, watch: Watch | None = None
    ) -> str:
        """Waits for the run's end and returns its state; `watch` sees the tasks at every look. Raises AirflowError."""
        end = time.monotonic() + patience
        while True:
            state = str(self.run(dag_id, run_id)["state"])
            if watch:
                watch(state, self.tasks(dag_id, run_id))
            if state in ENDED:
                return state
            if time.monotonic() > end:
                raise AirflowError(f"{dag_id} {run_id} is still {state} after {patience:.0f} s")
            time.sleep(poll)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What the task handed on; None when there is nothing."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        answer = self._send("GET", f"/api/v2/{path}", params={"deserialize": True})
        return None if answer.status_code == 404 else _checked(answer).json()["value"]

    def links(self, dag_id: str, run_id: str, task_id: str) -> dict[str, str]:
        """The task's buttons: name and address, those that lead somewhere."""
        found = self.get(f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/links")["extra_links"]
        return {name: url for name, url in found.items() if url}

    def log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """The log of one try as text, a line an event."""
        content = self.get(f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{try_number}")["content"]
        return "\n".join(_log_line(event) for event in content)

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clears the task and all that comes after it, so that they run again."""
        body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True}
        body |= {"only_failed": False, "reset_dag_runs": True}
        self._ask("POST", f"/api/v2/dags/{quote(dag_id)}/clearTaskInstances", json=body)

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return _checked(self._send(method, path, **request))

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Sends again what a busy server failed at: on one machine its SQLite is often locked for a moment.

        Every request here may be sent twice. Raises AirflowError when the last one gets no answer at all.
        """
        for _ in range(TRIES - 1):
            with suppress(httpx.TransportError):
                answer = self._send_once(method, path, **request)
                if answer.status_code < 500:
                    return answer
            time.sleep(PAUSE_SECONDS)
        try:
            return self._send_once(method, path, **request)
        except httpx.TransportError as error:
            raise AirflowError(f"Airflow does not answer {method} {path} ({error}).{_ITS_LOG}") from error

    def _send_once(self, method: str, path: str, **request: Any) -> httpx.Response:
        answer = self._http.request(method, path, headers=self._headers(), **request)
        if answer.status_code == 401:
            self._token = None
            answer = self._http.request(method, path, headers=self._headers(), **request)
        return answer

    def _headers(self) -> dict[str, str]:
        if self._token is None:
            self._token = str(_checked(self._http.post("/auth/token", json=self._login)).json()["access_token"])
        return {"Authorization": f"Bearer {self._token}", "Accept": "application/json, text/html"}


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    asked = f"{answer.request.method} {answer.request.url.path}"
    again = _ITS_LOG if answer.status_code >= 500 else ""
    raise AirflowError(f"Airflow answered {answer.status_code} to {asked}: {answer.text[:300]}{again}")


def _run_path(dag_id: str, run_id: str) -> str:
    return f"dags/{quote(dag_id)}/dagRuns/{quote(run_id)}"


def _task(row: Mapping[str, Any]) -> TaskState:
    return TaskState(
        task_id=row["task_id"], state=row["state"], try_number=row["try_number"], seconds=row.get("duration")
    )


def _log_line(event: Mapping[str, Any] | str) -> str:
    if isinstance(event, str):
        return event
    errors = [f"{e.get('exc_type')}: {e.get('exc_value')}" for e in event.get("error_detail") or ()]
    return " ".join([str(event.get("event", "")), *errors])
