"""The model page, a tab in Airflow: champion and candidate, lineage, what changed, verdicts; and the reports.

Everything is rendered here on the server. Reports are made from articles and models, which nobody vouches for, so they
are served into a sandbox: their scripts may draw, but not act as the user who looks at them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import AccessView, requires_access_view  # type: ignore[attr-defined]
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi import Path as FromPath
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment as Jinja
from jinja2 import FileSystemLoader
from markupsafe import Markup

from pressrun.config.environment import Environment
from pressrun.config.load import load_environment, load_pipeline, pipeline_files
from pressrun.config.pipeline import Pipeline
from pressrun.config.problems import ConfigError
from pressrun.links import PAGES, mlflow_run_url, report_url
from pressrun.verdict import Verdict

KINDS = {".html": "text/html", ".png": "image/png", ".svg": "image/svg+xml", ".json": "application/json"}
_STRICT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; form-action 'none'"
_SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "style-src 'unsafe-inline' data:; img-src data: blob:; font-src data:; worker-src blob:; frame-ancestors 'self'"
)
_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

Model = Annotated[str, FromPath(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
app = FastAPI(
    title="Pressrun", docs_url=None, redoc_url=None, openapi_url=None,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)  # fmt: skip
_jinja = Jinja(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)


@app.get("/", response_class=HTMLResponse)
def models() -> Response:
    """Every model; a single one is shown at once."""
    names = sorted(_pipelines())
    if len(names) == 1:
        return RedirectResponse(f"{PAGES}/models/{names[0]}")
    return _page("models.html", names=names, pages=PAGES)


@app.get("/models/{model}", response_class=HTMLResponse)
def model_page(model: Model) -> HTMLResponse:
    """The page of one model."""
    from pressrun.overview import overview

    environment, pipeline = load_environment(), _pipeline(model)
    seen = overview(environment, pipeline)
    return _page("model.html", seen=seen, **_helpers(environment, model))


@app.get("/dags/{dag_id}", response_class=HTMLResponse)
def dag_page(dag_id: Annotated[str, FromPath(max_length=250)]) -> Response:
    """The page of the DAG's model, for the tab on a DAG."""
    model = next((name for name in _pipelines() if dag_id.rpartition("_")[0] == name), None)
    if model is None:
        return _page("models.html", names=sorted(_pipelines()), pages=PAGES)
    return RedirectResponse(f"{PAGES}/models/{model}")


@app.get("/rollouts/{model}", response_class=HTMLResponse)
def rollout_page(model: Model) -> HTMLResponse:
    """The rollout of one model as its controller shows it; refreshes itself."""
    from pressrun.rollout import status
    from pressrun.rollout.page import render_page

    record = status(load_environment(), _pipeline(model).model)
    if record is None:
        raise HTTPException(404, f"{model} has had no rollout yet")
    return HTMLResponse(render_page(record), headers={**_COMMON, "Content-Security-Policy": _STRICT})


@app.get("/reports/{path:path}")
def report(path: str) -> FileResponse:
    """A report below the environment's reports folder, and nothing else."""
    file = contained(load_environment().home / "reports", path)
    headers = {**_COMMON, "Content-Security-Policy": _SANDBOX}
    return FileResponse(file, media_type=KINDS[file.suffix], headers=headers)


def contained(folder: Path, path: str) -> Path:
    """The file at `path` below `folder`. Raises HTTPException 404 for anything else, links out of it included."""
    root = folder.resolve()
    file = (root / path).resolve() if "\0" not in path else root
    if not file.is_relative_to(root) or file.suffix not in KINDS or not file.is_file():
        raise HTTPException(404, "there is no such report")
    return file


def _pipelines() -> dict[str, Path]:
    """The pipeline files that can be read, by model; what is wrong with others is told as their DAGs' import error."""
    found = {}
    for file in pipeline_files():
        try:
            found[load_pipeline(file).model] = file
        except ConfigError:
            continue
    return found


def _pipeline(model: str) -> Pipeline:
    file = _pipelines().get(model)
    if file is None:
        raise HTTPException(404, f"no pipeline file names the model {model}")
    return load_pipeline(file)


def _page(template: str, **values: Any) -> HTMLResponse:
    html = _jinja.get_template(template).render(**values)
    return HTMLResponse(html, headers={**_COMMON, "Content-Security-Policy": _STRICT})


def _helpers(environment: Environment, model: str) -> dict[str, Any]:
    return {
        "age": age,
        "is_over": lambda at: at <= datetime.now(UTC),
        "verdict_html": _verdict_html,
        "report_url": lambda path: report_url(environment, path) if path else "",
        "mlflow_url": lambda run: mlflow_run_url(environment, run) if run else "",
        "task_url": lambda key: task_url(environment, key) if key else "",
        "rollout_url": f"{PAGES}/rollouts/{quote(model)}",
    }


def _verdict_html(verdict: Verdict) -> Markup:
    from pressrun.verdict.render import to_html

    return Markup(to_html(verdict))  # noqa: S704


def task_url(environment: Environment, step_key: str) -> str:
    """The page in Airflow of the task that made a step."""
    run, task, _ = step_key.rsplit("/", 2)
    dag_id, _, run_id = run.partition("/")
    return f"{environment.airflow_url.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id)}/tasks/{quote(task)}"


def age(at: datetime | None) -> str:
    """How long ago, in words."""
    if at is None:
        return "unknown"
    minutes = int((datetime.now(UTC) - at).total_seconds() // 60)
    for size, word in ((1440, "d"), (60, "h")):
        if minutes >= size:
            return f"{minutes // size} {word} ago"
    return f"{minutes} min ago" if minutes else "just now"


class PressrunPlugin(AirflowPlugin):
    """The tab on the left, and one on each DAG."""

    name = "pressrun"
    fastapi_apps: list[Any] = [  # noqa: RUF012
        {"app": app, "url_prefix": PAGES, "name": "Pressrun"}
    ]
    external_views: list[Any] = [  # noqa: RUF012
        {"name": "Models", "href": f"{PAGES}/", "destination": "nav", "category": "browse", "url_route": "pressrun"},
        {"name": "Model", "href": PAGES + "/dags/{DAG_ID}", "destination": "dag", "url_route": "pressrun_model"},
    ]
