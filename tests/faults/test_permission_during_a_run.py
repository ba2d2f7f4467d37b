"""What the authorisation takes back, or a provider turns out to own, while a run goes on."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, engage
from tests.faults.fakes import Fake


def test_what_a_new_file_marks_during_a_run_is_left_alone_from_then_on(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    with Service(service.address.rpartition(".")[0] + ".251", service.port) as other:
        path = engage(tmp_path / "w", [service.address, other.address], [service.port])
        ranges = path.with_name("ip-ranges.json")
        ranges.write_text('{"prefixes": [{"ip_prefix": "192.0.2.1/32"}]}')
        section = "third_parties: {ranges: [{file: ip-ranges.json}]}\n"
        path.write_text(path.read_text() + section)
        fake(
            "nmap",
            f"path = Path({str(ranges)!r})\n"
            'if method() == "nmap-syn" and not sweeps():\n'
            f'    path.write_text(path.read_text().replace("192.0.2.1", {service.address!r}))\n'
            "real()\n",
        )
        said = portproof("run", path)
        assert service.visitors == 0
        assert other.visitors > 0
    assert "engagement: somebody else's by now: " in said.err


def test_what_is_taken_back_from_the_permission_during_a_run_is_not_used_any_more(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    permits = "  permits: {methods: [syn, connect]}\nscope:"
    path.write_text(path.read_text().replace("scope:", permits, 1))
    fake(
        "nmap",
        f"path = Path({str(path)!r})\n"
        'if method() == "nmap-syn" and not sweeps():\n'
        f"    path.write_text(path.read_text().replace('[syn, connect]', '[syn, udp]')"
        f".replace('ports: \"{service.port}\"', 'ports: \"U:{service.port}\"'))\n"
        "real()\n",
    )
    said = portproof("run", path)
    assert service.visitors == 0
    assert "the authorisation does not permit connect (nmap-connect)" in said.err


def test_a_run_stops_asking_when_its_rates_exceed_what_is_permitted_by_now(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    lines = "  permits: {rate_per_host: 5000}\nscope:"
    path.write_text(path.read_text().replace("scope:", lines, 1))
    fake(
        "nmap",
        f"path = Path({str(path)!r})\n"
        'if method() == "nmap-syn" and not sweeps():\n'
        "    path.write_text(path.read_text().replace('rate_per_host: 5000', 'rate_per_host: 7'))\n"
        "real()\n",
    )
    said = portproof("run", path)
    assert service.visitors == 0
    assert "packets per second to a host, which this run may send" in said.err
