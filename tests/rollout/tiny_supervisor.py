"""The real supervisor with tiny servers, or with `whole` after the environment's file with real ones."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pressrun.config.environment import Environment
from pressrun.rollout.supervisor import supervise

logging.basicConfig(level=logging.INFO)
SERVER = Path(__file__).parent / "tiny_server.py"
given = {} if "whole" in sys.argv else {"command": (sys.executable, str(SERVER))}
supervise(Environment.model_validate_json(Path(sys.argv[1]).read_text()), **given)
