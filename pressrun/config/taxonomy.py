"""A taxonomy: the topics that labels are drawn from, with what the labelers know of each."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pressrun.config.explain import wrong_at


class Topic(BaseModel):
    """One topic. `codes` are other spellings in the user's data; `seeds` tell a static labeler what it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    description: str = ""
    codes: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()


class Taxonomy(BaseModel):
    """`version` stands on every label; change it when a topic's meaning changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    topics: tuple[Topic, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Taxonomy:
        owners: dict[str, int] = {}
        for index, topic in enumerate(self.topics):
            places = [("name",), *(("codes", i) for i in range(len(topic.codes)))]
            for place, spelling in zip(places, (topic.name, *topic.codes), strict=True):
                owner = owners.setdefault(spelling, index)
                if owner != index:
                    reason = f"topics[{owner}] has it already; names and codes tell topics apart, so change one"
                    raise wrong_at("topics", index, *place, reason=reason)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(topic.name for topic in self.topics)

    def resolve(self, spelling: str) -> str | None:
        """The topic's name for its name or one of its codes, else None."""
        for topic in self.topics:
            if spelling == topic.name or spelling in topic.codes:
                return topic.name
        return None
