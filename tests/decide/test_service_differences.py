"""Each difference between two services by its name, and machines told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.decide.identity import IdentityKind, identities
from pipeline.decide.services import Difference, service_differences
from pipeline.model import Endpoint, Service, Verdict, VerdictKind
from tests.decide.making import GUESSED, PROBED, endpoints, verdict

HERE, BESIDE, THERE = endpoints("192.0.2.7:22", "192.0.2.7:443", "192.0.2.9:22")
CERTIFICATE = """\
Subject: commonName={name}
Issuer: commonName=Example CA
Public Key type: rsa
Not valid before: 2026-01-01T00:00:00
Not valid after:  {until}T00:00:00
SHA-1: {print}"""


def keys(*pairs: tuple[str, str]) -> Service:
    told = "\n".join(f"  256 {fingerprint} ({kind})" for kind, fingerprint in pairs)
    return replace(PROBED, scripts=(("ssh-hostkey", f"\n{told}"),))


def certified(name: str = "a.example", until: str = "2027-01-01", print_: str = "ab cd") -> Service:
    text = CERTIFICATE.format(name=name, until=until, print=print_)
    return replace(PROBED, scripts=(("ssl-cert", text),))


def found(where: Endpoint, service: Service) -> dict[Endpoint, Verdict]:
    return {where: verdict(VerdictKind.CONFIRMED, where, service=service)}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (PROBED, replace(PROBED, name="telnet"), "name"),
        (PROBED, replace(PROBED, product="Dropbear"), "product"),
        (PROBED, replace(PROBED, version="9.6"), "version"),
        (replace(PROBED, tunnel="ssl"), PROBED, "tunnel"),
        (PROBED, replace(PROBED, cpes=("cpe:/a:x:y",)), "cpe"),
        (certified(), certified(until="2028-01-01", print_="ef 01"), "certificate"),
        (keys(("RSA", "aa:bb")), keys(("RSA", "cc:dd")), "host key"),
    ],
)
def test_a_difference_has_a_name(old: Service, new: Service, what: str) -> None:
    (there,) = service_differences(old, new)
    assert there.what == what
    (back,) = service_differences(new, old)
    assert back == Difference(what=what, before=there.after, after=there.before)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PROBED, PROBED),
        (PROBED, None),
        (PROBED, replace(GUESSED, name="http")),
        (PROBED, certified()),
        (certified(), certified(print_="ABCD".lower())),
        (keys(("RSA", "aa:bb")), keys(("RSA", "aa:bb"), ("ED25519", "SHA256:x"))),
        (keys(("RSA", "aa:bb")), keys(("ECDSA", "cc:dd"))),
    ],
)
def test_what_only_one_side_knows_is_no_difference(old: Service, new: Service | None) -> None:
    assert service_differences(old, new) == ()


def test_a_certificate_is_told_by_whom_it_is_for_and_until_when() -> None:
    (one,) = service_differences(certified(), certified(name="b.example", print_="ef"))
    assert one.before == "commonName=a.example until 2027-01-01T00:00:00"
    assert one.after == "commonName=b.example until 2027-01-01T00:00:00"


def test_an_address_whose_host_keys_are_all_others_is_another_machine() -> None:
    old, new = found(HERE, keys(("RSA", "aa:bb"))), found(HERE, keys(("RSA", "cc:dd")))
    (note,) = identities(old, new)
    assert (note.kind, note.address) == (IdentityKind.ANOTHER_MACHINE, HERE.address)
    assert identities(old, old) == ()


def test_a_host_key_outweighs_a_certificate() -> None:
    old = found(HERE, keys(("RSA", "aa:bb"))) | found(BESIDE, certified())
    new = found(HERE, keys(("RSA", "aa:bb"))) | found(BESIDE, certified(name="b", print_="ef"))
    assert identities(old, new) == ()


def test_a_certificate_for_somebody_else_is_another_machine_and_a_renewed_one_is_not() -> None:
    old = found(BESIDE, certified())
    (note,) = identities(old, found(BESIDE, certified(name="b.example", print_="ef")))
    assert note.endpoints == (BESIDE,)
    assert identities(old, found(BESIDE, certified(until="2028-01-01", print_="ef"))) == ()


def test_a_host_key_at_another_address_is_a_machine_that_moved() -> None:
    key = keys(("ED25519", "SHA256:x"))
    (note,) = identities(found(HERE, key), found(THERE, key))
    assert (note.kind, note.address, note.came_from) == (
        IdentityKind.MOVED,
        THERE.address,
        HERE.address,
    )


def test_a_host_key_that_two_machines_share_tells_of_no_move() -> None:
    key = keys(("ED25519", "SHA256:x"))
    assert identities(found(HERE, key), found(HERE, key) | found(THERE, key)) == ()
