"""`pressrun check`, `schema`, `serve`, `supervise`, `try` and `demo`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from pressrun.cli.options import EnvironmentName, PipelineName, pipeline_of
from pressrun.cli.terminal import ExitCode, err, exit_code, out

Port = Annotated[int, typer.Option(min=1, max=65535)]


def check(
    pipelines: Annotated[list[str] | None, typer.Argument(help="names or paths; by default all there are")] = None,
    environment: EnvironmentName = None,
) -> None:
    """Tells all that is wrong with pipelines, their taxonomies, prompts and code, and the environment."""
    from pressrun.check import check_all
    from pressrun.config.load import pipeline_files

    problems = check_all(pipelines or (), environment)
    for problem in problems:
        err.print(str(problem), style="red", markup=False, highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(ExitCode.ERROR)
    names = pipelines or [file.stem for file in pipeline_files()]
    out.print(f"{', '.join(names) or 'no pipeline'}: nothing wrong", highlight=False)


def schema(
    folder: Annotated[Path | None, typer.Argument(help="where to; by default the config folder's schema/")] = None,
) -> None:
    """Writes JSON Schemas of the config files, for editors."""
    from pressrun.config.find import config_folder
    from pressrun.config.schema import write_schemas

    for file in write_schemas(folder or config_folder() / "schema"):
        out.print(str(file), highlight=False, soft_wrap=True)


def requirements(
    spark: Annotated[bool, typer.Option("--spark", help="for a stage that samples with Spark, too")] = False,
    job: Annotated[bool, typer.Option("--job", help="of Spark jobs elsewhere instead, for their image")] = False,
) -> None:
    """Prints what Pressrun needs in a stage's own environment, for the file that its lock is made from."""
    from pressrun.environments.needed import needed, needed_by_jobs

    for line in needed_by_jobs() if job else needed(spark=spark):
        print(line)


def serve(
    pipeline: PipelineName = None,
    version: Annotated[
        str | None, typer.Option(help="of the registered model; by default what the router serves, else the newest")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="a bundle's folder instead")] = None,
    host: str = "127.0.0.1",
    port: int = 8010,
    environment: EnvironmentName = None,
) -> None:
    """Serves one model: Open Inference Protocol v2, /metrics, /healthz and /readyz."""
    from pressrun.config.load import load_environment
    from pressrun.serving import serve as serve_bundle

    model, digest = pipeline_of(pipeline).model, None
    if bundle is None:
        from pressrun.cli.chosen import registered

        reference = registered(load_environment(environment), model, version)
        bundle, version, digest = Path(reference.bundle), reference.version, reference.digest
    err.print(f"{model} v{version or '0'} on http://{host}:{port}", style="dim", highlight=False)
    serve_bundle(bundle, host, port, model=model, version=version or "0", digest=digest)


def supervise(environment: EnvironmentName = None) -> None:
    """Runs the router and the model servers of this machine until stopped, and rolls candidates out and back."""
    from pressrun.config.load import load_environment
    from pressrun.rollout import supervise as supervise_rollouts

    place = load_environment(environment)
    serving = place.serving
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    err.print(f"router on http://{serving.host}:{serving.router_port}, until Ctrl-C", style="dim", highlight=False)
    supervise_rollouts(place)


def try_(
    pipeline: PipelineName = None,
    data: Annotated[
        Path | None, typer.Option(exists=True, help="your articles: folder or file; else PRESSRUN_DATA, else made-up")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="where all that is made goes, and stays between runs")] = None,
) -> None:
    """A first taste: articles to a gate verdict in this process; no Airflow, no server, no Java."""
    from pressrun.cli.tasting import show_taste

    verdict = show_taste(pipeline, data=data or _data_of_the_environment(), keep=keep)
    raise typer.Exit(exit_code(verdict) if verdict else ExitCode.ERROR)


def demo(
    exit: Annotated[bool, typer.Option("--exit", help="stop after the story, else run on until Ctrl-C")] = False,
    environment: Annotated[str, typer.Option(help="laptop, kubernetes, or s3 or gcs for the lake")] = "laptop",
    data: Annotated[
        Path | None, typer.Option(exists=True, help="your articles: folder or file; else PRESSRUN_DATA, else made-up")
    ] = None,
    airflow_port: Port = 8080,
    mlflow_port: Port = 5000,
    router_port: Port = 8000,
) -> None:
    """The whole stack on this machine and a story in five parts; what `make demo` runs."""
    from pressrun.demo import DemoOptions, Ports
    from pressrun.demo import demo as run_demo

    ports = Ports(airflow=airflow_port, mlflow=mlflow_port, router=router_port)
    found = data or _data_of_the_environment()
    run_demo(DemoOptions(data=found, ports=ports, exit=exit, environment=environment))


def _data_of_the_environment() -> Path | None:
    named = os.environ.get("PRESSRUN_DATA")
    return Path(named) if named else None
