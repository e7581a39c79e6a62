"""`python -m pressrun.simulator --nights 3 --out DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from pressrun.simulator.newsroom import Newsroom, Shift
from pressrun.simulator.simulate import simulate


def main() -> None:
    given = _parser().parse_args()
    shift = Shift(night=given.shift_at) if given.shift_at else None
    newsroom = Newsroom(seed=given.seed, nights=given.nights, articles_per_night=given.articles, shift=shift)
    for night in simulate(newsroom, out=given.out):
        print(f"night {night.night}: {newsroom.articles_per_night} synthetic articles in {night.articles}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pressrun.simulator", description="Writes a made-up newsroom.")
    parser.add_argument("--out", type=Path, required=True, help="folder for night-001.jsonl, ...")
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--articles", type=int, default=2000, help="a night")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--shift-at", type=int, default=None, help="night from which topics and stories change")
    return parser


if __name__ == "__main__":
    main()
