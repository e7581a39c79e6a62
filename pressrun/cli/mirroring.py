"""`pressrun mirror`: the lake on another cloud, or at home."""

from __future__ import annotations

from typing import Annotated

import typer

from pressrun.cli.keeping import progress_bar
from pressrun.cli.options import EnvironmentName, pipeline_of
from pressrun.cli.terminal import out


def mirror(
    to: Annotated[str, typer.Option(help="a lake's root (s3://, gs://, a folder), or an environment by its name")],
    table: Annotated[list[str] | None, typer.Option(help="only this table, and the manifests; may be repeated")] = None,
    pipeline: Annotated[str | None, typer.Option(help="only this pipeline, a name in config/pipelines")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="a storage option of that root; may be repeated")
    ] = None,
    environment: EnvironmentName = None,
) -> None:
    """Copies the lake's finished steps to another lake: only what is not there yet, each file held against its digest.

    It can be stopped at any time and run again. Readers at the far side see whole steps only.
    """
    from pressrun.cli.stages import quiet
    from pressrun.config.load import load_environment
    from pressrun.upkeep.mirroring import in_words, mirror_to

    quiet()
    model = pipeline_of(pipeline).model if pipeline else None
    with progress_bar() as progress:
        done = mirror_to(
            load_environment(environment),
            to,
            pipeline=model,
            tables=table or (),
            storage_options=dict(_pair(text) for text in option or ()),
            progress=progress,
        )
    for line in in_words(done):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--option {text}: write it as KEY=VALUE, such as aws_region=eu-west-1")
    return name, value
