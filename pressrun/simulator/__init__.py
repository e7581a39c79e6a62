"""A newsroom made up from a seed, for trying Pressrun without articles of one's own. All of it is marked synthetic."""

from pressrun.simulator.newsroom import Newsroom, Shift, SimulatedArticle, articles_of
from pressrun.simulator.readers import SimulatedImpression, impressions_of
from pressrun.simulator.simulate import SimulatedNight, simulate, write_night
from pressrun.simulator.words import TOPICS

__all__ = [
    "TOPICS",
    "Newsroom",
    "Shift",
    "SimulatedArticle",
    "SimulatedImpression",
    "SimulatedNight",
    "articles_of",
    "impressions_of",
    "simulate",
    "write_night",
]
