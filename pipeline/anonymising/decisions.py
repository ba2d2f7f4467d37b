"""What becomes of each field of a run in an anonymised copy: one decision for every field.

This is a list of what may stay. What nobody decided about is dropped, and a test tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.anonymising import harmless
from pipeline.anonymising.treatments import (
    Treatment,
    authorisation,
    command,
    cves,
    digest,
    name,
    networks,
    nothing,
    numbers_only,
    one_of,
    policy,
    ports,
    profile,
    scripts,
    sentence,
    tools,
    unsaid,
    version,
    within,
    words,
)

_CODE: Final = one_of(harmless.CODES, "other")
_KIND: Final = one_of(harmless.FORMATS, "other")


def _all(names: str, treatment: Treatment = within) -> dict[str, Treatment]:
    return dict.fromkeys(names.split(), treatment)


DECISIONS: Final[Mapping[str, Mapping[str, Treatment]]] = {
    "RunDocument": {
        **_all("state started ended addresses port_count udp_port_count packets rescan_delays"),
        **_all("findings gaps holes tasks events comparison imported neighbourhoods refusals"),
        **_all("completeness audit trends deviations third_parties act_on against_baseline"),
        **_all("assets conduct others baseline_run"),
        "run": name("run"),
        "client": name("client"),
        "engagement": name("engagement"),
        "vantage": name("vantage"),
        "profile": profile,
        "portproof_version": version,
        "authorisation": authorisation,
        "limits": numbers_only,
        "tools": tools,
        "scope_included": networks,
        "scope_excluded": networks,
        "ports": ports,
        "branding": nothing,
        "risk_policy": policy,
        "risk_note": digest,
    },
    "Finding": {
        **_all("verdict observations change first_seen risks asset known"),
        "names": name("host"),
    },
    "Verdict": {**_all("endpoint kind confidence observations service"), "reason": _CODE},
    "Endpoint": _all("address protocol port"),
    "Service": {
        **_all("confidence"),
        "name": one_of(harmless.SERVICES, "other"),
        "product": one_of(harmless.PRODUCTS),
        "version": version,
        "extra": nothing,
        "tunnel": _CODE,
        "hostname": nothing,
        "method": _CODE,
        "cpes": nothing,
        "scripts": nothing,
        "banner": words,
    },
    "Observation": {
        **_all("endpoint method purpose state time round ttl source_port aftermath service task"),
        "number": within,
        "reason": _CODE,
        "banner": words,
    },
    "Change": {
        **_all("endpoint kind confidence before after"),
        "reason": _CODE,
        "note": nothing,
    },
    "Risk": {
        **_all("severity base concern zone proof guessed assumed"),
        "title": nothing,
        "why": nothing,
        "remediation": nothing,
        "references": unsaid,
        "rule": name("rule"),
        "policy": policy,
        "because": nothing,
        "remarks": sentence,
    },
    "Asset": {
        **_all("listing zone criticality expected must"),
        "name": name("asset"),
        "owner": name("owner"),
        "environment": name("environment"),
        "sources": name("file"),
    },
    "Ports": _all("tcp udp"),
    "Known": {
        **_all("severity cvss scanners first_seen last_seen published"),
        "title": nothing,
        "cves": cves,
        "idents": nothing,
    },
    "Gap": {**_all("endpoints"), "what": sentence, "why": sentence},
    "Hole": {**_all("address ports"), "reason": sentence},
    "TaskRecord": {
        **_all("number task state attempt failures started ended rate"),
        "outcome": sentence,
        "argv": command,
        "evidence": nothing,
        "evidence_sha256": digest,
    },
    "Task": {
        **_all("batch stage method purpose targets protocol ports round not_before pace"),
        "vantage": name("vantage"),
    },
    "Event": {
        **_all("time"),
        "kind": one_of(harmless.EVENTS, "other"),
        "text": sentence,
    },
    "Comparison": {
        **_all("against_started changes suppressed expired"),
        "against": name("run"),
        "differences": sentence,
    },
    "Suppressed": _all("change by"),
    "Suppression": {
        **_all("until protocol ports kinds"),
        "reason": digest,
        "until_text": digest,
        "addresses": unsaid,
    },
    "ImportedFile": {
        **_all("started ended size"),
        "name": name("file"),
        "sha256": digest,
        "format": _KIND,
        "version": version,
        "tool": one_of(harmless.TOOLS, "other"),
        "arguments": digest,
        "problem": digest,
    },
    "Neighbourhoods": _all("hosts networks"),
    "HostRecord": {
        **_all("address protocol asked opened refused silent controls standing answer_ttls"),
        **_all("refusal_ttls answered_within wavering"),
        "banner": words,
    },
    "HostFacts": {**_all("asked open_ refused refusal_ttls aftermaths loss"), "banners": words},
    "Standing": _all("checks answered_before pretends"),
    "Check": _all("round time mood"),
    "NetworkRecord": {
        **_all("network protocol hosts asked opened refused silent turns searches suspicion"),
        **_all("gentle pace"),
    },
    "Turn": _all("mood hosts after noticed until ports rate rate_here"),
    "Search": _all("number found missed rate_here"),
    "Refusals": _all("address ports"),
    "Completeness": _all("sample passes"),
    "Bound": {**_all("sampled found negatives share missed level"), "assumptions": sentence},
    "Estimate": {
        **_all("first second both total low high level"),
        "assumptions": sentence,
    },
    "NoEstimate": {**_all("why both"), "sentence": sentence},
    "AuditHead": {**_all("lines signed"), "sha256": digest},
    "Trends": _all("runs stays"),
    "RunTrend": {
        **_all("started confirmed likely new newly_covered gone not_covered"),
        "run": name("run"),
    },
    "Stays": _all("periods whole ended still_open begun_before open_time mean_whole mean"),
    "Deviations": {
        **_all("changes suppressed expired"),
        "file": name("file"),
        "sha256": digest,
    },
    "ThirdParties": _all("files refused cleared"),
    "RangeFile": {
        **_all("prefixes dated"),
        "name": name("file"),
        "sha256": digest,
        "format": _KIND,
        "date_from": digest,
        "providers": name("provider"),
    },
    "Refused": {
        **_all("addresses"),
        "provider": name("provider"),
        "file": name("file"),
        "why": digest,
        "names": name("host"),
    },
    "Cleared": {
        **_all("addresses"),
        "provider": name("provider"),
        "policy": digest,
        "since": digest,
        "approval": name("reference"),
    },
    "AssetsTold": {**_all("sources disagreements"), "sha256": digest},
    "AssetSource": {
        **_all("entries"),
        "name": name("file"),
        "kind": _KIND,
        "sha256": digest,
        "note": digest,
    },
    "Disagreements": _all("strangers ports untold"),
    "Stranger": _all("address listing open_"),
    "Conduct": {
        **_all("authorised_from authorised_until openings rate rate_per_host methods speaks"),
        **_all("control_ports fragile_ports evidence raw_expires redactions"),
        "scripts": scripts,
        "engagement_sha256": digest,
    },
    "Correlation": _all("files known hosts blind unseen doubted unasked"),
    "ScanFile": {
        **_all("scanner started ended size findings outside nameless"),
        "name": name("file"),
        "sha256": digest,
        "version": version,
        "problem": digest,
    },
    "BlindSpot": _all("endpoint looked"),
    "Doubted": _all("endpoint gone known"),
}
"""By the name of the class, and of its field."""
