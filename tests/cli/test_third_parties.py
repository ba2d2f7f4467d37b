"""What belongs to somebody else is never asked: from the check to the report and the record."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, engage, the_report, verdicts


def _marked(path: Path, address: str, more: str = "") -> None:
    """A file of ranges with one address, in the format of AWS, dated long ago."""
    ranges = {"createDate": "2026-01-02-03-04-05", "prefixes": [{"ip_prefix": f"{address}/32"}]}
    path.with_name("ip-ranges.json").write_text(json.dumps(ranges))
    path.write_text(
        path.read_text() + f"third_parties: {{ranges: [{{file: ip-ranges.json}}]{more}}}\n"
    )


def _neighbour(service: Service) -> str:
    return service.address.rpartition(".")[0] + ".251"


def test_an_address_of_somebody_else_is_split_out_listed_and_never_asked(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    with Service(_neighbour(service), service.port) as theirs:
        path = engage(tmp_path / "w", [service.address, theirs.address], [service.port])
        _marked(path, theirs.address)
        said = portproof("check", path)
        assert f"refused     {theirs.address} (AWS, by ip-ranges.json): no entry" in said.out
        assert "ranges      ip-ranges.json: AWS, 1 range, " in said.out
        assert "days old (by its own date), more than 90" in said.out
        told = portproof("run", path)
        assert theirs.visitors == 0
        assert service.visitors > 0
    assert "not covered: refused: " in told.err
    report = the_report(path.parent)
    assert set(verdicts(report)) == {service.endpoint}
    (refused,) = report["run"]["third_parties"]["refused"]
    assert refused["addresses"] == [theirs.address]
    assert any(theirs.address in gap["what"] for gap in report["coverage"]["gaps"])
    (folder,) = (path.parent / "runs").iterdir()
    assert theirs.address in (folder / "report.html").read_text()
    record = (folder / "audit.jsonl").read_text()
    assert '"provider":"AWS"' in record.replace(" ", "")


def test_an_acknowledged_policy_clears_its_targets(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    entry = (
        "{provider: aws, policy: 'https://provider.example/testing', acknowledged_on: 2026-01-01, "
        f"targets: [{service.address}]}}"
    )
    _marked(path, service.address, f", acknowledged: [{entry}]")
    said = portproof("check", path)
    assert f"cleared     {service.address} (aws): https://provider.example/testing" in said.out
    assert "refused" not in said.out


def test_where_everything_belongs_to_others_there_is_no_run(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    _marked(path, service.address)
    said = portproof("run", path)
    assert said.code == 3
    assert "nothing is left to ask: everything belongs to others" in said.err
    assert service.visitors == 0


def test_a_name_with_another_address_than_the_check_saw_is_refused_until_it_is_checked_again(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address, "LOCAL"], [service.port])
    text = path.read_text().replace('"LOCAL"', "{host: localhost, expect: ['127.0.0.0/8', '::1']}")
    path.write_text(text)
    assert portproof("check", path).code == 0
    pins = path.with_name("portproof.names")
    assert pins.stat().st_mode & 0o077 == 0
    pins.write_text(pins.read_text().replace("127.0.0.1", "127.9.9.9"))
    said = portproof("run", path)
    assert said.code == 3
    assert "localhost was " in said.err
    assert service.visitors == 0
    assert portproof("check", path).code == 0
    assert '"127.9.9.9"' not in pins.read_text()


def test_the_authorisation_bounds_a_run_and_stands_in_its_report_and_record(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    permits = f"permits: {{methods: [connect], ports: '{service.port}', targets: [127.0.0.0/8]}}"
    contact = "contacts: [{name: NOC, phone: '+49 30 5550100'}]"
    path.write_text(path.read_text().replace("scope:", f"  {permits}\n  {contact}\nscope:", 1))
    portproof("run", path)
    report = the_report(path.parent)
    assert {task["method"] for task in report["tasks"]} <= {"nmap-connect", "handshake"}
    assert report["run"]["authorisation"]["permitted methods"] == "connect"
    assert report["run"]["authorisation"]["contacts"] == "NOC, +49 30 5550100"
    assert verdicts(report) == {service.endpoint: "confirmed"}
