"""What the stages of portproof stand on."""

__version__ = "0.1.0"
