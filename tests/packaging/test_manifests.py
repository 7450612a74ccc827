"""Kubernetes, Compose and systemd: what they say is valid, and their configurations are served."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..wire import DEADLINE
from .conftest import Make
from .container import ROOT, Container, Instructions

PACKAGING = ROOT / "packaging"
EXPOSURE = 3.0  # above it, "systemd-analyze security" calls a service medium
RFC_8037 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def kubernetes() -> dict[str, Any]:
    """The objects by kind; there is one of each."""
    objects = list(yaml.safe_load_all((PACKAGING / "kubernetes/pyngx.yaml").read_text()))
    found = {item["kind"]: item for item in objects}
    assert len(found) == len(objects)
    return found


def mount(container: Container, objects: dict[str, Any]) -> dict[str, Any]:
    """Places the files of the pod's volumes; returns its container."""
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    files = {
        "config": objects["ConfigMap"]["data"],
        "keys": objects["Secret"]["stringData"],
    }
    assert {"config", "keys"} <= {volume["name"] for volume in pod["volumes"]}
    (spec,) = pod["containers"]
    for volume in spec["volumeMounts"]:
        if "subPath" in volume:
            text = files[volume["name"]][volume["subPath"]]
            container.write(volume["mountPath"], text)
            continue
        for name, text in files.get(volume["name"], {}).items():
            container.write(f"{volume['mountPath']}/{name}", text)
        if volume["name"] not in files:
            container.empty(volume["mountPath"])
    found: dict[str, Any] = spec
    return found


def test_kubernetes_serves(make: Make) -> None:
    objects = kubernetes()
    container = make("unprivileged", read_only=True)
    spec = mount(container, objects)
    container.environ |= {x["name"]: x["value"] for x in spec["env"] if "value" in x}
    container.environ["NAMESPACE"] = "shop"
    container.start()
    ports = {port["name"]: port["containerPort"] for port in spec["ports"]}
    for name, status in (("startupProbe", 200), ("readinessProbe", 503), ("livenessProbe", 200)):
        probe = spec[name]["httpGet"]
        answer = container.get(probe["path"], ports[probe["port"]])
        assert answer.startswith(f"{status} "), answer
    assert "app" in container.get("/readyz", ports["status"])  # no name server knows it here
    template = objects["Deployment"]["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["status"])
    metrics = container.get(annotations["prometheus.io/path"], ports["status"])
    assert "pyngx_config_last_reload_successful 1" in metrics
    assert container.get("/api/x", ports["http"]).startswith("401 ")
    assert container.get("/API/x", ports["http"]).startswith("401 ")
    assert container.get("/", ports["http"]).startswith("502 ")  # no such application here
    assert "server app.shop.svc.cluster.local:8080 resolve;" in container.read(
        "/etc/nginx/conf.d/api.conf"
    )


def test_kubernetes_objects_fit_together() -> None:
    objects = kubernetes()
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert objects["Service"]["spec"]["selector"].items() <= labels
    target = objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "pyngx"}
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    user = Instructions("unprivileged").of("USER")[0][0]
    assert str(pod["securityContext"]["runAsUser"]) == user
    (spec,) = pod["containers"]
    # A share of the processor is of a request for one.
    assert spec["resources"]["requests"]["cpu"]
    (port,) = objects["Service"]["spec"]["ports"]
    assert port["targetPort"] in {x["name"] for x in spec["ports"]}


def test_example_keys_are_those_of_the_rfc() -> None:
    """Nobody has left a key of theirs in the manifests."""
    texts = [
        kubernetes()["Secret"]["stringData"]["jwks.json"],
        (PACKAGING / "compose/keys/jwks.json").read_text(),
    ]
    for text in texts:
        (key,) = json.loads(text)["keys"]
        assert key.items() >= RFC_8037.items()


def test_compose_serves(make: Make) -> None:
    services = yaml.safe_load((PACKAGING / "compose/compose.yaml").read_text())["services"]
    service = services["pyngx"]
    container = make(service["build"]["target"], read_only=service["read_only"])
    for volume in service["volumes"]:
        source, target, _ = volume.split(":")
        container.copy(PACKAGING / "compose" / source, target)
    for line in service["tmpfs"]:
        container.empty(line.partition(":")[0])
    container.environ |= service["environment"]
    container.environ["APP"] = "127.0.0.1:1"  # names of services are the engine's
    container.start()
    url = service["healthcheck"]["test"][-1]
    port = int(url.rpartition(":")[2].partition("/")[0])
    assert container.get("/healthz", port) == "200 ok\n"
    assert container.get("/api/x", port).startswith("401 ")
    assert container.get("/", port).startswith("502 ")


def directives(path: Path) -> dict[str, list[str]]:
    """The settings of a unit file, several lines of one name in a list."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_unit_is_hardened() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = str(PACKAGING / "systemd/pyngx.service")
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    (line,) = [line for line in said.splitlines() if "Overall exposure level" in line]
    assert float(line.partition(":")[2].split()[0]) < EXPOSURE


def test_unit_and_sockets() -> None:
    service = directives(PACKAGING / "systemd/pyngx.service")
    assert service["Type"] == ["notify-reload"]
    assert service["KillSignal"] == Instructions("pyngx").of("STOPSIGNAL")[0]
    (started,) = service["ExecStart"]
    (tested,) = service["ExecStartPre"]
    assert tested.replace("-t -q ", "") == started
    sockets = directives(PACKAGING / "systemd/pyngx.socket")
    assert sockets["ListenStream"] == ["0.0.0.0:80", "[::]:80"]
    assert sockets["BindIPv6Only"] == ["ipv6-only"]


def test_logs_are_rotated(tmp_path: Path) -> None:
    if shutil.which("logrotate") is None:
        pytest.skip("no logrotate")
    rules = (PACKAGING / "logrotate").read_text().replace("/var/log/nginx", str(tmp_path))
    pid = tmp_path / "pid"
    rules = rules.replace("/run/nginx/nginx.pid", str(pid))
    (tmp_path / "rules").write_text(rules)
    (tmp_path / "rules").chmod(0o644)
    (tmp_path / "access.log").write_text("line\n")
    with subprocess.Popen(["sleep", "60"]) as process:  # ends by USR1, as a server would not
        pid.write_text(f"{process.pid}\n")
        command = ["logrotate", "-f", "-s", str(tmp_path / "state"), str(tmp_path / "rules")]
        ended = subprocess.run(command, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        assert process.wait(DEADLINE) == -10
    assert (tmp_path / "access.log.1").read_text() == "line\n"
