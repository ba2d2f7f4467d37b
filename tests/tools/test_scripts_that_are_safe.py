"""No script is run that nmap, or we, would not call harmless; and its database has to be whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide.scripts import DENIED, FORBIDDEN, MEASURED, objection, read_database
from pipeline.errors import Refused, ToolError
from pipeline.tools.nmap import version_packets
from pipeline.tools.script_check import require_safe

ENTRY = 'Entry {{ filename = "{}.nse", categories = {{ {}}} }}\n'
NOWHERE = Path("/nonexistent/bin/nmap")


def entry(name: str, *categories: str) -> str:
    return ENTRY.format(name, "".join(f'"{category}", ' for category in categories))


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scripts").mkdir()
    monkeypatch.setenv("NMAPDIR", str(tmp_path))
    return tmp_path / "scripts" / "script.db"


@given(st.sets(st.sampled_from(["safe", "default", "discovery", "version", *sorted(FORBIDDEN)])))
def test_one_bad_category_suffices_whatever_the_others_say(categories: set[str]) -> None:
    harmless = "safe" in categories and not categories & FORBIDDEN
    assert (objection("ssl-cert", categories) == "") == harmless


def test_what_we_deny_is_denied_although_nmap_calls_it_safe() -> None:
    for name in (*DENIED, "snmp-info", "targets-xml", "dns-recursion"):
        assert objection(name, {"safe"}) != ""
    assert not MEASURED & set(DENIED)


def test_a_script_of_a_bad_category_is_refused_with_its_categories(database: Path) -> None:
    database.write_text(entry("ssl-cert", "default", "safe") + entry("smb-x", "safe", "vuln"))
    require_safe(("ssl-cert",), NOWHERE)
    with pytest.raises(Refused) as refused:
        require_safe(("ssl-cert", "smb-x"), NOWHERE)
    assert "smb-x is not run: nmap counts it among vuln" in refused.value.what
    assert "safe, vuln" in refused.value.what
    assert "leave it out" in str(refused.value.hint)
    with pytest.raises(Refused, match="is not in nmap's script database"):
        require_safe(("vuln",), NOWHERE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        entry("ssl-cert", "safe") * 2,
        entry("ssl-cert", "safe")[:-6],
        entry("ssl-cert"),
        entry("ssl-cert", "safe") + "os.execute('id')\n",
        entry("../ssl-cert", "safe"),
    ],
)
def test_an_odd_database_is_an_error_only_where_scripts_are_asked_for(
    text: str, database: Path
) -> None:
    database.write_text(text)
    require_safe((), NOWHERE)
    with pytest.raises(ToolError, match="script database cannot be used") as error:
        require_safe(("ssl-cert",), NOWHERE)
    assert "script-updatedb" in str(error.value.hint)


def test_the_installed_database_is_read_whole() -> None:
    text = Path("/usr/share/nmap/scripts/script.db").read_text()
    known = read_database(text)
    assert len(known) == len(text.splitlines())
    assert [objection(name, known[name]) for name in sorted(MEASURED)] == [""] * len(MEASURED)
    assert objection("http-vuln-cve2017-5638", known["http-vuln-cve2017-5638"]) != ""


def test_what_was_not_measured_counts_like_the_most_expensive_that_was() -> None:
    assert version_packets(2, ("ssl-cert", "redis-info")) >= version_packets(2, ("ssh-hostkey",))
