"""The record of a run: what was decided, sent, refused and delivered, in a chain of hashes."""
