"""What the runs of the past say about the settings of the next: shares, tallies, proposals."""
