"""NetBox: its addresses, prefixes, devices and machines as an inventory of assets."""
