"""The load test: a real hub, as many clients as a machine bears, the cost of each change."""
