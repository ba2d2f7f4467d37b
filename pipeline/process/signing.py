"""Sign, and check signatures, with ssh-keygen."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from pipeline.errors import ToolError
from pipeline.process.asking import find_program
from pipeline.process.words import TAIL_LIMIT, environment, harmless, not_executed

_SIGNING: Final = 20.0


def ssh_sign(message: bytes, *, key: Path, namespace: str) -> bytes:
    """The signature of ``ssh-keygen -Y sign`` over a message, armoured.

    The key is a private one without a passphrase, or the public one of a key that the agent holds.
    Raises :class:`ToolError` when ssh-keygen is missing or cannot sign with it.
    """
    done = _ssh_keygen(("sign", "-f", str(key), "-n", namespace), message)
    if done.returncode != 0 or b"BEGIN SSH SIGNATURE" not in done.stdout:
        said = harmless(done.stderr[-TAIL_LIMIT:]).strip().splitlines()
        raise ToolError(
            f"ssh-keygen did not sign: {said[-1] if said else f'it ended with {done.returncode}'}",
            where=str(key),
            hint="audit.signing_key is a private key without a passphrase, or a public one whose "
            "private key an ssh-agent holds",
        )
    return done.stdout


def ssh_signer(
    message: bytes, signature: Path, *, namespace: str, signers: Path | None
) -> tuple[bool, str]:
    """Whether a signature is one over this message, and by whom.

    With ``signers``, a file as ssh-keygen(1) has it under *allowed signers*, the key must be in it,
    and the answer names its principal. Without, any key will do, and the answer is what ssh-keygen
    says about it. Raises :class:`ToolError` when ssh-keygen is missing.
    """
    where = ("-s", str(signature))
    if signers is None:
        done = _ssh_keygen(("check-novalidate", "-n", namespace, *where), message)
        return done.returncode == 0, harmless(done.stdout or done.stderr).strip()
    found = _ssh_keygen(("find-principals", *where, "-f", str(signers)), b"")
    names = found.stdout.decode(errors="replace").splitlines()
    if found.returncode != 0 or not names:
        return False, harmless(found.stderr).strip() or "nobody among the signers has this key"
    who = ("-I", names[0], "-f", str(signers))
    done = _ssh_keygen(("verify", "-n", namespace, *where, *who), message)
    said = names[0].encode() if done.returncode == 0 else done.stderr or done.stdout
    return done.returncode == 0, harmless(said).strip()


def _ssh_keygen(options: tuple[str, ...], message: bytes) -> subprocess.CompletedProcess[bytes]:
    program = find_program("ssh-keygen", package="openssh-client")
    env = environment(home=os.environ.get("HOME", "/"), privileged=False)
    agent = os.environ.get("SSH_AUTH_SOCK")
    try:
        return subprocess.run(
            (str(program), "-Y", *options),
            input=message,
            capture_output=True,
            timeout=_SIGNING,
            # Without a terminal nobody is asked for a passphrase, and so nobody waits for one.
            start_new_session=True,
            env={**env, **({"SSH_AUTH_SOCK": agent} if agent else {})},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"ssh-keygen did not end within {_SIGNING:g} seconds") from None
    except OSError as problem:
        raise not_executed(str(program), problem.errno or 0) from problem
