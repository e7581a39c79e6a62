"""`python -m pressrun.cli`: the same as `pressrun`."""

from pressrun.cli import app

app()
