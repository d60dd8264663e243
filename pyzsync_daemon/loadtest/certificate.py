"""A certificate authority that lives as long as the load test, and a certificate for the hub."""

from __future__ import annotations

from pathlib import Path

from pyzsync_daemon.errors import DaemonError


class NoTrustme(DaemonError):
    """``--tls`` was asked for, and what makes certificates cannot be imported."""

    hint = "pip install 'pyzsync-daemon[loadtest]', or do without --tls"

    def __str__(self) -> str:
        return "trustme, which makes the certificate, is not installed"


def make_certificate(folder: Path) -> tuple[tuple[Path, Path], Path]:
    """((certificate chain, private key), CA): PEM files for 127.0.0.1 in ``folder``."""
    try:
        import trustme
    except ImportError as error:
        raise NoTrustme from error
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    chain, key, ca = folder / "hub.pem", folder / "hub.key", folder / "ca.pem"
    chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))
    return (chain, key), ca
