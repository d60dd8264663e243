"""``python -m pyzsync_daemon`` is ``pyzsync``."""

from pyzsync_daemon.cli import main

if __name__ == "__main__":
    main()
