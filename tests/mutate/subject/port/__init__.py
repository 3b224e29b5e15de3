"""The candidate of the contract beside it."""
