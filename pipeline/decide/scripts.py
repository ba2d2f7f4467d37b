"""Which of nmap's scripts may be run: those that its own database calls safe, less some of ours.

A script has several categories, and one that is not to be run suffices to refuse it, whatever the
others say: ``safe`` stands beside ``vuln`` for many. What is on our own list asks others than the
target, asks too much, logs in, or reads what was not meant for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

REQUIRED: Final = "safe"
FORBIDDEN: Final = frozenset(
    {"auth", "broadcast", "brute", "dos", "exploit", "external", "fuzzer", "intrusive", "malware"}
    | {"vuln"}
)
"""Categories of nmap of which no script is run, also where it calls the script safe."""
MEASURED: Final = frozenset({"banner", "http-title", "ssh-hostkey", "ssl-cert"})
"""Scripts of which it was measured how much they send."""

_ELSEWHERE: Final = "it asks others than the target"
_MUCH: Final = "it sends many requests"
_CONTENT: Final = "it reads what a service holds, and not what it says of itself"
_CHANGES: Final = "it may change something"
_GUESS: Final = "it guesses a community or logs in"
DENIED: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("ftp-bounce", "fcrdns", "resolveall", "ip-forwarding"), _ELSEWHERE),
        **dict.fromkeys(("socks-auth-info", "url-snarf", "ip-geolocation-map-kml"), _ELSEWHERE),
        **dict.fromkeys(("bitcoin-getaddr", "quake3-master-getservers"), _ELSEWHERE),
        **dict.fromkeys(("ssl-enum-ciphers", "http-backup-finder", "http-grep"), _MUCH),
        **dict.fromkeys(("http-comments-displayer", "http-auth-finder"), _MUCH),
        **dict.fromkeys(
            ("http-useragent-tester", "http-referer-checker", "http-traceroute"), _MUCH
        ),
        **dict.fromkeys(("http-sap-netweaver-leak", "http-mobileversion-checker"), _MUCH),
        **dict.fromkeys(("firewalk", "ipidseq", "qscan", "path-mtu", "p2p-conficker"), _MUCH),
        **dict.fromkeys(("http-methods", "http-cors", "ajp-methods", "rdp-enum-encryption"), _MUCH),
        **dict.fromkeys(("http-ls", "http-fetch", "ajp-request", "http-svn-enum"), _CONTENT),
        **dict.fromkeys(("afp-ls", "nfs-ls", "smb-ls", "gopher-ls", "finger", "rusers"), _CONTENT),
        **dict.fromkeys(("ldap-search", "ldap-novell-getpass", "mqtt-subscribe"), _CONTENT),
        **dict.fromkeys(("couchdb-databases", "mongodb-databases", "tn3270-screen"), _CONTENT),
        **dict.fromkeys(("daap-get-library", "http-qnap-nas-info", "oracle-tns-poison"), _CONTENT),
        **dict.fromkeys(("nat-pmp-mapport", "dhcp-discover"), _CHANGES),
        **dict.fromkeys(("ms-sql-query", "ms-sql-tables", "ms-sql-config", "ms-sql-dac"), _GUESS),
        **dict.fromkeys(("mysql-audit", "omp2-enum-targets"), _GUESS),
    }
)
"""Scripts that nmap calls safe and that are not run here, and why."""
_DENIED_KINDS: Final = (("snmp-", _GUESS), ("targets-", _ELSEWHERE), ("dns-", _ELSEWHERE))
_ENTRY: Final = re.compile(
    r'Entry \{ filename = "([a-z0-9][a-z0-9._-]*)\.nse", categories = \{ '
    r'((?:"[a-z0-9-]+", ?)+)\} \}'
)


def denied(name: str) -> str:
    """Why a script that nmap calls safe is not run; empty where nothing speaks against it."""
    for start, why in _DENIED_KINDS:
        if name.startswith(start):
            return why
    return DENIED.get(name, "")


def objection(name: str, categories: Collection[str]) -> str:
    """What speaks against a script of these categories; empty where nothing does."""
    if why := denied(name):
        return why
    bad = sorted(FORBIDDEN & set(categories))
    if bad:
        return f"nmap counts it among {', '.join(bad)}"
    if REQUIRED not in categories:
        return "nmap does not call it safe"
    return ""


def read_database(text: str) -> Mapping[str, frozenset[str]]:
    """Script -> categories, from nmap's ``script.db``.

    Raises ``ValueError`` with the number of the first line that is not as nmap writes it, or when a
    script is listed twice: half a database could hide why a script must not be run.
    """
    found: dict[str, frozenset[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            raise ValueError(f"line {number} is not an entry of a script")
        name, categories = entry[1], frozenset(re.findall(r'"([a-z0-9-]+)"', entry[2]))
        if name in found:
            raise ValueError(f"line {number} lists {name} a second time")
        found[name] = categories
    if not found:
        raise ValueError("it lists no script")
    return found
