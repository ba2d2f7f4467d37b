"""Scans of others, as runs of ours: what they saw, what they asked, and where it comes from.

::

    question     what a file asked in one way, and whoever takes what was answered
    hosts        an nmap file: hosts to answers, refusals, holes, coverage
    hits         a list of hits: masscan's, naabu's, zmap's
    reading      any file: the format, the right reader, what the file says about itself
    occasion     several files of one occasion, in memory: evidence, verdicts, coverage
    filing       the same into the store, as a run
    parts        what is filed, in parts of whole hosts, to be judged
    decided      runs of portproof, which bring their verdicts along
    against      two files of nmap: only the hosts that are not the same
"""
