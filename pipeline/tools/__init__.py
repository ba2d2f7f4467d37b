"""nmap and masscan: argument vectors from a fixed table, and what their output means for a task.

A tool module has three functions: ``demand`` (what a task would send), ``command`` (how it is
asked) and ``answer`` (what came back, as observations and holes).
"""
