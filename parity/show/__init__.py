"""What runs found, for people."""
