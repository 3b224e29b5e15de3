"""Every command under every fault: what is run, and how it is hurt."""
