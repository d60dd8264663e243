import ssl
import sys

import pytest

from pyzsync_daemon.loadtest.certificate import NoTrustme, make_certificate


def test_what_it_issues_is_trusted_by_its_authority_alone(tmp_path):
    (chain, key), ca = make_certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain, key)
    client = ssl.create_default_context(cafile=ca)
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(received, sent, server_hostname="127.0.0.1")
    theirs = server.wrap_bio(sent, received, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


def test_without_trustme_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(NoTrustme, match="trustme, which makes the certificate, is not installed"):
        make_certificate(tmp_path)
    assert "pyzsync-daemon[loadtest]" in NoTrustme.hint
