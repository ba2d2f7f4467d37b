"""Which words may stay in an anonymised copy: only those that are in these lists.

Everything that came from a network, from somebody's file or from the engagement can hold a name.
So no text stays because it looks harmless; it stays when it is one of ours, or one that hundreds
of thousands of hosts share.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.decide import reasons
from pipeline.decide.completeness import A_SAMPLE_ASSUMES, TWO_PASSES_ASSUME
from pipeline.decide.deviations import EXPECTED
from pipeline.decide.throttle import Sign
from pipeline.decide.verdict import SOME_REFUSED
from pipeline.model import Method

LEFT_OUT: Final = "left out"

CODES: Final = frozenset(reasons.EXPLANATIONS) | {
    *(EXPECTED, SOME_REFUSED, "probed", "table", "ssl", "reset", "conn-refused", "no-response"),
    *("syn-ack", "syn", "udp-response", "tcp-response", "net-unreach", "host-unreach"),
    *("port-unreach", "proto-unreach", "dest-unreach", "net-prohibited", "host-prohibited"),
    *("admin-prohibited", "time-exceeded", "no-route", "beyond-scope", "reject-route"),
    *("echo-reply", "arp-response", "localhost-response", "user-set", "not-admitted"),
}
"""Reasons of verdicts, changes and answers, and how a service was found."""

EVENTS: Final = frozenset(
    {"note", "paused", "continued", "stopped", "blocked", "throttle", "refused", "foreign"}
    | {"retry", "failed", "begun", "resumed", "recovered", "engagement", "notice", "lifted"}
    | {"purged", "canary", "window", "interrupted", "scans"}
)
FORMATS: Final = frozenset(
    {"nmap", "nmap-xml", "masscan", "masscan-json", "masscan-xml", "masscan-list", "json", "xml"}
    | {"masscan-binary", "portproof", "portproof-json", "csv", "yaml", "ansible", "text", "netbox"}
    | {"nmap XML", "masscan JSON", "masscan list", "masscan binary", "portproof JSON", "grepable"}
)
TOOLS: Final = frozenset({"nmap", "masscan", "portproof", "Nessus", "OpenVAS", "Nuclei", "python"})

_SERVICES: Final = """ftp ftps ssh telnet smtp smtps submission domain dns dhcps tftp http
    https http-proxy http-alt https-alt pop3 pop3s imap imaps nntp ntp snmp ldap ldaps
    kerberos-sec kpasswd5 microsoft-ds netbios-ns netbios-dgm netbios-ssn msrpc ms-wbt-server
    ms-sql-s ms-sql-m mysql mysqlx postgresql oracle-tns oracle mongodb mongod redis memcached
    memcache couchdb cassandra elasticsearch rabbitmq amqp mqtt zookeeper kafka etcd consul vnc
    vnc-http x11 rdp nfs mountd rpcbind nlockmgr status rsync iscsi ipp printer jetdirect lpd
    socks5 socks4 squid-http pptp openvpn isakmp l2tp sip sips rtsp upnp mdns llmnr ssdp wsdapi
    syslog docker git svn ajp13 ajp12 java-rmi rmiregistry jdwp websocket irc xmpp-client
    xmpp-server jabber finger ident whois radius tacacs modbus s7 iso-tsap bacnet dnp3 enip fox
    opcua ethernetip pcworx ssl tcpwrapped unknown winrm wsman cups pgbouncer netconf bgp zabbix
    nagios nrpe snmptrap rexec rlogin rsh login shell exec echo discard daytime chargen time
    qotd afp dict gopher imap4-ssl smb"""
SERVICES: Final = frozenset(_SERVICES.split())
"""nmap's names of services; others could be what somebody calls a program of their own."""

_PRODUCTS: Final = """Apache httpd|Apache Tomcat
|Apache Tomcat/Coyote JSP engine|nginx|OpenSSH|vsftpd
|ProFTPD|Pure-FTPd|FileZilla ftpd|Microsoft ftpd|Microsoft IIS httpd|Microsoft HTTPAPI httpd
|Microsoft Windows RPC|Microsoft Windows netbios-ssn|Microsoft Terminal Services|Microsoft DNS
|Microsoft SQL Server|Microsoft Exchange smtpd|Microsoft Windows Active Directory LDAP
|Microsoft Windows Kerberos|Samba smbd|lighttpd|Caddy httpd|Jetty|HAProxy http proxy
|Squid http proxy
|Varnish|Dropbear sshd|Cisco SSH|MySQL|MariaDB|PostgreSQL DB|MongoDB|Redis key-value store|Memcached
|Elasticsearch REST API|CouchDB httpd|RabbitMQ|Postfix smtpd|Exim smtpd|Sendmail|Dovecot imapd
|Dovecot pop3d|Courier Imapd|Cyrus imapd|ISC BIND|dnsmasq|Unbound|OpenLDAP|PowerDNS|NSD|VNC|RealVNC
|TightVNC|Golang net/http server|Node.js Express framework|Node.js|Python http.server
|SimpleHTTPServer|Werkzeug httpd|gunicorn|uvicorn|Docker|Kubernetes|Grafana|Jenkins|GitLab
|Oracle WebLogic Server|JBoss|CUPS|NTP|net-snmp|SNMPv1 server|MikroTik|MiniServ|Zabbix|OpenVPN
|strongSwan|Mosquitto|Eclipse Mosquitto|etcd|InfluxDB http admin|HashiCorp Consul agent
|Prometheus"""
PRODUCTS: Final = {
    name.strip().casefold(): name.strip() for name in _PRODUCTS.replace("\n", "").split("|")
}
"""What many run. Others are left out: nmap fills some names from what the service itself said."""

_VERSION: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,5}){0,3}(?:[a-z][0-9]{0,2})?(?![0-9A-Za-z])")
_ADDRESS: Final = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")


def version_of(text: str) -> str:
    """The number in front, at most four parts; nothing where it could be an address."""
    found = _VERSION.match(text)
    if found is None or _ADDRESS.match(text):
        return ""
    return found[0]


# --- sentences of ours --------------------------------------------------------------------------

_SENTENCES: Final = (
    *(*A_SAMPLE_ASSUMES, *TWO_PASSES_ASSUME),
    "{ranges}, {ports}",
    "{ranges}, asked by {method}",
    "refused: {ranges}, {ports}",
    "refused: {ranges} ({any}), {ports}",
    "belongs to {any}",
    "service versions",
    "version probes are switched off",
    "the run stopped before these were swept",
    "no longer in the scope",
    "complete",
    "interrupted",
    "stopped",
    "not-admitted",
    "host timed out",
    "host missing in the output",
    "nmap gave up on the port",
    "local-failure: {any}",
    "{tool} did not end before its deadline and was stopped",
    "{tool} was stopped",
    "{tool} was ended by signal {n}",
    "{tool} exited with {n}: {any}",
    "{tool} wrote no output",
    "{tool}'s output is cut off",
    "{tool} was interrupted before it had sent everything",
    "it was stopped at the close of the window, and no window is long enough for it",
    "no window is open; the next one opens {time} UTC",
    "a window is open again",
    "the window has closed; the next one opens {time} UTC",
    "canaries fell silent, or something answers for them, in {ranges}: it is waited for, and then "
    "asked gently",
    "{sign}: {n}% of the rate from now on",
    "task {n} was not sent: {any}",
    "task {n} will be asked again: {any}",
    "task {n} failed: {any}",
    "task {n}: {method} reported {n} endpoint(s) that nobody asked about, dropped: {any}",
    "the scope differs: {n} addresses more and {n} less than before",
    "the ports differ: {any} before, {any} now; {n} more and {n} less than before",
    "versions were asked for before and not now: nobody knows which services changed",
    "versions are asked for now and were not before: nobody knows which services changed",
    "the methods differ: {any} before, {any} now",
    "the vantage differs: {any} before, {any} now",
    "the profile differs: {any} before, {any} now",
    "the rate differs: {n} before, {n} now",
    "the tools differ: {any} before, {any} now",
    "Everything that was asked was called open.",
    "No endpoint of the sample got a settled second look.",
    "A pass that found nothing says nothing about what there is.",
    "Both passes found {n} of the same endpoints; below {n} any number would be a guess.",
    "The two passes are not independent: what one cannot see, the other cannot either, and their "
    "overlap says nothing about it.",
    "The port is likely open, which is not proven; if it is, this holds.",
    "The port was not open every time it was asked; while it is, this holds.",
    "The service was not identified: this goes by the number of the port alone. Find out what "
    "listens there first.",
    "One step up from {severity}: criticality is {severity}.",
    "One step down from {severity}: criticality is {severity}.",
)
_NUMBER: Final = r"(?<![0-9.])[0-9]{1,3}(?:,?[0-9]{3}){0,4}(?![0-9.,])"
_PORTS: Final = rf"all ports|ports [0-9,-]{{1,60}}|{_NUMBER} ports|ports? {_NUMBER}"
_SLOTS: Final = {
    "any": r".+",
    "ranges": r"[0-9a-f.:/-]+(?:, [0-9a-f.:/-]+)*(?: and [0-9]+ more ranges)?",
    "ports": _PORTS,
    "method": "|".join(Method),
    "tool": "nmap|masscan",
    "sign": "|".join(Sign),
    "n": _NUMBER,
    "severity": "critical|high|medium|low|info|normal",
    "time": r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})?",
}
_SLOT: Final = re.compile(r"\{([a-z]+)\}")
_MORE: Final = re.compile(r"( and [0-9]+ more ranges)$")


def _compiled(template: str) -> tuple[re.Pattern[str], tuple[str, ...], tuple[str, ...]]:
    """What it matches, the names of its slots, and the words around these."""
    parts = _SLOT.split(template)
    fixed, names = tuple(parts[::2]), tuple(parts[1::2])
    slots = [f"({_SLOTS[name]})" for name in names]
    both = "".join(re.escape(a) + b for a, b in zip(fixed, [*slots, ""], strict=True))
    return re.compile(both, re.DOTALL), names, fixed


_TEMPLATES: Final = tuple(map(_compiled, _SENTENCES))


def sentence_of(text: str, veiled: Callable[[AddressSet], AddressSet]) -> str:
    """A sentence of ours with its addresses ``veiled`` and without what others put into it.

    What is no sentence of ours is left out whole; nothing stays nothing.
    """
    if not text:
        return ""
    for pattern, names, fixed in _TEMPLATES:
        found = pattern.fullmatch(text)
        if found is None:
            continue
        with contextlib.suppress(ValueError):
            told = [_told(n, t, veiled) for n, t in zip(names, found.groups(), strict=True)]
            return "".join(chain(*zip_longest(fixed, told, fillvalue="")))
    return LEFT_OUT


def _told(name: str, text: str, veiled: Callable[[AddressSet], AddressSet]) -> str:
    """What stands in a slot. Raises ``ValueError`` for ranges that are none."""
    if name == "any":
        return LEFT_OUT
    if name != "ranges":
        return text
    more = _MORE.search(text)
    known = text[: more.start()] if more else text
    found = veiled(AddressSet.parse(known.split(", "))).texts()
    return ", ".join(found) + (more[0] if more else "")
