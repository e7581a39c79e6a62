"""Where a pipeline runs: `config/environments/*.yaml`. A pipeline file never names a place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pressrun.config.redact import without_userinfo


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LakeRoot(_Section):
    root: str
    storage_options: dict[str, str] = Field(default_factory=dict)


class Spark(_Section):
    engine: Literal["spark", "duckdb"] = "spark"
    master: str = "local[2]"
    driver_memory: str = "1g"
    conf: dict[str, str] = Field(default_factory=dict)


class Mlflow(_Section):
    """`tracking_uri` may sign in, as http://user:password@host; `shown_uri` is what links and messages say."""

    tracking_uri: str
    ui_url: str | None = Field(default=None, description="where people's browsers reach it, if by another address")

    @property
    def shown_uri(self) -> str:
        return without_userinfo(self.ui_url or self.tracking_uri)

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password of a server's `tracking_uri`; None where it names none."""
        parts = urlsplit(self.tracking_uri)
        if parts.scheme not in ("http", "https") or not parts.username or not parts.password:
            return None
        return unquote(parts.username), unquote(parts.password)


class Serving(_Section):
    """The local rollout target: a router in front of one server process an arm."""

    host: str = "127.0.0.1"
    router_port: int = 8000
    arm_ports: tuple[int, int] = Field(default=(8010, 8029), description="first and last port that arms may take")


class Environment(_Section):
    """`home` holds what is local: the lake of a laptop, the operational database, rollout records, reports."""

    name: str
    home: Path
    lake: LakeRoot
    database: str = Field(description="SQLAlchemy URL of the operational database")
    landing: str = Field(description="new articles are in <landing>/<model>/, unless articles.read.path is set")
    mlflow: Mlflow
    spark: Spark = Spark()
    serving: Serving = Serving()
    # Only ever shown, never asked: whom it signs in would be in every link.
    airflow_url: Annotated[str, AfterValidator(without_userinfo)] = "http://localhost:8080"
    slack_url: str | None = Field(default=None, description="another base URL of Slack's Web API")
