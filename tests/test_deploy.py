"""What is shipped for operators is valid, and names what there is."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from server.config.configuration import load_configuration
from server.config.settings import Settings
from tests.support.nodes import haproxy

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
OBJECTS = [
    (path.name, document)
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document["kind"] != "Kustomization"
]


def check_fields(document: dict[str, Any]) -> None:
    """Raises ValidationError for a field that Kubernetes does not know, or knows as something else."""
    kubernetes_validate.validate(document, "1.33", strict=True)


@pytest.mark.parametrize(
    ("name", "document"), OBJECTS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_kubernetes_knows_every_field(name: str, document: dict[str, Any]) -> None:
    check_fields(document)


def test_the_check_of_fields_finds_a_misspelt_one() -> None:
    _, document = next(pair for pair in OBJECTS if pair[1]["kind"] == "PodDisruptionBudget")
    wrong = document | {"spec": document["spec"] | {"maxUnavailible": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        check_fields(wrong)


def test_every_file_of_the_kustomization_is_there_and_no_other() -> None:
    folder = DEPLOY / "kubernetes"
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named = {*kustomization["resources"], *kustomization["configMapGenerator"][0]["files"]}
    assert named == {path.name for path in folder.iterdir()} - {"kustomization.yaml"}


def test_the_pods_configuration_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGEFLOW_VOICE_API_KEYS", "a-key-of-the-tests-0123456789")
    settings = load_configuration(path=DEPLOY / "kubernetes" / "stageflow-voice.toml", env_file=None).settings
    node = next(
        document for name, document in OBJECTS if (name, document["kind"]) == ("node.yaml", "Deployment")
    )
    assert settings.drain_s < node["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] - 30
    scaler = next(document for _, document in OBJECTS if document["kind"] == "HorizontalPodAutoscaler")
    target = scaler["spec"]["metrics"][0]["pods"]["target"]["averageValue"]
    assert int(target) == settings.limits.max_sessions * 7 // 10


def test_compose_sets_only_variables_that_the_server_knows() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    node = compose["services"]["node1"]["environment"]
    prefix = "STAGEFLOW_VOICE_"
    assert {name.removeprefix(prefix).lower() for name in node} <= set(Settings.model_fields)
    assert {name for name in compose["services"] if name.startswith("node")} == {"node1", "node2", "node3"}


def test_the_image_is_made_of_what_is_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    chosen = re.search(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)
    assert chosen is not None
    assert set(chosen[1].split(",")) <= set(extras)


DEBIANS_GROUPS = {
    "audio",
    "backup",
    "daemon",
    "operator",
    "proxy",
    "staff",
    "users",
    "video",
    "voice",
    "www-data",
}
"""Some of those of every image of Debian, `python:3.12-slim` too: /usr/share/base-passwd/group.master."""


def test_the_user_of_the_image_has_a_name_that_is_free() -> None:
    """`useradd` makes a group of the same name, and fails where there is one."""
    text = (DEPLOY / "Dockerfile").read_text()
    added = re.findall(r"(?:useradd|groupadd) (?:--\S+ (?:\d+ )?)*([a-z]\S*)", text)
    assert len(added) == 2
    assert not DEBIANS_GROUPS & {*added}


def test_haproxy_takes_its_configuration() -> None:
    nodes = {f"NODE{n}": f"127.0.0.1:{n}" for n in (1, 2, 3)}
    checked = subprocess.run(
        [haproxy(), "-c", "-f", str(DEPLOY / "haproxy.cfg")],
        env=os.environ | nodes | {"LISTEN": "127.0.0.1:8080"},
        check=False,
        capture_output=True,
    )
    assert checked.returncode == 0, checked.stderr
