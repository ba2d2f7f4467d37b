"""The examples of deliveries are sound: engagements load, the few lines verify, rsyslog agrees."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.deliveries.webhook import SIGNATURE, TIMESTAMP, signature
from pipeline.engagement import load
from tests.cli.ground import engage
from tests.deliveries.conftest import Certificates
from tests.docs.pages import DOCS, Block, blocks

PAGES = ("syslog", "ecs", "splunk", "webhook", "defectdojo")


def of(language: str, holds: str = "") -> list[Block]:
    read = [block for name in PAGES for block in blocks(DOCS / "integrations" / f"{name}.md")]
    return [block for block in read if block.language == language and holds in block.text]


def test_every_destination_of_the_pages_is_sound(tmp_path: Path) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [80])
    sound = path.read_text()
    for name in ("siem-ca.pem", "portproof.pem", "portproof.key"):
        (tmp_path / name).write_text("")
    names = []
    for block in of("yaml"):
        path.write_text(sound + block.text)
        (destination,) = load(path).deliveries
        names.append(destination.name)
    assert names == ["siem", "search", "splunk", "hook", "dojo"]


def test_the_lines_of_the_page_verify_a_signature_and_nothing_else() -> None:
    (block,) = of("python")
    found: dict[str, Callable[[bytes, Mapping[str, str], bytes], bool]] = {}
    exec(block.text, found)  # what it defines is what we call
    is_genuine = found["is_genuine"]
    now = int(time.time())

    def headers(at: int) -> dict[str, str]:
        return {TIMESTAMP: str(at), SIGNATURE: signature("key", at, b"body")}

    assert is_genuine(b"key", headers(now), b"body")
    assert not is_genuine(b"key", headers(now), b"another body")
    assert not is_genuine(b"another key", headers(now), b"body")
    assert not is_genuine(b"key", headers(now - 3600), b"body")
    assert not is_genuine(b"key", headers(now) | {TIMESTAMP: str(now + 1)}, b"body")


@pytest.mark.parametrize("broken", [False, True])
def test_rsyslog_agrees_with_the_configuration_of_the_page(
    certificates: Certificates, tmp_path: Path, broken: bool
) -> None:
    (block,) = of("text", "imtcp")
    text = block.text.replace("/etc/rsyslog.d/ca.pem", str(certificates.authority))
    for name, path in (
        ("server.pem", certificates.server),
        ("server.key", certificates.server.with_suffix(".key")),
    ):
        text = text.replace(f"/etc/rsyslog.d/{name}", str(path))
    text += f'action(type="omfile" file="{tmp_path}/out")\n'
    configuration = tmp_path / "rsyslog.conf"
    configuration.write_text(
        text.replace("streamDriver.mode", "streamDriver.mood") if broken else text
    )
    done = subprocess.run(
        ("rsyslogd", "-N1", "-f", str(configuration)), capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == broken, done.stderr
