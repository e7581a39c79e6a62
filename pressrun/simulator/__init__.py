"""A newsroom made up from a seed, for trying Pressrun without articles of one's own. All of it is marked synthetic."""

from pressrun.simulator.newsroom import Newsroom, Shift, SimulatedArticle
from pressrun.simulator.simulate import SimulatedNight, nights_of, simulate, write_night
from pressrun.simulator.words import TOPICS
from pressrun.simulator.worlds import WORLDS, World, world_named
from pressrun.simulator.writing import articles_of

__all__ = [
    "TOPICS",
    "WORLDS",
    "Newsroom",
    "Shift",
    "SimulatedArticle",
    "SimulatedNight",
    "World",
    "articles_of",
    "nights_of",
    "simulate",
    "world_named",
    "write_night",
]
