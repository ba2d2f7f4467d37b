"""What the references of risk rules are called where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from pipeline.decide.risk_rules import References

CIS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1.2": "Address Unauthorized Assets",
        "2.2": "Ensure Authorized Software is Currently Supported",
        "2.3": "Address Unauthorized Software",
        "2.6": "Allowlist Authorized Libraries",
        "3.3": "Configure Data Access Control Lists",
        "3.10": "Encrypt Sensitive Data in Transit",
        "3.11": "Encrypt Sensitive Data at Rest",
        "4.1": "Establish and Maintain a Secure Configuration Process",
        "4.4": "Implement and Manage a Firewall on Servers",
        "4.5": "Implement and Manage a Firewall on End-User Devices",
        "4.6": "Securely Manage Enterprise Assets and Software",
        "4.7": "Manage Default Accounts on Enterprise Assets and Software",
        "4.8": "Uninstall or Disable Unnecessary Services on Enterprise Assets and Software",
        "4.9": "Configure Trusted DNS Servers on Enterprise Assets",
        "6.3": "Require MFA for Externally-Exposed Applications",
        "6.4": "Require MFA for Remote Network Access",
        "6.5": "Require MFA for Administrative Access",
        "7.3": "Perform Automated Operating System Patch Management",
        "7.4": "Perform Automated Application Patch Management",
        "8.4": "Standardize Time Synchronization",
        "8.9": "Centralize Audit Logs",
        "9.5": "Implement DMARC",
        "10.1": "Deploy and Maintain Anti-Malware Software",
        "11.3": "Protect Recovery Data",
        "11.4": "Establish and Maintain an Isolated Instance of Recovery Data",
        "12.2": "Establish and Maintain a Secure Network Architecture",
        "12.3": "Securely Manage Network Infrastructure",
        "12.5": "Centralize Network Authentication, Authorization, and Auditing (AAA)",
        "12.6": "Use of Secure Network Management and Communication Protocols",
        "12.7": "Ensure Remote Devices Utilize a VPN and are Connecting to an Enterprise's AAA "
        "Infrastructure",
        "12.8": "Establish and Maintain Dedicated Computing Resources for All Administrative Work",
        "13.4": "Perform Traffic Filtering Between Network Segments",
        "13.10": "Perform Application Layer Filtering",
        "16.8": "Separate Production and Non-Production Systems",
        "17.4": "Establish and Maintain an Incident Response Process",
    }
)
"""Safeguards of the CIS Critical Security Controls, version 8."""

NIST: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AC-3": "Access Enforcement",
        "AC-4": "Information Flow Enforcement",
        "AC-7": "Unsuccessful Logon Attempts",
        "AC-17": "Remote Access",
        "AC-17(2)": "Protection of Confidentiality and Integrity Using Encryption",
        "AU-8": "Time Stamps",
        "AU-9": "Protection of Audit Information",
        "CM-3": "Configuration Change Control",
        "CM-5": "Access Restrictions for Change",
        "CM-6": "Configuration Settings",
        "CM-7": "Least Functionality",
        "CM-8": "System Component Inventory",
        "CM-11": "User-installed Software",
        "CM-14": "Signed Components",
        "CP-9": "System Backup",
        "IA-2": "Identification and Authentication (Organizational Users)",
        "IA-2(1)": "Multi-factor Authentication to Privileged Accounts",
        "IA-3": "Device Identification and Authentication",
        "IA-5": "Authenticator Management",
        "IA-5(1)": "Password-based Authentication",
        "IR-4": "Incident Handling",
        "PE-3": "Physical Access Control",
        "PE-11": "Emergency Power",
        "RA-5": "Vulnerability Monitoring and Scanning",
        "SA-22": "Unsupported System Components",
        "SC-5": "Denial-of-service Protection",
        "SC-7": "Boundary Protection",
        "SC-7(5)": "Deny by Default — Allow by Exception",
        "SC-7(21)": "Isolation of System Components",
        "SC-8": "Transmission Confidentiality and Integrity",
        "SC-8(1)": "Cryptographic Protection",
        "SC-12": "Cryptographic Key Establishment and Management",
        "SC-13": "Cryptographic Protection",
        "SC-17": "Public Key Infrastructure Certificates",
        "SC-20": "Secure Name/Address Resolution Service (Authoritative Source)",
        "SC-21": "Secure Name/Address Resolution Service (Recursive or Caching Resolver)",
        "SC-23": "Session Authenticity",
        "SC-28": "Protection of Information at Rest",
        "SC-45": "System Time Synchronization",
        "SI-2": "Flaw Remediation",
        "SI-3": "Malicious Code Protection",
        "SI-7": "Software, Firmware, and Information Integrity",
        "SI-8": "Spam Protection",
    }
)
"""Controls of NIST SP 800-53, revision 5, with the titles of NIST's OSCAL catalogue of 5.2.0."""

CWE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CWE-78": "Improper Neutralization of Special Elements used in an OS Command ('OS Command "
        "Injection')",
        "CWE-94": "Improper Control of Generation of Code ('Code Injection')",
        "CWE-117": "Improper Output Neutralization for Logs",
        "CWE-200": "Exposure of Sensitive Information to an Unauthorized Actor",
        "CWE-284": "Improper Access Control",
        "CWE-287": "Improper Authentication",
        "CWE-290": "Authentication Bypass by Spoofing",
        "CWE-295": "Improper Certificate Validation",
        "CWE-298": "Improper Validation of Certificate Expiration",
        "CWE-306": "Missing Authentication for Critical Function",
        "CWE-307": "Improper Restriction of Excessive Authentication Attempts",
        "CWE-319": "Cleartext Transmission of Sensitive Information",
        "CWE-324": "Use of a Key Past its Expiration Date",
        "CWE-326": "Inadequate Encryption Strength",
        "CWE-327": "Use of a Broken or Risky Cryptographic Algorithm",
        "CWE-328": "Use of Weak Hash",
        "CWE-406": "Insufficient Control of Network Message Volume (Network Amplification)",
        "CWE-434": "Unrestricted Upload of File with Dangerous Type",
        "CWE-441": "Unintended Proxy or Intermediary ('Confused Deputy')",
        "CWE-489": "Active Debug Code",
        "CWE-502": "Deserialization of Untrusted Data",
        "CWE-506": "Embedded Malicious Code",
        "CWE-521": "Weak Password Requirements",
        "CWE-522": "Insufficiently Protected Credentials",
        "CWE-540": "Inclusion of Sensitive Information in Source Code",
        "CWE-548": "Exposure of Information Through Directory Listing",
        "CWE-552": "Files or Directories Accessible to External Parties",
        "CWE-668": "Exposure of Resource to Wrong Sphere",
        "CWE-749": "Exposed Dangerous Method or Function",
        "CWE-1104": "Use of Unmaintained Third Party Components",
        "CWE-1125": "Excessive Attack Surface",
        "CWE-1188": "Initialization of a Resource with an Insecure Default",
        "CWE-1392": "Use of Default Credentials",
    }
)
"""Weaknesses of the Common Weakness Enumeration."""


def citation(references: References) -> str:
    """All of them in one line, by number."""
    kinds = (
        f"CIS Controls v8: {', '.join(references.cis)}" if references.cis else "",
        f"NIST SP 800-53: {', '.join(references.nist)}" if references.nist else "",
        ", ".join(references.cwe),
    )
    return "; ".join(kind for kind in kinds if kind)


def cited(references: References) -> Iterator[tuple[str, str]]:
    """(what to look up, what it is called); the second is empty for one that we do not know."""
    for number in references.cis:
        yield f"CIS Controls v8, {number}", CIS.get(number, "")
    for control in references.nist:
        yield f"NIST SP 800-53, {control}", NIST.get(control, "")
    for weakness in references.cwe:
        yield weakness, CWE.get(weakness, "")
