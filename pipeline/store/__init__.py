"""The store: runs, batches, the ledger of tasks, observations, verdicts, changes, events."""
