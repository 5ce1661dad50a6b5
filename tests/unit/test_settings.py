from __future__ import annotations

from pathlib import Path

import pytest

from milepost.settings import Settings, SettingsError, load

URL = "postgresql://milepost:s3cret@db.example:5432/milepost"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "milepost.toml"


def faults(flags: dict[str, object], environment: dict[str, str], file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(flags, environment, file)
    return raised.value.faults


def test_without_anything_the_defaults_hold() -> None:
    assert load({}, {}) == Settings()
    assert Settings().address == "http://127.0.0.1:8080"


def test_file_gives_way_to_environment_gives_way_to_flags(file: Path) -> None:
    file.write_text('host = "file"\nport = 1\nlog_level = "error"\n')
    found = load({"host": "flag", "port": None}, {"MILEPOST_HOST": "environment", "MILEPOST_PORT": "2"}, file)
    assert (found.host, found.port, found.log_level) == ("flag", 2, "error")


def test_the_file_may_be_named_by_the_environment_and_a_flag_wins(file: Path, tmp_path: Path) -> None:
    file.write_text("port = 1\n")
    other = tmp_path / "other.toml"
    other.write_text("port = 2\n")
    assert load({}, {"MILEPOST_CONFIG": str(file)}).port == 1
    assert load({}, {"MILEPOST_CONFIG": str(file)}, other).port == 2


def test_secrets_may_come_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "database_url"
    secret.write_text(f"{URL}\n")
    assert load({}, {"MILEPOST_DATABASE_URL_FILE": str(secret)}).database_url == URL
    (fault,) = faults({}, {"MILEPOST_DATABASE_URL_FILE": str(tmp_path / "nowhere")})
    assert fault.startswith("MILEPOST_DATABASE_URL_FILE: cannot be read")


def test_the_usual_variable_for_the_database_is_known_but_gives_way_to_ours() -> None:
    assert load({}, {"DATABASE_URL": URL}).database_url == URL
    ours = "postgresql://other/x"
    assert load({}, {"DATABASE_URL": URL, "MILEPOST_DATABASE_URL": ours}).database_url == ours


def test_what_a_command_needs_is_a_fault_when_nobody_gives_it_beside_all_others() -> None:
    needed = {"database_url": "roles share one", "definitions": "all have the same"}
    with pytest.raises(SettingsError) as raised:
        load({"port": 0, "definitions": []}, {}, needed=needed)
    assert sorted(fault.partition(":")[0] for fault in raised.value.faults) == [
        "--database-url",
        "--definitions",
        "--port",
    ]
    assert "--database-url: not given; roles share one" in raised.value.faults
    load({}, {"DATABASE_URL": URL, "MILEPOST_DEFINITIONS": "packs"}, needed=needed)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg", "postgresql"])
def test_every_spelling_of_postgresql_is_taken(scheme: str) -> None:
    assert load({"database_url": URL.replace("postgresql", scheme)}, {}).database_url == URL


def test_passwords_with_special_characters_survive() -> None:
    url = "postgresql://u:p%40ss%2Fword@db/x"
    assert load({"database_url": url}, {}).database_url == url


def test_secrets_are_not_shown() -> None:
    shown = load({"database_url": URL}, {}).shown()
    assert "s3cret" not in str(shown)
    assert "db.example" in shown["database_url"]
    assert Settings().shown()["database_url"] == "embedded"
    assert Settings().shown()["definitions"] == "none"


def test_a_replica_to_read_from_is_a_secret_like_the_database(tmp_path: Path) -> None:
    secret = tmp_path / "read_database_url"
    secret.write_text(URL.replace("db.example", "replica.example") + "\n")
    found = load({"database_url": URL}, {"MILEPOST_READ_DATABASE_URL_FILE": str(secret)})
    assert found.read_database_url == URL.replace("db.example", "replica.example")
    assert "s3cret" not in str(found.shown())
    assert "replica.example" in found.shown()["read_database_url"]
    assert Settings().shown()["read_database_url"] == "none"


def test_a_replica_of_nothing_is_a_fault() -> None:
    (fault,) = faults({"read_database_url": URL}, {})
    assert fault.startswith("--read-database-url: without database_url")
    (fault,) = faults({"database_url": URL}, {"MILEPOST_READ_DATABASE_URL": "mysql://u:s3cret@db/x"})
    assert fault.startswith("MILEPOST_READ_DATABASE_URL: only postgresql://")


def test_secrets_in_the_query_of_a_url_are_not_shown() -> None:
    shown = load({"database_url": "postgresql://db/x?user=u&password=s3cret&sslpassword=s3cret"}, {}).shown()
    assert "s3cret" not in str(shown)


def test_secrets_are_not_told_by_faults() -> None:
    for url in ("mysql://u:s3cret@db/x", "postgresql://u:s3cret@db:port/x", "u:s3cret@db"):
        assert "s3cret" not in str(faults({"database_url": url}, {})), url


def test_all_faults_are_named_at_once_with_where_they_stand(file: Path) -> None:
    file.write_text('prot = 1\nlog_format = "xml"\n')
    found = faults(
        {"port": 70_000, "definitions": [Path("/nowhere/at/all")]},
        {"MILEPOST_LOG_LEVEL": "loud", "MILEPOST_HSOT": "x", "MILEPOST_DATABASE_URL": "mysql://db/x"},
        file,
    )
    said = "\n".join(found)
    assert len(found) == 7
    for words in (
        "'prot'",
        f"{file}: log_format",
        "--port",
        "--definitions",
        "MILEPOST_LOG_LEVEL",
        "MILEPOST_HSOT",
        "MILEPOST_DATABASE_URL",
    ):
        assert words in said


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "", "8080.0", "٨٠٨٠", True])
def test_what_is_no_port_is_refused(port: object) -> None:
    if port == "":
        assert load({}, {"MILEPOST_PORT": ""}).port == 8080
    else:
        assert len(faults({"port": port}, {})) == 1


@pytest.mark.parametrize("text", ["port = ", "\x00", "port = 1\nport = 2"])
def test_a_file_that_cannot_be_read_is_named(file: Path, text: str) -> None:
    file.write_text(text)
    (fault,) = faults({}, {}, file)
    assert fault.startswith(f"{file}: cannot be read")


@pytest.mark.parametrize(
    ("line", "name"),
    [("host = 5", "host"), ("data_dir = 5", "data_dir"), ("definitions = 5", "definitions"), ("definitions = [5]", "definitions"),
     ("log_level = []", "log_level"), ("database_url = 5", "database_url"), ("port = [1]", "port"), ("public_url = {a = 1}", "public_url")],
)  # fmt: skip
def test_a_value_of_a_wrong_kind_is_named(file: Path, line: str, name: str) -> None:
    file.write_text(line)
    (fault,) = faults({}, {}, file)
    assert name in fault


def test_definitions_may_be_several_and_the_packs(tmp_path: Path) -> None:
    assert load({}, {"MILEPOST_DEFINITIONS": f"packs:{tmp_path}"}).definitions == (Path("packs"), tmp_path)
    assert load({"definitions": [tmp_path, Path("packs")]}, {}).definitions == (tmp_path, Path("packs"))


def test_the_address_is_where_people_reach_us() -> None:
    assert load({"public_url": "https://m.example/"}, {}).address == "https://m.example"
    assert load({"host": "::1", "port": 1}, {}).address == "http://[::1]:1"


def test_the_port_of_grpc_is_a_number_or_off_or_the_usual_one(file: Path) -> None:
    assert load({}, {}).otlp_grpc_port is None
    assert load({}, {}).shown()["otlp_grpc_port"] == "4317 if it is free"
    assert load({}, {"MILEPOST_OTLP_GRPC_PORT": "4400"}).otlp_grpc_port == 4400
    for text in ('"off"', "5000", '"5000"'):
        file.write_text(f"otlp_grpc_port = {text}\n")
        assert load({}, {}, file).shown()["otlp_grpc_port"] == text.strip('"')
    assert load({"otlp_grpc_port": "off"}, {"MILEPOST_OTLP_GRPC_PORT": "4400"}).otlp_grpc_port == 0


@pytest.mark.parametrize("port", ["0", "on", "65536", "-1", True])
def test_what_is_no_port_of_grpc_is_refused(port: object) -> None:
    (fault,) = faults({"otlp_grpc_port": port}, {})
    assert fault.startswith("--otlp-grpc-port: ")
    assert "or off" in fault


def test_grpc_and_http_cannot_have_one_port() -> None:
    assert faults({"otlp_grpc_port": "8080"}, {}) == [
        "--otlp-grpc-port: 8080 is the port of HTTP; gRPC needs one of its own"
    ]
    assert len(faults({"otlp_grpc_port": "4400"}, {"MILEPOST_PORT": "4400"})) == 1
    assert load({"otlp_grpc_port": "8080", "port": 80}, {}).otlp_grpc_port == 8080


def test_there_is_a_buffer_beside_an_embedded_database_and_elsewhere_where_a_folder_is_named() -> None:
    assert Settings().spool == Path("milepost-data/spool")
    assert load({"data_dir": Path("/x")}, {}).spool == Path("/x/spool")
    assert load({"database_url": URL}, {}).spool is None
    assert load({"database_url": URL}, {"MILEPOST_SPOOL_DIR": "/y"}).spool == Path("/y")
    assert load({"spool_dir": "off"}, {}).spool is None
    assert load({}, {}).shown()["spool_limit"] == "1GiB"


@pytest.mark.parametrize(
    ("said", "bytes_"),
    [("2GiB", 2**31), ("512 MiB", 2**29), ("300000000", 300_000_000), ("1tb", 10**12), ("4G", 2**32)],
)
def test_a_size_is_spelled_as_people_do(said: str, bytes_: int) -> None:
    assert load({"spool_limit": said}, {}).spool_limit == bytes_


@pytest.mark.parametrize("said", ["", "much", "1.5GiB", "-1GiB", "1ib", "2GiBs", "64MiB"])
def test_what_is_no_size_or_too_small_is_a_fault_of_the_settings(said: str) -> None:
    (fault,) = faults({"spool_limit": said}, {})
    assert fault.startswith("--spool-limit: ")


def test_a_size_in_a_file_may_be_a_number(file: Path) -> None:
    file.write_text("spool_limit = 300000000\n")
    assert load({}, {}, file).spool_limit == 300_000_000
