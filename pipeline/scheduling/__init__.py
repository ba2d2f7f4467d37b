"""Runs at set times: when they begin, who starts them, and which of them never came."""
