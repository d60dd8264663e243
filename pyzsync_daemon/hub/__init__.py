"""The hub: watch, hash, index, announce, serve."""
