"""Where config lies: `PRESSRUN_CONFIG`, else `./config`, else what came with the package."""

from __future__ import annotations

import os
from pathlib import Path

import pressrun
from pressrun.config.explain import near_miss
from pressrun.config.problems import ConfigError, Problem, shown_path

_PACKAGE = Path(pressrun.__file__).parent


def config_folder() -> Path:
    """The folder with pipelines/, environments/, taxonomies/ and prompts/, absolute."""
    named = os.environ.get("PRESSRUN_CONFIG")
    if named:
        return _existing(Path(named))
    local = Path.cwd() / "config"
    if (local / "pipelines").is_dir():
        return local
    return packaged_config()


def packaged_config() -> Path:
    """The config that ships with Pressrun: beside the package in a checkout, inside it in a wheel."""
    inside = _PACKAGE / "_config"
    return inside if inside.is_dir() else _PACKAGE.parent / "config"


def default_home() -> Path:
    """`PRESSRUN_HOME`; else `.pressrun` beside the config folder, in the home folder for packaged config."""
    named = os.environ.get("PRESSRUN_HOME")
    if named:
        return Path(named).expanduser().absolute()
    config = config_folder()
    return (Path.home() if config.parent == _PACKAGE else config.parent) / ".pressrun"


def find_config(kind: str, name_or_path: str | Path) -> Path:
    """The file of `kind` ("pipelines", "environments") that a name or a path means.

    Raises ConfigError that lists what there is.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        typed = Path(text).expanduser().absolute()
        return typed if typed.exists() else resolve_path(text)
    folder = config_folder() / kind
    file = folder / f"{text}.yaml"
    if file.is_file():
        return file
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    reason = f"there is no {text}.yaml in {shown_path(folder)}; there are: {', '.join(known) or 'none'}"
    raise ConfigError([Problem(reason=reason, suggestion=near_miss(text, known))])


def resolve_path(text: str | Path) -> Path:
    """A path named in a config file: absolute, or below the config folder's parent, the config or working folder.

    The config folder comes first: a copy of it that PRESSRUN_CONFIG names is read whole, wherever one stands.
    """
    path = Path(text).expanduser()
    if path.is_absolute():
        return path
    config = config_folder()
    # Files name config/..., whatever the folder is called: inside a wheel it is _config.
    if path.parts[:1] == ("config",) and config.joinpath(*path.parts[1:]).exists():
        return config.joinpath(*path.parts[1:])
    bases = (config.parent, config, Path.cwd())
    return next((base / path for base in bases if (base / path).exists()), Path.cwd() / path)


def similar_file(text: str | Path) -> str | None:
    """The file that `text` was probably meant to name, written as `text` is."""
    path, config = Path(text).expanduser(), config_folder()
    for base in (Path.cwd(), config.parent, config):
        names = [file.name for file in (base / path.parent).glob("*") if file.is_file()]
        if found := near_miss(path.name, names):
            return str(Path(text).with_name(found))
    return None


def _existing(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    if folder.is_dir():
        return folder
    raise ConfigError([Problem(key="PRESSRUN_CONFIG", value=str(folder), reason="there is no such folder")])
