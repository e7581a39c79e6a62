"""`pressrun doctor`: whether all that the first run needs is there."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pressrun.cli.options import EnvironmentName, PipelineName
from pressrun.cli.stages import quiet
from pressrun.cli.terminal import ExitCode, err, out

if TYPE_CHECKING:
    from pressrun.config.pipeline import Pipeline
    from pressrun.doctor import Found

_SIGNS = {"good": "[green]✓[/]", "doubt": "[yellow]![/]", "bad": "[red]✗[/]", "skipped": "[dim]–[/]"}


def doctor(
    pipeline: PipelineName = None,
    only: Annotated[
        list[str] | None, typer.Option(help="an area, such as lake or kubernetes; may be given again")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
    environment: EnvironmentName = None,
) -> None:
    """Looks at connections, permissions, versions and quotas before the first run, and says what to mend."""
    from pressrun.config.load import load_environment
    from pressrun.doctor import examine
    from pressrun.doctor.examine import LOOKS

    if unknown := [area for area in only or () if area not in LOOKS]:
        raise ValueError(f"there is no area {unknown[0]!r}; there are: {', '.join(LOOKS)}")
    quiet()
    place, found = load_environment(environment), []
    with err.status("looking"):
        for one in examine(place, _pipelines(pipeline), only=only or ()):
            found.append(one)
            print(json.dumps(asdict(one))) if as_json else _tell(one)
    wrong = sum(one.state == "bad" for one in found)
    if not as_json:
        said = f"{wrong} of {len(found)} stand in the way" if wrong else "nothing stands in the way"
        out.print(f"{place.name}: {said}", style="bold", highlight=False)
    if wrong:
        raise typer.Exit(ExitCode.ERROR)


def _tell(one: Found) -> None:
    out.print(
        f"{_SIGNS[one.state]} {one.area:<11}{escape(one.what)}: {escape(one.words)}", highlight=False, soft_wrap=True
    )
    if one.remedy:
        out.print(f"  {'':<11}→ {escape(one.remedy)}", highlight=False, soft_wrap=True)


def _pipelines(name: str | None) -> list[Pipeline]:
    """All there are, unless one is named."""
    from pressrun.config.load import load_pipeline, pipeline_files

    return [load_pipeline(name)] if name else [load_pipeline(file) for file in pipeline_files()]
