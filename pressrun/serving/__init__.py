"""The model server: Open Inference Protocol v2 over HTTP, with a log of its predictions."""

from pressrun.serving.server import serve

__all__ = ["serve"]
