"""A taxonomy: the topics that labels are drawn from, with what the labelers know of each."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
        spellings = [s for t in self.topics for s in {t.name, *t.codes}]
        repeated = sorted({s for s in spellings if spellings.count(s) > 1})
        if repeated:
            raise ValueError(f"topic names and codes must be unique, repeated: {', '.join(repeated)}")
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
