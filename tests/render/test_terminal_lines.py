from __future__ import annotations

import subprocess
import sys
from unicodedata import category

from pipeline.model import ChangeKind
from pipeline.render.terminal import VERDICT_COLUMNS, endpoint_story, verdict_table
from tests.render import documents


def test_the_story_of_an_endpoint_is_its_evidence_and_then_what_it_adds_up_to() -> None:
    assert endpoint_story(documents.unresolved("10.80.2.20:5432")) == [
        "10.80.2.20:5432/tcp",
        "  2026-11-03 02:00:12Z  masscan SYN scan (discovery): open (syn-ack; TTL 63)",
        "  2026-11-03 02:01:00Z  nmap SYN scan (corroboration): closed (reset)",
        "  2026-11-03 02:01:04Z  nmap connect scan (corroboration): open (syn-ack)",
        "  2026-11-03 02:01:10Z  handshake, then listening (corroboration): no answer "
        "(no-response)",
        "  2026-11-03 02:36:30Z  nmap SYN scan (re-scan 2): closed (reset)",
        "  2026-11-03 02:36:34Z  nmap connect scan (re-scan 2): open (syn-ack)",
        "  => unresolved (methods-disagree), confidence 50 %",
        "     The re-scans are used up and the methods still disagree.",
    ]


def test_the_story_tells_banner_service_scripts_names_and_change() -> None:
    story = endpoint_story(
        documents.confirmed(
            "10.80.1.7:443",
            documents.NGINX,
            "HTTP/1.1 400\r\n",
            change=ChangeKind.OPENED,
            names=("www.example.test",),
        )
    )
    assert story[0] == "10.80.1.7:443/tcp (www.example.test)"
    assert '                        "HTTP/1.1 400\\r\\n"' in story
    assert "     service: ssl/http nginx 1.25.3" in story
    assert "       Subject: commonName=www.example.test" in story
    assert story[-1] == "     since the last run: opened"


def test_an_endpoint_that_nobody_observed_has_a_story_too() -> None:
    assert endpoint_story(documents.unknown("10.80.3.9:161")) == [
        "10.80.3.9:161/tcp",
        "  no observation",
        "  => unknown (gave-up), confidence 0 %",
        "     The tool gave up on it: there is no evidence.",
    ]


def test_the_table_has_a_row_for_each_finding_and_one_for_each_crowd() -> None:
    rows = verdict_table(documents.small())
    assert all(len(row) == len(VERDICT_COLUMNS) for row in rows)
    assert [row[1] for row in rows] == [
        "confirmed",
        "confirmed",
        "confirmed",
        "likely",
        "transient",
        "unresolved",
        "artefact",
        "artefact",
        "refuted",
        "filtered",
        "unknown",
    ]
    assert ("10.80.3.40: 30 tcp ports", "artefact", "", "control-ports-answer", "", "", "") in rows


def test_no_hostile_text_reaches_the_terminal_as_it_came() -> None:
    document = documents.hostile()
    lines = [line for finding in document.findings for line in endpoint_story(finding)]
    lines += [cell for row in verdict_table(document) for cell in row]
    assert all(category(c)[0] != "C" for line in lines for c in line)
    assert max(map(len, lines)) < 700
    assert len(lines) < 600


def test_the_lines_need_no_terminal_library() -> None:
    code = "import sys, pipeline.render.terminal; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
