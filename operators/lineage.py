"""What a task read and wrote, as OpenLineage tells it; the provider, an extra of Pressrun's, asks for it.

Names are by https://openlineage.io/docs/spec/naming: a bucket or `file` is the namespace, the table's path the name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from pressrun.config.environment import Environment
    from pressrun.lake.types import DatasetRef, StageResult


def lineage_of(
    result: StageResult, upstream: Iterable[StageResult], environment: Environment
) -> OperatorLineage[Any, Any]:
    """The datasets that the stages before it handed on, and those of `result`; the model that it trained or judged.

    A verdict's checks stand as assertions on what was judged.
    """
    from airflow.providers.openlineage.extractors import OperatorLineage

    given = {str(ref): ref for before in upstream for ref in before.datasets.values()}
    made = {str(ref): ref for ref in result.datasets.values() if str(ref) not in given}
    return OperatorLineage(
        inputs=[_read(ref, result, environment) for ref in given.values()],
        outputs=[*(_written(ref, environment) for ref in made.values()), *_model(result, environment)],
    )


def _named(ref: DatasetRef, environment: Environment) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset

    from pressrun.lake.tables import SCHEMAS

    parts = urlsplit(environment.lake.root)
    place = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "file"
    fields = [schema_dataset.SchemaDatasetFacetFields(name=f.name, type=str(f.type)) for f in SCHEMAS[ref.table]]
    facets = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=f"{ref.version}#{ref.digest}"),
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
    }
    path = f"{parts.path.rstrip('/')}/{ref.table}"
    return {"namespace": place, "name": path.lstrip("/") if parts.netloc else path, "facets": facets}


def _read(ref: DatasetRef, result: StageResult, environment: Environment) -> Any:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as metrics

    rows = metrics.DataQualityMetricsInputDatasetFacet(columnMetrics={}, rowCount=ref.rows)
    facets: dict[str, Any] = {"dataQualityMetrics": rows}
    verdict = result.verdict
    if verdict is not None and verdict.dataset == str(ref):
        said = [quality.Assertion(assertion=c.metric, success=c.decision.value == "pass") for c in verdict.checks]
        facets["dataQualityAssertions"] = quality.DataQualityAssertionsDatasetFacet(assertions=said)
    return InputDataset(**_named(ref, environment), inputFacets=facets)


def _written(ref: DatasetRef, environment: Environment) -> Any:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    rows = statistics.OutputStatisticsOutputDatasetFacet(rowCount=ref.rows)
    return OutputDataset(**_named(ref, environment), outputFacets={"outputStatistics": rows})


def _model(result: StageResult, environment: Environment) -> list[Any]:
    """A registered version, below the address of the MLflow that holds it."""
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset

    made = result.facts.get("model") if result.stage == "train" else None
    if not made:
        return []
    version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(made["digest"]))
    name = f"models/{made['name']}/{made['version']}"
    return [OutputDataset(namespace=environment.mlflow.shown_uri, name=name, facets={"version": version})]
