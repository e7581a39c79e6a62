"""The real server with a stub instead of a bundle; the options are those of `python -m pressrun.serving`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import stub_bundle

import pressrun.bundle

pressrun.bundle.load_bundle = stub_bundle.StubBundle  # type: ignore[assignment]

from pressrun.serving.__main__ import main  # noqa: E402

main()
