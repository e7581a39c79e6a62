"""A kubeconfig that does not lead to the cluster is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pressrun.config.environment import Cluster
from pressrun.rollout.kubernetes.cluster import Refused, connect


@pytest.mark.parametrize("text", ["hello", "- a\n", "a: [", "", "apiVersion: v1\nkind: Config\n", "\x00"])
@pytest.mark.parametrize("named_by", ["KUBECONFIG", "environment"])
def test_a_file_that_is_no_kubeconfig_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named_by: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(file if named_by == "KUBECONFIG" else tmp_path / "another"))
    place = Cluster(name="east", kubeconfig=file if named_by == "environment" else None)
    with pytest.raises(Refused, match=rf"cluster east: {file} does not lead to it"):
        connect(place)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_missing_file_or_a_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / name))
    with pytest.raises(Refused, match=str(tmp_path / name)):
        connect(Cluster(name="east"))
