"""`pressrun controller`: what a namespace needs, printed for kubectl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pressrun.cli import app
from pressrun.rollout import records

ENVIRONMENT = """\
name: production
home: {home}
lake: {{root: "{home}/lake"}}
database: "sqlite:///{home}/pressrun.db"
landing: "{home}/landing"
mlflow: {{tracking_uri: "{home}/mlruns"}}
kubernetes:
  clusters:
    - {{name: east, namespace: news}}
    - {{name: west, namespace: more-news}}
  controller_image: registry.example/controller:1.2
  deploy:
    server_image: registry.example/server:1.2
    fetch_image: registry.example/controller:1.2
    tracking_uri: http://mlflow:5000
"""


@pytest.fixture
def production(home: Path, tmp_path: Path) -> str:
    file = tmp_path / "production.yaml"
    file.write_text(ENVIRONMENT.format(home=home))
    return str(file)


def printed(cli: CliRunner, environment: str) -> list[dict[str, Any]]:
    result = cli.invoke(app, ["controller", "--environment", environment])
    assert result.exit_code == 0, result.output
    return [body for body in yaml.safe_load_all(result.stdout) if body]


def test_what_is_printed_is_what_kubectl_takes(cli: CliRunner, production: str) -> None:
    objects = printed(cli, production)
    assert {"CustomResourceDefinition", "ServiceAccount", "Role", "RoleBinding", "Deployment", "NetworkPolicy"} <= {
        body["kind"] for body in objects
    }
    for body in objects:
        assert body["apiVersion"]
        assert body["metadata"]["name"]
        assert body["kind"] == "CustomResourceDefinition" or body["metadata"]["namespace"] in ("news", "more-news")
    (image,) = {
        body["spec"]["template"]["spec"]["containers"][0]["image"] for body in objects if body["kind"] == "Deployment"
    }
    assert image == "registry.example/controller:1.2"


def test_documents_are_told_apart_also_where_there_are_two_clusters(cli: CliRunner, production: str) -> None:
    objects = printed(cli, production)
    names = [(b["kind"], b["metadata"].get("namespace"), b["metadata"]["name"]) for b in objects]
    assert [kind for kind, _, _ in names[: len(names) // 2]] == [kind for kind, _, _ in names[len(names) // 2 :]]
    assert len({name for name in names if name[1]}) == len([name for name in names if name[1]])
    assert {namespace for _, namespace, _ in names if namespace} == {"news", "more-news"}


def test_without_clusters_it_says_what_to_do(cli: CliRunner) -> None:
    result = cli.invoke(app, ["controller"])
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert "serves models by processes, not in a cluster" in said
    assert "--environment" in said


def test_a_kubeconfig_that_leads_nowhere_is_told_with_the_cluster_and_what_to_set(
    cli: CliRunner, production: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(records, "_connected", {})
    result = cli.invoke(app, ["controller", "--apply", "--environment", production])
    assert result.exit_code != 0
    said = " ".join(result.output.split())
    assert "cluster east" in said
    assert "kubeconfig" in said
