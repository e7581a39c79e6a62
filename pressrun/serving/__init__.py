"""The model server: Open Inference Protocol v2 over HTTP, with a log of its predictions."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pressrun.serving.server import serve

__all__ = ["serve"]


def __getattr__(name: str) -> Any:
    """`serve` when it is asked for: who only fetches a bundle needs no HTTP server installed."""
    if name != "serve":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pressrun.serving.server import serve

    return serve
