"""The files of a deployment: Docker and Kubernetes accept them; no port is open to others, no secret is in them."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
INSTANCE = ("dagster.yaml", "workspace.yaml")
SECRETS = re.compile(r"PASSWORD|SECRET|KEY", re.IGNORECASE)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))["items"])


def containers(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pods = [one["spec"]["template"]["spec"] for one in objects if "template" in one.get("spec", {})]
    return [container for pod in pods for container in (*pod["containers"], *pod.get("initContainers", ()))]


def test_compose_accepts_its_file(compose: dict[str, Any]) -> None:
    pytest.importorskip("check_jsonschema", reason="pip install check-jsonschema")
    import jsonschema

    schema = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    jsonschema.validate(compose, json.loads(schema.read_text(encoding="utf-8")))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"worker": {"imagine": "plates"}}}, json.loads(schema.read_text()))


def test_kubernetes_accepts_every_object(objects: list[dict[str, Any]]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    for one in objects:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**objects[-1], "spec": {"ports": "3000"}}, kubernetes_validate.latest_version())


def test_every_published_port_is_on_this_machine(compose: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    services = [one["spec"] for one in objects if one["kind"] == "Service"]
    assert services
    assert all(spec.get("type", "ClusterIP") == "ClusterIP" for spec in services)
    assert not any("hostPort" in port for one in containers(objects) for port in one.get("ports", ()))


def test_secrets_come_from_outside(compose: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    given = [pair for service in compose["services"].values() for pair in service.get("environment", {}).items()]
    secret = [(name, value) for name, value in given if SECRETS.search(name)]
    assert {"DAGSTER_POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", "PLATES_KEY"} <= dict(secret).keys()
    assert all(re.fullmatch(r"\$\{\w+:[-?][^}]*\}", value) for _, value in secret)
    variables = [variable for one in containers(objects) for variable in one.get("env", ())]
    held = [variable for variable in variables if SECRETS.search(variable["name"])]
    assert held
    assert all("secretKeyRef" in variable["valueFrom"] for variable in held)


def test_both_have_the_same_services_and_variables(compose: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    names = {one["metadata"]["name"] for one in objects}
    assert {"postgres", "worker", "gpu-worker", "daemon", "webserver"} <= names & compose["services"].keys()
    needed = set(re.findall(r"env: (\w+)", "".join((DEPLOY / name).read_text() for name in INSTANCE)))
    assert needed <= compose["services"]["daemon"]["environment"].keys()
    (config,) = [one for one in objects if one["kind"] == "ConfigMap"]
    daemon = next(one for one in containers(objects) if one["name"] == "daemon")
    assert needed <= config["data"].keys() | {variable["name"] for variable in daemon["env"]}
