"""What about the service behind an endpoint is not as it was, each difference by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.model import Service

# As ssh-hostkey writes them: `  2048 aa:bb:…:ff (RSA)` or `  256 SHA256:abc… (ED25519)`.
_HOST_KEY: Final = re.compile(r"^\s*\d+ +(\S+) +\(([A-Za-z0-9-]+)\)\s*$", re.MULTILINE)
# As ssl-cert writes them; how much of it depends on how talkative nmap was.
_CERTIFICATE: Final = re.compile(
    r"^\s*(Subject|Issuer|Not valid before|Not valid after|SHA-1|SHA-256): *(.*?)\s*$", re.MULTILINE
)
_FINGERPRINTS: Final = ("SHA-256", "SHA-1")
_TOLD: Final = ("Subject", "Issuer", "Not valid before", "Not valid after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that was ``before`` and is ``after``; both are hostile texts, empty for none.

    ``what`` is ``name``, ``product``, ``version``, ``tunnel``, ``cpe``, ``certificate`` or
    ``host key``.
    """

    what: str
    before: str
    after: str


def service_differences(old: Service | None, new: Service | None) -> tuple[Difference, ...]:
    """How two services differ; nothing unless the version probes of both recognised one.

    A certificate and host keys count where both sides have them: scripts do not always run.
    """
    if old is None or new is None or old.method != "probed" or new.method != "probed":
        return ()
    return tuple(_differences(old, new))


def _differences(old: Service, new: Service) -> Iterator[Difference]:
    pairs = (
        ("name", old.name, new.name),
        ("product", old.product, new.product),
        ("version", old.version, new.version),
        ("tunnel", old.tunnel, new.tunnel),
    )
    for what, before, after in pairs:
        if before != after:
            yield Difference(what=what, before=before, after=after)
    if set(old.cpes) != set(new.cpes):
        yield Difference(
            what="cpe", before=", ".join(sorted(old.cpes)), after=", ".join(sorted(new.cpes))
        )
    was, now = certificate(old), certificate(new)
    if was and now and not _same_certificate(was, now):
        yield Difference(what="certificate", before=_name(was), after=_name(now))
    keys, others = host_keys(old), host_keys(new)
    if another_key(keys, others):
        yield Difference(what="host key", before=_keys(keys), after=_keys(others))


def certificate(service: Service) -> dict[str, str]:
    """The fields of the certificate that nmap's ``ssl-cert`` told; empty without one."""
    output = dict(service.scripts).get("ssl-cert", "")
    found: dict[str, str] = {}
    for name, value in _CERTIFICATE.findall(output):
        found.setdefault(name, value)
    return found


def same_subject(old: Service, new: Service) -> bool:
    """True when both certificates are made out to the same: then it was only renewed."""
    return certificate(old).get("Subject") == certificate(new).get("Subject")


def _same_certificate(old: dict[str, str], new: dict[str, str]) -> bool:
    for name in _FINGERPRINTS:
        if name in old and name in new:
            return old[name].replace(" ", "") == new[name].replace(" ", "")
    return all(old[name] == new[name] for name in _TOLD if name in old and name in new)


def _name(fields: dict[str, str]) -> str:
    until = fields.get("Not valid after", "")
    return fields.get("Subject", "") + (f" until {until}" if until else "")


def host_keys(service: Service) -> dict[str, str]:
    """Type to fingerprint of the host keys that nmap's ``ssh-hostkey`` told."""
    output = dict(service.scripts).get("ssh-hostkey", "")
    return {kind: fingerprint for fingerprint, kind in _HOST_KEY.findall(output)}


def another_key(old: dict[str, str], new: dict[str, str]) -> bool:
    """True when both have host keys of the same types, and none of these is the same."""
    common = old.keys() & new.keys()
    return bool(common) and all(old[kind] != new[kind] for kind in common)


def _keys(keys: dict[str, str]) -> str:
    return ", ".join(f"{keys[kind]} ({kind})" for kind in sorted(keys))
