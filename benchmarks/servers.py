"""The peers' servers, on the loopback, with files of their own in a temporary directory."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 10.0  # seconds for a server to listen

NGINX = """\
daemon off;
{user}
pid {work}/nginx.pid;
error_log {work}/error.log;
worker_processes 1;
events {{ }}
http {{
    log_format bytes '$request_length $bytes_sent';
    access_log {work}/access.log bytes;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    sendfile on;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        max_ranges 1000000;
    }}
}}
"""

RSYNCD = """\
use chroot = no
pid file = {work}/rsyncd.pid
lock file = {work}/rsyncd.lock
log file = {work}/rsyncd.log
[files]
path = {root}
uid = {uid}
gid = {gid}
"""


@contextmanager
def nginx(root: Path, work: Path) -> Iterator[str]:
    """Serve ``root`` over HTTP with ranges; yields the URL. ``carried`` reads its log."""
    port = free_port()
    config = work / "nginx.conf"
    # As root it would give its workers to a user who may not read a temporary directory.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(work=work, root=root, port=port, user=user))
    with _running(["nginx", "-c", str(config), "-p", str(work)], port):
        yield f"http://127.0.0.1:{port}"


def carried(work: Path) -> int:
    """Bytes of both directions that nginx has logged since the last call."""
    log = work / "access.log"
    lines = log.read_text().splitlines()
    log.write_text("")
    return sum(int(number) for line in lines for number in line.split())


@contextmanager
def rsyncd(root: Path, work: Path) -> Iterator[str]:
    """Serve ``root`` by an rsync daemon; yields the URL of its module."""
    status = root.stat()
    port = free_port()
    config = work / "rsyncd.conf"
    config.write_text(RSYNCD.format(work=work, root=root, uid=status.st_uid, gid=status.st_gid))
    command = ["rsync", "--daemon", "--no-detach", f"--config={config}"]
    with _running([*command, "--address=127.0.0.1", f"--port={port}"], port):
        yield f"rsync://127.0.0.1:{port}/files"


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _until_listening(process, port)
        yield
    finally:
        process.terminate()
        process.communicate()


def _until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} does not listen") from None
            time.sleep(0.01)
