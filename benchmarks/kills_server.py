"""The tests' tiny server, which ends with its supervisor as the real one does."""

import runpy
import sys
from pathlib import Path

from pressrun.serving.parent import die_with_parent

die_with_parent(int(sys.argv[sys.argv.index("--parent") + 1]))
runpy.run_path(
    str(Path(__file__).resolve().parent.parent / "tests" / "rollout" / "tiny_server.py"), run_name="__main__"
)
