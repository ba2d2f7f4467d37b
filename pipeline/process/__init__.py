"""The only place where a process is started, watched and stopped.

What can be started is narrow on purpose. A :class:`Command` names one of two programs, options
out of the fixed table :data:`OPTIONS`, and :class:`~pipeline.scope.Targets`, which only a scope
can make. Each option is rendered as *one* element (``--rate=100``, ``-p80``, ``-oX=out.xml``), so
that no element of the command line stands where a tool would read a target; targets reach a tool
through ``targets.txt`` and in no other way, and right before the start the scope is asked again.

The tool runs behind a small shim (``_shim.py``) which stops it when this process dies, however it
dies. The shim leads a session, the tool a process group in it: signals go to that group, and in
the end to everything in the session.
"""

from __future__ import annotations

from pipeline.process.asking import MASSCAN_CONFIG, capture, find_program, refuse_foreign_config
from pipeline.process.commands import EXCLUDE_FILE, OPTIONS, TARGETS_FILE, Command, Finished
from pipeline.process.running import STDERR_FILE, STDOUT_FILE, run
from pipeline.process.signing import ssh_sign, ssh_signer
from pipeline.process.units import complaints_of_systemd

__all__ = [
    "EXCLUDE_FILE",
    "MASSCAN_CONFIG",
    "OPTIONS",
    "STDERR_FILE",
    "STDOUT_FILE",
    "TARGETS_FILE",
    "Command",
    "Finished",
    "capture",
    "complaints_of_systemd",
    "find_program",
    "refuse_foreign_config",
    "run",
    "ssh_sign",
    "ssh_signer",
]
