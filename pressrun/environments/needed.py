"""What Pressrun needs to run a stage or a Spark job elsewhere, for a lock or an image: no Airflow, none of its pins.

These lists are the only ones: pages name the command that prints them.
"""

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
    "mmh3",
    "msgspec",
    "numpy",
    "onnx",
    "onnxruntime",
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
# Of the driver and executors of a Spark job elsewhere, whose platform has Spark.
_JOB = (
    "deltalake",
    "msgspec",
    "numpy",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-sdk",
    "pandas",
    "psutil",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scipy",
    "sqlalchemy",
    "tokenizers",
    "wordllama",
)


def needed(*, spark: bool = False) -> list[str]:
    """Of a stage: a requirement a line, as `pip` reads them, with the bounds that Pressrun has been tested at."""
    return _bounded({*_NEEDED, *(_SPARK if spark else ())})


def needed_by_jobs() -> list[str]:
    """Of Spark jobs elsewhere, in the same form."""
    return _bounded(set(_JOB))


def _bounded(wanted: set[str]) -> list[str]:
    found = [Requirement(line) for line in requires("pressrun") or []]
    return sorted(str(one) for one in found if one.name in wanted and one.marker is None)
