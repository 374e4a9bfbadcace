"""The manifests fit the service; that they fit Kubernetes is seen by `make docs`."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.command import main
from app.settings import Settings
from docs.site.openapi import document

CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / "docs" / "how-to" / "kubernetes"
PAGE = FOLDER.with_suffix(".md").read_text()


def manifests(kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        yield from (each for each in yaml.safe_load_all(path.read_text()) if each["kind"] == kind)


def pods() -> list[dict[str, Any]]:
    found = [*manifests("Job"), *manifests("Deployment")]
    assert len(found) == 3
    return [each["spec"]["template"]["spec"] for each in found]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What pods are given, with the Secret that the page makes."""
    (config,) = manifests("ConfigMap")
    secrets = dict(re.findall(r"--from-literal=(SPLITPLAN_\w+)='?(postgres[^' ]+)?", PAGE))
    fields = {f"SPLITPLAN_{name.upper()}" for name in Settings.model_fields}
    assert config["data"].keys() | secrets.keys() <= fields
    assert "SPLITPLAN_DATABASE_URL" in secrets
    values = config["data"] | {"SPLITPLAN_DATABASE_URL": secrets["SPLITPLAN_DATABASE_URL"]}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_every_pod_is_given_the_settings_and_the_secret() -> None:
    for pod in pods():
        (container,) = pod["containers"]
        given = [next(iter(source.values()))["name"] for source in container["envFrom"]]
        assert given == ["splitplan", "splitplan"]


def test_commands_exist_and_the_image_is_of_this_release() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    for pod in pods():
        (container,) = pod["containers"]
        assert container["image"].rpartition(":")[2] == version
        for name in re.findall(r"splitplan,? (\w+)", " ".join(container["command"])):
            assert name in main.commands
    (job,) = manifests("Job")
    assert job["metadata"]["name"].endswith(version)
    assert job["metadata"]["name"] in PAGE


def test_probes_ask_what_answers_under_a_name_that_is_answered(settings: Settings) -> None:
    (web,) = (pod for pod in pods() if pod["containers"][0]["name"] == "web")
    (container,) = web["containers"]
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")}
    asked["readiness"] = container["readinessProbe"]["httpGet"]
    assert {name: get["path"] for name, get in asked.items()} == {
        "startup": "/livez",
        "liveness": "/livez",
        "readiness": "/readyz",
    }
    (port,) = container["ports"]
    assert port["containerPort"] == settings.port
    for get in asked.values():
        assert get["path"] in document()["paths"]
        assert get["port"] == port["name"]
        (header,) = get["httpHeaders"]
        assert header["name"] == "Host"
        assert header["value"] in settings.allowed_hosts


def test_nobody_is_killed_who_would_have_handed_plans_back(settings: Settings) -> None:
    graces = {
        pod["containers"][0]["name"]: pod.get("terminationGracePeriodSeconds") for pod in pods()
    }
    assert graces["worker"] >= settings.shutdown_grace_s + 15
    assert graces["web"] >= settings.drain_s + settings.write_timeout_s
    assert settings.workers == 0
    assert not settings.allow_unauthenticated


def test_what_selects_pods_finds_them() -> None:
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for kind in ("Job", "Deployment")
        for each in manifests(kind)
    ]

    def found(wanted: dict[str, str]) -> int:
        return sum(wanted.items() <= each.items() for each in labels)

    (service,) = manifests("Service")
    (budget,) = manifests("PodDisruptionBudget")
    everybody, webs = manifests("NetworkPolicy")
    assert found(service["spec"]["selector"]) == 1
    assert found(budget["spec"]["selector"]["matchLabels"]) == 1
    assert found(everybody["spec"]["podSelector"]["matchLabels"]) == 3
    assert found(webs["spec"]["podSelector"]["matchLabels"]) == 1
    for each in manifests("Deployment"):
        assert found(each["spec"]["selector"]["matchLabels"]) == 1
