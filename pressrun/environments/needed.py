"""What Pressrun itself needs to run a stage, for the file that a lock is made from: no Airflow, none of its pins."""

from __future__ import annotations

from importlib.metadata import requires

from packaging.requirements import Requirement

# Of Pressrun's requirements, those of the stages that may have an environment of their own.
_NEEDED = (
    "deltalake",
    "duckdb",
    "filelock",
    "genai-prices",
    "httpx",
    "jinja2",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "numpy",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-sdk",
    "pandas",
    "psutil",
    "psycopg2-binary",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scikit-learn",
    "scipy",
    "sqlalchemy",
    "tokenizers",
    "wordllama",
)
# Where a pipeline samples with Spark in such an environment.
_SPARK = ("pyspark",)


def needed(*, spark: bool = False) -> list[str]:
    """One requirement a line, as `pip` reads them, with the bounds that Pressrun has been tested at."""
    wanted = {*_NEEDED, *(_SPARK if spark else ())}
    found = [Requirement(line) for line in requires("pressrun") or []]
    return sorted(str(one) for one in found if one.name in wanted and one.marker is None)
