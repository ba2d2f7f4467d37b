"""One endpoint, checked by hand: within the scope, within the ceilings, and told to a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, a_free_port, engage


def test_an_open_port_is_told_with_its_evidence(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    said = portproof(
        "verify", service.endpoint, "-e", engage(tmp_path, [service.address], [service.port])
    )
    assert said.code == 1
    assert said.out.startswith(f"{service.endpoint}/tcp\n")
    assert '"hello\\r\\n"' in said.out
    assert "=> confirmed (service-spoke)" in said.out


def test_json_has_the_dictionary_that_users_of_python_nmap_know(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Service("::1") as service:
        path = engage(tmp_path, ["::1"], [1])
        said = portproof("verify", f"[::1]:{service.port}", "-e", path, "--format", "json")
    assert said.code == 1
    assert (said.json["verdict"], said.json["reason"]) == ("confirmed", "service-spoke")
    assert said.json["nmap"]["scan"]["::1"]["tcp"][str(service.port)]["state"] == "open"


def test_a_closed_port_is_nothing_to_act_on(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    closed = f"{service.address}:{a_free_port(service.address)}"
    said = portproof("verify", closed, "-e", engage(tmp_path, [service.address], [1]))
    assert said.code == 0
    assert "=> refuted (refused)" in said.out


@pytest.mark.parametrize(
    ("endpoint", "code", "complaint"),
    [
        ("127.1.2.3:80", 3, "127.1.2.3 is not in the scope of the engagement"),
        ("127.1.2.4:80", 3, "127.1.2.4 is excluded by the engagement"),
        ("[::ffff:127.1.2.5]:80", 3, "is not in the scope"),
        ("localhost:80", 3, "localhost is not a name of the engagement"),
        ("127.1.2.5", 2, "has no port"),
        ("127.1.2.5:0", 2, "port 0 does not exist"),
        ("127.1.2.5:65536", 2, "port 65536 does not exist"),
        ("127.1.2.5:80-90", 2, ""),
        ("127.1.2.5:53/udp", 2, "only TCP endpoints can be verified"),
        ("127.1.2.0/24:80", 2, ""),
        ("127.1.2.5 127.1.2.3:80", 2, ""),
        ("127.1.2.5:80\n-oN/etc/passwd", 2, ""),
        ("-oN/etc/passwd", 2, "No such option: -o"),
        ("--script=http-title:80", 2, "No such option"),
        ("", 2, ""),
    ],
)
def test_what_is_no_endpoint_of_the_scope_is_not_asked(
    portproof: Portproof, tmp_path: Path, endpoint: str, code: int, complaint: str
) -> None:
    path = engage(tmp_path, ["127.1.2.4-127.1.2.5"], [80], exclude=["127.1.2.4"])
    said = portproof("verify", endpoint, "-e", path)
    assert (said.code, said.out) == (code, "")
    assert complaint in said.err
    if endpoint.startswith("-"):
        said = portproof("verify", "-e", path, "--", endpoint)
        assert (said.code, said.out) == (2, "")
    assert not (tmp_path / "portproof.lock").exists()


def test_no_version_probe_is_sent_where_the_engagement_has_none(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port], version_probe=True)
    path.write_text(path.read_text() + "limits: {rate: 1000, rate_per_host: 10}\n")
    said = portproof("verify", service.endpoint, "-e", path)
    assert said.code == 1
    assert "version" not in said.out
    assert service.visitors == 1


def test_a_workspace_in_use_is_left_to_its_run(
    portproof: Portproof, tmp_path: Path, service: Service, other_run: Path
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    said = portproof("verify", service.endpoint, "-e", path, "--workspace", other_run)
    assert said.code == 3
    assert "another run is using this workspace" in said.err
    assert service.visitors == 0
