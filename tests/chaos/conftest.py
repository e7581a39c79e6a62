"""The small night of `tests.loop`, to go on from."""

from tests.loop.conftest import contents, small, stations

__all__ = ["contents", "small", "stations"]
