"""Runs on their way into other systems: what is sent, in whose words, and what came of it."""
