"""The whole pipeline, with real masscan and real nmap, in the network lab."""
