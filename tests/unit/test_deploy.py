"""The files of deploy/ say things that exist and fit together; no engine is needed to see that."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import collector.metrics  # noqa: F401 — registers the metrics whose names are checked
from collector.ingest.kafka.topics import Format
from milepost import settings
from milepost.definition_files import read_definitions
from milepost.roles import ALL_ROLES, Role

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
YAML_FILES = sorted([*DEPLOY.rglob("*.yaml"), *(TOP / ".github").rglob("*.yml"), TOP / ".pre-commit-config.yaml"])
UNIT = DEPLOY / "milepost.service"
ROLE_UNIT = DEPLOY / "milepost@.service"


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def program(name: str) -> str:
    """Its path, in the virtual environment or on the machine; skips where there is none."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.relative_to(TOP).as_posix())
def test_yaml_parses(path: Path) -> None:
    assert isinstance(read_yaml(path), dict)


# The Collector


@pytest.fixture(scope="module")
def otel() -> dict[str, Any]:
    read = read_yaml(DEPLOY / "otel-collector.yaml")
    assert isinstance(read, dict)
    return read


def test_the_collectors_pipelines_refer_to_defined_components_and_leave_none_unused(otel: dict[str, Any]) -> None:
    pipelines = otel["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines for name in pipeline.get(kind, ())}
        assert used == set(otel[kind])
    assert set(otel["service"]["extensions"]) == set(otel["extensions"])


def test_the_collector_sends_traces_and_logs_to_milepost(otel: dict[str, Any]) -> None:
    assert set(otel["service"]["pipelines"]) == {"traces", "logs"}
    for pipeline in otel["service"]["pipelines"].values():
        assert pipeline["exporters"] == ["otlphttp/milepost"]
        assert pipeline["processors"][0] == "memory_limiter"


def test_what_the_collector_acknowledged_waits_on_disk_and_is_never_given_up(otel: dict[str, Any]) -> None:
    exporter = otel["exporters"]["otlphttp/milepost"]
    assert exporter["sending_queue"]["storage"] in otel["service"]["extensions"]
    assert exporter["sending_queue"]["batch"]["max_size"] == 512
    assert exporter["retry_on_failure"] == exporter["retry_on_failure"] | {"enabled": True, "max_elapsed_time": 0}
    # The batch processor holds acknowledged data in memory.
    assert not any(name.partition("/")[0] == "batch" for name in otel["processors"])


# Compose


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read = read_yaml(DEPLOY / "compose.yaml")
    assert isinstance(read, dict)
    return read


def test_compose_refers_to_files_that_exist(compose: dict[str, Any]) -> None:
    build = compose["services"]["milepost"]["build"]
    assert (DEPLOY / build["context"]).resolve() == TOP
    assert (TOP / build["dockerfile"]).is_file()
    for config in compose["configs"].values():
        assert (DEPLOY / config["file"]).is_file()
    # Secrets are made on the spot and stay out of the repository.
    for secret in compose["secrets"].values():
        assert (DEPLOY / secret["file"]).parent == DEPLOY / "secrets"
    assert (DEPLOY / "secrets" / ".gitignore").read_text().splitlines()[1:] == ["*", "!.gitignore"]


def test_compose_refers_to_what_it_defines(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert set(service.get("networks", ())) <= set(compose["networks"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", ())} <= set(compose["volumes"])
        assert {config["source"] for config in service.get("configs", ())} <= set(compose["configs"])


def test_compose_publishes_milepost_and_the_collector_on_the_loopback_and_nothing_else(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"milepost", "otel-collector"}
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert compose["networks"]["inside"]["internal"] is True
    assert services["database"]["networks"] == ["inside"]


def test_compose_pins_its_images_and_hands_secrets_over_as_files(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        _, _, tag = service["image"].rpartition(":")
        assert tag.startswith(tuple("0123456789")), service["image"]
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or name.endswith("_FILE")
            assert "@" not in str(value)


def test_milepost_takes_the_environment_that_compose_and_the_image_set(compose: dict[str, Any], tmp_path: Path) -> None:
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://milepost:secret@database:5432/milepost\n")
    environment = _image_environment() | compose["services"]["milepost"]["environment"]
    loaded = settings.load({}, environment | {"MILEPOST_DATABASE_URL_FILE": str(secret)})
    assert (loaded.host, loaded.port) == ("0.0.0.0", 8080)
    assert loaded.database_url == "postgresql://milepost:secret@database:5432/milepost"
    read_definitions(loaded.definitions)


def test_the_roles_laid_over_compose_are_roles_and_run_as_milepost_does(compose: dict[str, Any]) -> None:
    services = read_yaml(DEPLOY / "compose.roles.yaml")["services"]
    assert sorted(role for service in services.values() for role in service["command"]) == sorted(ALL_ROLES)
    (laid_over,) = (services.pop(name) for name in services.keys() & compose["services"].keys())
    assert laid_over == {"command": ["collector"]}
    milepost = compose["services"]["milepost"]
    for service in services.values():
        for name in ("image", "secrets", "depends_on", "read_only", "tmpfs", "cap_drop", "security_opt", "restart"):
            assert service[name] == milepost[name]
        assert service["stop_grace_period"] == milepost["stop_grace_period"]
        assert service["environment"].keys() == milepost["environment"].keys()
        assert service["environment"]["MILEPOST_DEFINITIONS"] == milepost["environment"]["MILEPOST_DEFINITIONS"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_kafka_laid_over_the_roles_has_the_topics_that_both_its_sides_are_told(compose: dict[str, Any]) -> None:
    roles = read_yaml(DEPLOY / "compose.roles.yaml")["services"]
    services = read_yaml(DEPLOY / "compose.kafka.yaml")["services"]
    consumer, kafka, topics = services["consumer"], services["kafka"], services["topics"]
    assert consumer["command"] == [Role.CONSUMER]
    for name in ("image", "secrets", "read_only", "tmpfs", "cap_drop", "security_opt", "restart", "stop_grace_period"):
        assert consumer[name] == roles["projector"][name]
    assert consumer["environment"].items() >= roles["projector"]["environment"].items()
    consumed = settings.load({"definitions": None}, consumer["environment"] | {"MILEPOST_DATABASE_URL_FILE": ""})
    produced = settings.load({}, services["milepost"]["environment"])
    assert consumed.kafka_brokers == produced.kafka_brokers == "kafka:9092"
    assert "PLAINTEXT://kafka:9092" in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert consumed.kafka_topic == produced.kafka_produce
    assert {topic.format for topic in consumed.kafka_topic} == set(Format)
    for topic in consumed.kafka_topic:
        assert topic.name in topics["command"][-1]
    assert kafka["image"] == topics["image"]
    assert kafka["image"].rpartition(":")[2][0].isdigit()
    assert "kafka" in _image_extras()
    assert "jwt" in _image_extras()


def _image_extras() -> str:
    return next(line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if "optional-dependencies" in line)


def test_compose_stops_milepost_only_after_the_log_had_its_time(compose: dict[str, Any]) -> None:
    assert compose["services"]["milepost"]["stop_grace_period"] == "45s"
    assert "TimeoutStopSec=45s" in UNIT.read_text()


# The image


def _dockerfile() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    lines = re.sub(r"\\\n\s*", "", "\n".join(x for x in text.splitlines() if not x.startswith("#"))).splitlines()
    return [(word.upper(), rest.strip()) for line in lines if line for word, _, rest in [line.partition(" ")]]


def _image_environment() -> dict[str, str]:
    last = max(index for index, (word, _) in enumerate(_dockerfile()) if word == "FROM")
    pairs = [pair for word, rest in _dockerfile()[last:] if word == "ENV" for pair in rest.split()]
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name.startswith("MILEPOST_")}


def test_the_image_runs_as_a_user_that_is_not_root_and_by_number() -> None:
    users = [rest for word, rest in _dockerfile() if word == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", users[-1])
    after = [word for word, _ in _dockerfile()[max(i for i, (word, _) in enumerate(_dockerfile()) if word == "USER") :]]
    assert "RUN" not in after


def test_the_image_is_slim_in_two_stages_with_a_health_check_on_readyz() -> None:
    stages = [rest for word, rest in _dockerfile() if word == "FROM"]
    assert len(stages) == 2
    assert all("-slim" in stage for stage in stages)
    check = next(rest for word, rest in _dockerfile() if word == "HEALTHCHECK")
    command = json.loads(check[check.index("CMD") + 3 :])
    assert "/readyz" in command[-1]
    compile(command[-1], "HEALTHCHECK", "exec")


def test_the_image_copies_every_package_and_its_context_lets_them_through() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = " ".join(rest for word, rest in _dockerfile() if word == "COPY")
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for package in packages:
        assert f"{package}/" in copied
        assert f"!{package}" in let_through
    for file in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        assert file in copied
        assert f"!{file}" in let_through
        assert (TOP / file).is_file()


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = subprocess.run(
        [program("hadolint"), DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False, timeout=240
    )
    assert found.returncode == 0, found.stdout + found.stderr


# systemd


def _unit(path: Path = UNIT) -> configparser.RawConfigParser:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    return unit


HARDENING = {
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "CapabilityBoundingSet": "",
    "SystemCallArchitectures": "native",
}


@pytest.mark.parametrize(("directive", "value"), HARDENING.items())
def test_the_unit_is_hardened(directive: str, value: str) -> None:
    assert _unit()["Service"][directive] == value


def test_the_unit_starts_the_command_that_the_project_installs() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))
    command, *arguments = _unit()["Service"]["ExecStart"].split()
    assert Path(command).name in project["project"]["scripts"]
    assert arguments == ["serve", "--config", "/etc/milepost/milepost.toml"]
    assert _unit()["Install"]["WantedBy"] == "multi-user.target"


def test_the_unit_of_a_role_is_that_of_serve_without_a_place_for_data() -> None:
    of_serve, of_role = dict(_unit()["Service"]), dict(_unit(ROLE_UNIT)["Service"])
    assert of_role.pop("ExecStart") == of_serve.pop("ExecStart").replace(" serve ", " ${ROLE} ")
    assert of_role.pop("EnvironmentFile") == "/etc/milepost/%i.environment"
    for name in ("EnvironmentFile", "StateDirectory", "StateDirectoryMode", "WorkingDirectory"):
        del of_serve[name]
    assert of_role == of_serve


@pytest.mark.parametrize("unit", [UNIT, ROLE_UNIT], ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_the_unit(unit: Path, tmp_path: Path) -> None:
    # The command is not installed here, and systemd looks whether it is.
    copy = tmp_path / unit.name.replace("@", "@projector")
    copy.write_text(re.sub(r"(?m)^ExecStart=.*$", f"ExecStart={program('true')}", unit.read_text("utf-8")))
    found = subprocess.run(
        [program("systemd-analyze"), "verify", copy], capture_output=True, text=True, check=False, timeout=240
    )
    if "Failed to initialize manager" in found.stderr or "Failed to create" in found.stderr:
        pytest.skip(f"systemd-analyze does not work here: {found.stderr.strip()}")
    assert (found.returncode, found.stderr) == (0, "")


def test_the_example_settings_are_settings(tmp_path: Path) -> None:
    loaded = settings.load({}, {}, DEPLOY / "milepost.toml")
    assert loaded.address == "https://milepost.example.com"
    text = (DEPLOY / "milepost.toml").read_text("utf-8")
    uncommented = tmp_path / "milepost.toml"
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).touch()
        text = text.replace(f"/etc/milepost/{name}", str(tmp_path / name))
    uncommented.write_text(re.sub(r"(?m)^# (?=\w+ = )", "", text))
    assert settings.load({}, {}, uncommented).database_url


# Prometheus

ENDS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def _rules() -> list[dict[str, Any]]:
    groups = read_yaml(DEPLOY / "prometheus" / "milepost-alerts.yaml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_metrics_that_milepost_has_and_says_what_to_do(rule: dict[str, Any]) -> None:
    known = {metric.name + end for metric in REGISTRY.collect() if metric.type in ENDS for end in ENDS[metric.type]}
    said = " ".join([rule["expr"], *rule["annotations"].values()])
    assert set(re.findall(r"\bmilepost_\w+", said)) <= known
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_prometheus_loads_the_alerts_and_scrapes_the_job_they_name() -> None:
    config = read_yaml(DEPLOY / "prometheus" / "prometheus.yaml")
    for file in config["rule_files"]:
        assert (DEPLOY / "prometheus" / file).is_file()
    (job,) = config["scrape_configs"]
    assert any(f'job="{job["job_name"]}"' in rule["expr"] for rule in _rules())
