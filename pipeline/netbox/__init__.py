"""NetBox: an inventory of assets out of it, and the services of a run into it."""
