"""The client: follow the hub, find what is missing, fetch, patch, replace."""
