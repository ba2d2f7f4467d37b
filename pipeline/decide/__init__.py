"""Decisions: pure functions from evidence to verdicts, questions and changes. No I/O, no clock."""
