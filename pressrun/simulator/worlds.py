"""The made-up worlds by name: nothing happens, one thing happens, or a year in which all of it does."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pressrun.simulator.events import (
    BadSource,
    BotWave,
    Breaking,
    Calendar,
    Feed,
    Redesign,
    Season,
    Volume,
    Wave,
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What happens in a newsroom, and how many `nights` show it; `purpose` is one line for people.

    `examination` is each position's chance to be looked at, top first: its length is the page's.
    """

    name: str
    purpose: str
    nights: int = 1
    examination: tuple[float, ...] = (0.9, 0.7, 0.5, 0.35, 0.25)
    calendar: Calendar = field(default_factory=Calendar)
    writing: Volume = field(default_factory=Volume)
    visits: Volume = field(default_factory=Volume)
    breaking: tuple[Breaking, ...] = ()
    redesign: Redesign | None = None
    bots: BotWave | None = None
    bad_source: BadSource | None = None
    feed: Feed = field(default_factory=Feed)

    def examined(self, night: int) -> tuple[float, ...]:
        """Each position's chance to be looked at, on that night's pages."""
        return self.redesign.examination if self.redesign and night >= self.redesign.night else self.examination

    def section(self, name: str, night: int) -> str:
        """What that night calls a section."""
        return self.redesign.sections.get(name, name) if self.redesign and night >= self.redesign.night else name


_CALENDAR = Calendar(
    weekdays={
        "World": (1.05, 1.05, 1.05, 1.05, 1.0, 0.9, 0.9),
        "Sports": (0.9, 0.8, 0.85, 0.85, 0.95, 1.5, 1.6),
        "Business": (1.15, 1.2, 1.2, 1.2, 1.1, 0.5, 0.45),
        "Sci/Tech": (1.05, 1.1, 1.1, 1.1, 1.0, 0.75, 0.7),
    },
    waves={"World": Wave(height=0.1, peak=20), "Sports": Wave(height=0.15, peak=190)},
    seasons=(
        Season(topic="Sports", first=(2, 6), last=(2, 22), factor=1.6, beat="olympics"),
        Season(topic="Sports", first=(6, 11), last=(7, 19), factor=2.0, beat="football"),
        Season(topic="World", first=(10, 13), last=(11, 8), factor=1.8, beat="elections"),
        Season(topic="Business", first=(1, 12), last=(2, 5), factor=1.3, beat="earnings"),
        Season(topic="Business", first=(4, 13), last=(5, 5), factor=1.3, beat="earnings"),
        Season(topic="Business", first=(7, 13), last=(8, 5), factor=1.3, beat="earnings"),
        Season(topic="Business", first=(10, 13), last=(11, 5), factor=1.3, beat="earnings"),
        Season(topic="Sci/Tech", first=(9, 1), last=(9, 25), factor=1.5, beat="gadgets"),
        Season(topic="Business", first=(12, 22), last=(1, 3), factor=0.5),
    ),
)
# fmt: off
_WRITING = Volume(
    weekdays=(1.1, 1.15, 1.15, 1.15, 1.05, 0.7, 0.7),
    hours=(2, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 8, 8, 8, 8, 8, 8, 8, 7, 6, 5, 4, 4, 3),
)
_VISITS = Volume(
    weekdays=(1.1, 1.05, 1.05, 1.05, 1.0, 0.85, 0.9),
    hours=(3, 2, 1, 1, 1, 2, 5, 9, 10, 8, 7, 7, 9, 8, 6, 6, 6, 7, 8, 9, 10, 10, 8, 5),
)
# fmt: on
_SECTIONS = {
    "world": "international",
    "politics": "government",
    "business": "money",
    "markets": "money",
    "sports": "sport",
    "technology": "tech",
    "science": "planet",
    "home": "front",
}
_LONGER_PAGE = (0.95, 0.86, 0.74, 0.62, 0.5, 0.4, 0.32, 0.26)
_QUAKE = Breaking(name="quake", night=10, beat="undersea_quake", share=0.4, half_life_hours=18)
_BREACH = Breaking(name="breach", night=17, beat="ledger_breach", share=0.3, half_life_hours=8)

STEADY = World(name="steady", purpose="nothing happens: every night is like any other; the baseline")
_WORLDS = (
    STEADY,
    World(
        name="seasons",
        purpose="topics come and go with weekdays, elections and tournaments: drift that is no fault",
        nights=365,
        calendar=_CALENDAR,
        writing=_WRITING,
        visits=_VISITS,
    ),
    World(
        name="breaking",
        purpose="two stories nobody foresaw take over for a day or two: models that meet what they never learnt",
        nights=28,
        breaking=(_QUAKE, _BREACH),
    ),
    World(
        name="redesign",
        purpose="from night 15 on sections have other names and pages are longer: inputs change meaning",
        nights=28,
        redesign=Redesign(night=15, sections=_SECTIONS, examination=_LONGER_PAGE),
    ),
    World(
        name="bots",
        purpose="from night 15 to 19 programs click at random: clicks that say nothing",
        nights=28,
        bots=BotWave(first=15, last=19),
    ),
    World(
        name="bad_source",
        purpose="from night 15 on one source mislabels, copies and baits: a source to find and to withdraw",
        nights=28,
        bad_source=BadSource(source="courier", night=15),
    ),
    World(
        name="outages",
        purpose="no feed on nights 8 and 19, and some articles a night late: freshness, and nights with nothing new",
        nights=28,
        feed=Feed(outages=(8, 19), late=0.03),
    ),
    World(
        name="year",
        purpose="a year in which all of it happens",
        nights=365,
        calendar=_CALENDAR,
        writing=_WRITING,
        visits=_VISITS,
        breaking=(
            replace(_QUAKE, night=52),
            replace(_BREACH, night=131),
            Breaking(name="strike", night=214, beat="orbital_strike", share=0.35, half_life_hours=36),
            Breaking(name="verdict", night=330, beat="stadium_verdict", share=0.25, half_life_hours=12),
        ),
        redesign=Redesign(night=105, sections=_SECTIONS, examination=_LONGER_PAGE),
        bots=BotWave(first=240, last=249),
        bad_source=BadSource(source="courier", night=275),
        feed=Feed(outages=(75, 301), late=0.01),
    ),
)
WORLDS = {world.name: world for world in _WORLDS}


def world_named(name: str) -> World:
    """The world of that name. Raises ValueError with all worlds there are, a line each."""
    if name in WORLDS:
        return WORLDS[name]
    lines = "\n".join(f"  {world.name:<11} {world.purpose}" for world in _WORLDS)
    raise ValueError(f"there is no world {name!r}; choose one of\n{lines}")
