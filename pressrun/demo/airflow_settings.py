"""Airflow for one machine: settings that are light on two cores and listen on the loopback address alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HOST = "127.0.0.1"
USER = "admin"
_PASSWORDS = "simple_auth_manager_passwords.json.generated"


def airflow_environment(home: Path, port: int, dags: Path, plugins: Path, *, parallelism: int = 2) -> dict[str, str]:
    """The environment variables of an Airflow with its own `home` (SQLite, LocalExecutor) and its API on `port`."""
    settings = {
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__PLUGINS_FOLDER": str(plugins),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": str(parallelism),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / _PASSWORDS),
        # Tasks call the API server under this address; it must be the port it really has.
        "CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "API__HOST": HOST,
        "API__PORT": str(port),
        "API__BASE_URL": f"http://localhost:{port}",
        "API__WORKERS": "1",
        "API__EXPOSE_CONFIG": "False",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # A changed pipeline file is seen after this many seconds; each look costs a process.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "60",
        # On a busy small machine an import may take far longer than the default allows.
        "CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "600",
        "TRIGGERER__RUNNER_HEALTH_CHECK_THRESHOLD": "120",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "LOGGING__LOGGING_LEVEL": "INFO",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
    return {"AIRFLOW_HOME": str(home), "PATH": tools, **named}


def airflow_command() -> list[str]:
    """What to run, with `airflow_environment`, for a whole Airflow in one process tree that ends with its root."""
    return [sys.executable, "-m", "pressrun.demo.airflow_components"]


def airflow_login(home: Path) -> tuple[str, str]:
    """User and generated password. Raises FileNotFoundError before the API server has made them."""
    passwords: dict[str, str] = json.loads((home / _PASSWORDS).read_text())
    return USER, passwords[USER]
