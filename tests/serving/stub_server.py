"""The real server with a stub instead of a bundle: `python stub_server.py FOLDER ...` as `python -m pressrun.serving`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import stub_bundle  # noqa: E402

import pressrun.bundle  # noqa: E402

pressrun.bundle.load_bundle = stub_bundle.StubBundle  # type: ignore[assignment]

from pressrun.serving.__main__ import main  # noqa: E402

main()
