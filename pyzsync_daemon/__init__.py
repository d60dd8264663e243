"""The daemons: a hub that publishes a directory and clients that keep replicas of it."""
