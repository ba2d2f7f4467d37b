"""The kinds of secrets and personal data that are taken out of every text, one rule for each.

Two things hold for every pattern here, and tests try them. It takes time that grows with the text
and no faster: what repeats without a limit is possessive, and cannot begin in the middle of what
it runs over. And it leaves alone what stands for a secret already: one of :data:`MARKS`, which
are letters that no text may have (Unicode 23.7, noncharacters).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MARKS: Final = "".join(map(chr, range(0xFDD0, 0xFDF0)))
"""One for each rule, while a text is worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One kind of secret: ``patterns`` find it, and what they call ``secret`` becomes a mark.

    ``needles`` are lower-case texts of which every such secret has one in it or before it, so that
    a text without them need not be searched. ``holds`` looks at what was found, where a pattern
    cannot tell. ``what`` is a sentence for people, and in ``example`` the rule finds something.
    """

    name: str
    what: str
    example: str
    needles: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    holds: Callable[[str], bool] = field(default=bool)

    def apply(self, text: str, mark: str) -> str:
        """The text with every secret of this kind replaced by a mark."""

        def replaced(found: re.Match[str]) -> str:
            if not self.holds(found["secret"]):
                return found[0]
            begin, end = (place - found.start() for place in found.span("secret"))
            return f"{found[0][:begin]}{mark}{found[0][end:]}"

        for pattern in self.patterns:
            text = pattern.sub(replaced, text)
        return text


# What follows is no secret that we replaced before.
_NEW: Final = rf"(?![{MARKS[0]}-{MARKS[-1]}])"
_LINE: Final = r"(?=[^\s<\\])[^\r\n<\\]++"
_BREAK: Final = r"[ \t]{0,8}"
_WORD: Final = r"[^\s;,&\"'<>\[\]{}()\\|]"
# Said where somebody is asked for a password, and no password.
_PROSE: Final = (
    r"(?!(?:required|expired|incorrect|invalid|please|must|your|the|is|are|was|not|for|has|have|"
    r"with|and|or|an?|to|of|on|in|at|by|wrong|missing|failed|failure|denied|accepted|protected|"
    r"protection|authentication|prompt|changed?|reset|forgot|forgotten|enter|needed|none|null|nil|"
    r"true|false|yes|no|undefined|empty|unset|disabled|enabled|optional|unknown|type|string|text|"
    r"hidden|field|policy|login|username|\*{2,64}|\.{3}|x{3,64})(?![A-Za-z0-9@#$%^&*!_-]))"
)
# A call in a program, such as getToken() or $_POST[…].
_CALL: Final = r"(?![A-Za-z_$.]{1,64}[(\[])"
_KEY: Final = (
    r"(?:password|passwd|passw|passphrase|pwd|secret|secret[_-]?key|api[_ -]?key|access[_-]?key|"
    r"access[_-]?key[_-]?id|account[_-]?key|shared[_-]?access[_-]?key|private[_-]?key|"
    r"encryption[_-]?key|auth[_-]?key|token)[\"']?"
)
_SESSION: Final = (
    r"(?:PHPSESSID|JSESSIONID|ASPSESSIONID[A-Z]{0,16}|ASP\.NET_SessionId|connect\.sid|CFTOKEN|"
    r"laravel_session|session[_ -]?id|sess_?id|session)"
)
# Where a word begins; tools write bytes that are no text as \x0A, in front of the next word.
_BEGIN: Final = r"(?:(?<![A-Za-z0-9_-])|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\[nrt]))"
_ADDRESS_MARK: Final = r"(?:@|%40|&#0?64;)"
_SSH_DOMAINS: Final = frozenset(
    {
        "openssh.com",
        "libssh.org",
        "tinyssh.org",
        "lysator.liu.se",
        "putty.projects.tartarus.org",
        "ssh.com",
    }
)


def _names_a_person(secret: str) -> bool:
    """False for names of the SSH protocol, which look like addresses (RFC 4251, section 6)."""
    return re.split(_ADDRESS_MARK, secret)[-1].lower() not in _SSH_DOMAINS


def _names_a_user(secret: str) -> bool:
    """True for the Base64 of ``user:password`` (RFC 7617)."""
    try:
        said = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in said and said.isascii() and all(byte >= 0x20 for byte in said)


def _has_a_digit(secret: str) -> bool:
    return any(letter.isdigit() for letter in secret)


def _token(beginning: str, letters: str, least: int) -> str:
    """At least so many letters behind a beginning, or fewer where the text was cut off."""
    cut = rf"(?=[A-Za-z_-]{{0,{least}}}[0-9])[{letters}]{{6,}}+\Z"
    return rf"{beginning}(?:[{letters}]{{{least},}}+|{cut})"


def _tokens(*shapes: str) -> tuple[re.Pattern[str], ...]:
    return (re.compile(rf"{_BEGIN}(?P<secret>{'|'.join(shapes)})"),)


_PLAIN: Final = "A-Za-z0-9"
_WIDE: Final = "A-Za-z0-9_-"

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="private-key",
        what="Private keys in PEM (SSH, TLS, PGP), up to their end or to that of the text.",
        example="-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
        needles=("private key",),
        patterns=(
            re.compile(
                r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?s:.)*?"
                r"(?:-----END [A-Z0-9 ]{0,60}-----|\Z))"
            ),
        ),
    ),
    Rule(
        name="authorization",
        what="What follows `Authorization:` or `Proxy-Authorization:`, to the end of the line.",
        example="Authorization: Digest username=app, response=6629fae4",
        needles=("authorization",),
        patterns=(
            re.compile(
                rf"(?i)authorization[\"']?{_BREAK}[:=]{_BREAK}[\"']?(?P<secret>{_NEW}{_LINE})"
            ),
        ),
    ),
    Rule(
        name="cookie",
        what="What follows `Cookie:` or `Set-Cookie: NAME=`, to the end of the line.",
        example="Set-Cookie: PHPSESSID=0a1b2c3d4e5f; path=/",
        needles=("cookie",),
        patterns=(
            re.compile(
                rf"(?i)set-cookie2?[\"']?{_BREAK}:{_BREAK}[\"']?[^\s=;<\\]{{1,128}}=[\"']?"
                rf"(?P<secret>{_NEW}{_LINE})"
            ),
            re.compile(
                rf"(?i){_BEGIN}cookie2?[\"']?{_BREAK}:{_BREAK}[\"']?"
                rf"(?P<secret>{_NEW}(?=[^\s=;<\\]{{1,128}}=){_LINE})"
            ),
        ),
    ),
    Rule(
        name="credentials",
        what="The user and the password in a URL, or in the URL of a database: what stands between "
        "`://` and the last `@` before the next `/`.",
        example="postgres://app:hunter2@db.example.com/orders",
        needles=("://",),
        patterns=(
            re.compile(rf"(?<=://)(?P<secret>{_NEW}[^\s/\"'<>\\]{{1,256}})(?=@)"),
            re.compile(
                rf"(?i)\b(?:mysql|postgres|postgresql|redis|amqp|mongodb|ldap|ftp|smtp)s?://"
                rf"(?P<secret>{_NEW}[^\s:@\"'<>\\]{{0,64}}:[^\s@\"'<>\\]{{1,256}})(?=@)"
            ),
        ),
    ),
    Rule(
        name="password",
        what="The value behind a word such as `password`, `passwd`, `pwd`, `secret`, `api_key`, "
        "`access_key`, `AccountKey` or `token`, and `=` or `:`: in connection strings, "
        "queries, JSON and settings. A prompt (`Password:`) is none, nor is a sentence.",
        example="Server=db;User Id=app;Password=hunter2;",
        needles=("passw", "passphrase", "pwd", "secret", "key", "token"),
        patterns=(
            re.compile(
                rf"(?i){_KEY}{_BREAK}[:=]>?{_BREAK}\"(?P<secret>{_NEW}{_PROSE}[^\"\r\n]{{1,512}})\""
            ),
            re.compile(
                rf"(?i){_KEY}{_BREAK}[:=]>?{_BREAK}'(?P<secret>{_NEW}{_PROSE}[^'\r\n]{{1,512}})'"
            ),
            re.compile(
                rf"(?i){_KEY}{_BREAK}=>?{_BREAK}(?P<secret>{_NEW}{_PROSE}{_CALL}{_WORD}{{1,512}}+)"
            ),
            re.compile(
                rf"(?i){_KEY}{_BREAK}:{_BREAK}(?P<secret>{_NEW}{_PROSE}{_CALL}{_WORD}{{4,512}}+)"
            ),
        ),
    ),
    Rule(
        name="session",
        what="Identifiers of sessions: `JSESSIONID=`, `PHPSESSID=`, `session_id=`, `sid=` and the "
        "like with at least eight characters (`sid`: sixteen) and a digit among them.",
        example="GET /;jsessionid=0A1B2C3D4E5F60718293",
        needles=("sess", "sid", "cftoken"),
        patterns=(
            re.compile(
                rf"(?i)(?:{_BEGIN}|(?<=[_-])){_SESSION}[\"']?{_BREAK}[:=]{_BREAK}[\"']?"
                rf"(?P<secret>{_NEW}[A-Za-z0-9%._~+/=-]{{8,512}}+)"
            ),
            re.compile(
                rf"(?i){_BEGIN}sid[\"']?=[\"']?"
                rf"(?P<secret>{_NEW}[A-Za-z0-9%._~+/=-]{{16,512}}+)"
            ),
        ),
        holds=_has_a_digit,
    ),
    Rule(
        name="signature",
        what="Signatures that let who has the URL in: of AWS, Google, Azure (`sig=`).",
        example="https://store.example.com/a?sv=2024&sig=kXq1bQy0Zb3mQ9dT7w%3D",
        needles=("signature=", "sig=", "credential="),
        patterns=(
            re.compile(
                r"(?i)(?<![A-Za-z0-9])(?:x-(?:amz|goog)-(?:signature|credential)|signature|sig)="
                rf"(?P<secret>{_NEW}[A-Za-z0-9%._~+/=-]{{16,1024}}+)"
            ),
        ),
    ),
    Rule(
        name="bearer",
        what="Tokens behind `Bearer`, of sixteen characters and more with a digit among them.",
        example="curl -H 'Bearer 7f3c9a0e5d2b4c18'",
        needles=("bearer",),
        patterns=(
            re.compile(r"(?i)\bbearer[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/-]{16,4096}+={0,2})"),
        ),
        holds=_has_a_digit,
    ),
    Rule(
        name="basic",
        what="User and password in Base64 behind `Basic`.",
        example="proxy said: Basic YXBwOmh1bnRlcjI=",
        needles=("basic",),
        patterns=(re.compile(r"(?i)\bbasic[ \t]{1,4}(?P<secret>[A-Za-z0-9+/]{4,1024}+={0,2})"),),
        holds=_names_a_user,
    ),
    Rule(
        name="jwt",
        what="JSON Web Tokens, signed or not (RFC 7519).",
        example="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        needles=("eyj",),
        patterns=(
            re.compile(
                rf"(?<!\.){_BEGIN}(?P<secret>eyJ[{_WIDE}]{{8,}}+"
                rf"(?:\.[{_WIDE}]{{4,}}+(?:\.[{_WIDE}]*+)?+|\.?\Z))"
            ),
        ),
    ),
    Rule(
        name="aws",
        what="Identifiers of keys of AWS (`AKIA…`, `ASIA…`). The secret itself has no shape of its "
        "own; the rule `password` finds it behind its name.",
        example="AKIAIOSFODNN7EXAMPLE",
        needles=("akia", "asia", "aroa", "aida", "abia", "acca"),
        patterns=(
            re.compile(
                rf"{_BEGIN}(?P<secret>(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)"
                r"(?:[A-Z0-9]{16}(?![A-Za-z0-9])|(?=[A-Z]{0,14}[0-9])[A-Z0-9]{6,15}\Z))"
            ),
        ),
    ),
    Rule(
        name="github",
        what="Tokens of GitHub (`ghp_…`, `github_pat_…`) and GitLab (`glpat-…`).",
        example="ghp_0123456789abcdefghijABCDEFGHIJ012345",
        needles=("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
        patterns=_tokens(
            _token("gh[pousr]_", _PLAIN, 36),
            _token("github_pat_", "A-Za-z0-9_", 22),
            _token("glpat-", _WIDE, 20),
        ),
    ),
    Rule(
        name="slack",
        what="Tokens of Slack (`xoxb-…`, `xapp-…`) and its webhooks.",
        example="xoxb-2345678901-AbCdEfGhIjKl",
        needles=("xox", "xapp-", "hooks.slack.com/"),
        patterns=(
            *_tokens(_token("xox[abceoprs]-", _WIDE, 10), _token("xapp-", _WIDE, 10)),
            re.compile(r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9_/-]{8,}+)"),
        ),
    ),
    Rule(
        name="google",
        what="Keys and tokens of Google (`AIza…`, `ya29.…`, `GOCSPX-…`).",
        example="AIzaSyA0123456789abcdefghijklmnopqrstuv",
        needles=("aiza", "ya29.", "gocspx-"),
        patterns=_tokens(
            _token("AIza", _WIDE, 35),
            _token(r"ya29\.", "A-Za-z0-9_.-", 20),
            _token("GOCSPX-", _WIDE, 20),
        ),
    ),
    Rule(
        name="vendor",
        what="Tokens with the beginnings that Stripe, npm, PyPI, SendGrid, DigitalOcean, Vault, "
        "OpenAI, Telegram and Hugging Face give them.",
        example="npm_0123456789abcdefghijABCDEFGHIJ012345",
        needles=(
            *("_live_", "_test_", "npm_", "pypi-ag", "sg.", "_v1_", "hvs.", "sk-", ":aa", "hf_"),
        ),
        patterns=_tokens(
            _token("[rs]k_(?:live|test)_", _PLAIN, 16),
            _token("npm_", _PLAIN, 36),
            _token("pypi-Ag", _WIDE, 50),
            rf"SG\.[{_WIDE}]{{16,32}}\.[{_WIDE}]{{32,64}}+",
            _token("do[opr]_v1_", "a-f0-9", 64),
            _token(r"hvs\.", _WIDE, 24),
            rf"sk-(?=[A-Za-z_-]{{0,40}}[0-9])[{_WIDE}]{{32,}}+",
            _token("hf_", _PLAIN, 30),
            rf"[0-9]{{8,10}}:AA[{_WIDE}]{{33}}",
        ),
    ),
    Rule(
        name="password-hash",
        what="Hashes of passwords as crypt(3) writes them.",
        example="root:$6$rounds=5000$saltsalt$0123456789abcdefghijklmnop",
        needles=("$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$argon2"),
        patterns=(
            re.compile(r"(?P<secret>\$(?:1|2[aby]|5|6|y|argon2id?)\$[./A-Za-z0-9$=,+]{16,512}+)"),
        ),
    ),
    Rule(
        name="email",
        what="E-mail addresses, also with `%40` for the `@`. Names of the SSH protocol "
        "(`zlib@openssh.com`) are none.",
        example="220 mail.example.com, complain to jane.doe@example.com",
        needles=("@", "%40", "&#64;", "&#064;"),
        patterns=(
            re.compile(
                rf"(?<![\w.+'-])(?P<secret>[\w.+'-]++{_ADDRESS_MARK}"
                r"(?!\d{1,3}\.\d)(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_]{2,24}+)"
            ),
        ),
        holds=_names_a_person,
    ),
)
"""In the order in which they are applied: what is recognised by its surroundings comes first."""


def own_rule(texts: tuple[str, ...]) -> Rule:
    """The rule of an engagement: texts in which ``#`` is a digit, ``?`` a letter, and ``*``, at the
    beginning or the end, any run of letters, digits, dots, dashes and underscores.

    Upper and lower case are the same, and a text is found as a whole word only. Raises
    ``ValueError`` with a sentence for people.
    """
    return Rule(
        name="own",
        what="What the engagement lists under `privacy.redact`.",
        example="",
        needles=tuple(dict.fromkeys(_needle(text) for text in texts)),
        patterns=tuple(_own_pattern(text) for text in texts),
    )


_PARTS: Final = {"#": "[0-9]", "?": "[^\\W\\d_]"}
_RUN: Final = r"[\w.-]"


def _needle(text: str) -> str:
    """The longest part that stands for itself."""
    return max(re.split(r"[#?*]", text), key=len).lower()


def _own_pattern(text: str) -> re.Pattern[str]:
    if len(_needle(text)) < 3:
        raise ValueError("needs three letters in a row that stand for themselves")
    if "*" in text[1:-1] or "**" in text:
        raise ValueError("may have * at its beginning and its end only")
    begin = rf"(?<!{_RUN}){_RUN}*" if text.startswith("*") else r"(?<!\w)"
    end = rf"{_RUN}*+" if text.endswith("*") else r"(?!\w)"
    middle = "".join(_PARTS.get(letter, re.escape(letter)) for letter in text.strip("*"))
    return re.compile(rf"(?i)(?P<secret>{begin}{middle}{end})")
