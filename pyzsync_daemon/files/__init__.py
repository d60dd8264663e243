"""Files and directories beneath a root, and what both daemons keep on disk."""
