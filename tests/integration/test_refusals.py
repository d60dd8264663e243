"""Who is not let in, and who is sent away: the hub says why, logs one line, and goes on."""

import random
import socket
from contextlib import ExitStack
from io import BytesIO

import pytest
import trustme
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from protocol import codec, runs
from protocol.errors import Code
from protocol.limits import MAX_FRAME
from protocol.messages import BlockQuery, Get, Goodbye, HashQuery, Hello, Welcome
from pyzsync.grid import LEAF, WINDOW
from pyzsync.tree import hash_stream
from tests.integration.support import BOUND, Fleet, until_equal

MIB = 2**20
TOKEN = "a-long-enough-secret"


@pytest.fixture
def filled(root):
    (root / "f").write_text("content")
    return root


# --- tokens and certificates ---------------------------------------------------------------------


def test_a_token_lets_in(fleet, filled, tmp_path):
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    hub = fleet.hub(filled, options=["--token-file", secret])
    fleet.client(tmp_path / "one", hub, "--token-file", secret)
    until_equal(filled, tmp_path / "one")


@pytest.mark.parametrize("token", ["", "another-secret"])
def test_without_it_nobody_gets_past_the_handshake(fleet, filled, tmp_path, token):
    hub = fleet.hub(filled, token=TOKEN)
    given = {"token": token} if token else {}
    client = fleet.client(tmp_path / "one", hub, **given)
    client.ends(3)
    assert "it does not accept the token" in client.log()
    assert TOKEN not in client.log() + hub.log()
    assert not (tmp_path / "one/f").exists()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def certified(fleet, filled, authority, tmp_path):
    """A hub that serves wss:// with a certificate of our own authority."""
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(key)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    return fleet.hub(filled, tls_cert=cert, tls_key=key, token=TOKEN)


def pem(authority, path):
    authority.cert_pem.write_to_path(path)
    return path


def test_tls_with_a_pinned_authority(certified, fleet, filled, authority, tmp_path):
    assert certified.url().startswith("wss://127.0.0.1:")
    ca = pem(authority, tmp_path / "ca.pem")
    fleet.client(tmp_path / "one", certified, "--tls-ca", ca, token=TOKEN)
    until_equal(filled, tmp_path / "one")


def test_tls_with_another_authority(certified, fleet, tmp_path):
    other = pem(trustme.CA(), tmp_path / "other.pem")
    for options in (["--tls-ca", other], []):
        client = fleet.client(tmp_path / "one", certified, *options, token=TOKEN)
        client.ends(3)
        assert "its certificate is not trusted" in client.log()
        assert "hint: check tls_ca" in client.log()


def test_tls_is_not_spoken_to_whoever_comes_without(certified, fleet, filled, authority, tmp_path):
    plain = certified.url().replace("wss", "ws")
    client = fleet.once(tmp_path / "one", plain, code=3)
    assert "cannot reach the hub" in client.log()
    ca = pem(authority, tmp_path / "ca.pem")
    fleet.client(tmp_path / "two", certified, "--tls-ca", ca, token=TOKEN)
    until_equal(filled, tmp_path / "two")


# --- peers that are no clients -------------------------------------------------------------------


def name_of(peer):
    """What the hub calls a connection in its log."""
    return f"127.0.0.1:{peer.local_address[1]}"


class Door:
    """A hub, a client that it serves, and a connection that never says a word."""

    def __init__(self, place):
        self.root, self.replica = place / "root", place / "one"
        self.root.mkdir()
        logs = place / "logs"
        logs.mkdir()
        self.fleet = Fleet(logs)
        self.hub = self.fleet.hub(self.root, send_timeout_s=1, drain_s=1)
        self.fleet.client(self.replica, self.hub)
        self._opened = ExitStack()
        self.silent = self._opened.enter_context(self.connect())
        self.silent_name = name_of(self.silent)
        self._edits = 0

    def close(self):
        self._opened.close()
        self.fleet.clear()

    def connect(self, **options):
        return connect(self.hub.url(), max_size=None, **options)

    def check_told(self, peer, code):
        """The hub has logged one line on this connection, no traceback, and goes on."""
        left = self.hub.until("client left", peer=peer)
        assert left["code"] == code.name
        assert self.hub.events(peer=peer) == [left]
        self.check_goes_on()

    def check_goes_on(self):
        self._edits += 1
        (self.root / "f").write_text(str(self._edits))
        until_equal(self.root, self.replica)
        assert "Traceback" not in self.hub.log()
        assert self.hub.events(level="error") == []


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    made = Door(tmp_path_factory.mktemp("door"))
    try:
        yield made
        made.fleet.stop()
    finally:
        made.close()


HELLO = codec.encode(Hello((1,), (), "a test", b"", None))


def goodbye(peer):
    """Read to the end; what the hub said last."""
    said = []
    try:
        while True:
            said += codec.decode_frame(peer.recv(BOUND))
    except ConnectionClosed:
        return said[-1]


@pytest.mark.parametrize(
    "frames",
    [
        ["Hello, hub"],
        [b"\xc1garbage"],
        [b""],
        [b"\x91\xcc\xff"],
        [HELLO[:-1]],
        [HELLO, HELLO],
        [HELLO, "text"],
        [codec.encode(Get((HashQuery(bytes(32), 0, 0, b"\x00\x01"),)))],
        [HELLO + b"\xc1"],
    ],
    ids=[
        "text",
        "garbage",
        "nothing",
        "unknown type",
        "cut short",
        "hello twice",
        "text after hello",
        "query before hello",
        "garbage behind hello",
    ],
)
def test_frames_that_are_no_messages(door, frames):
    with door.connect() as peer:
        name = name_of(peer)
        for frame in frames:
            peer.send(frame)
        said = goodbye(peer)
    assert isinstance(said, Goodbye)
    assert said.code not in (Code.NORMAL, Code.INTERNAL)
    assert said.detail
    door.check_told(name, said.code)


def test_a_protocol_from_the_future(door):
    with door.connect() as peer:
        name = name_of(peer)
        peer.send(codec.encode(Hello((999,), (), "a test", b"", None)))
        said = goodbye(peer)
    assert said.code is Code.UNSUPPORTED_PROTOCOL
    door.check_told(name, said.code)


def test_a_frame_that_is_too_large_closes_the_connection(door):
    with door.connect() as peer:
        name = name_of(peer)
        peer.send(bytes(MAX_FRAME + 1))
        with pytest.raises(ConnectionClosed) as closed:
            peer.recv(BOUND)
    assert closed.value.rcvd.code == 1009
    door.check_told(name, Code.NORMAL)


def test_a_page_in_a_browser_is_not_let_in(door):
    with pytest.raises(InvalidStatus) as refused:
        door.connect(origin="https://pages.example")
    assert refused.value.response.status_code == 403
    door.check_goes_on()


@pytest.mark.parametrize(
    "said",
    [b"", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n", b"EHLO hub\r\n"],
    ids=["nothing", "TLS", "HTTP", "SMTP"],
)
def test_other_protocols(door, said):
    host, port = door.hub.url().removeprefix("ws://").split(":")
    with socket.create_connection((host, int(port)), timeout=BOUND) as peer:
        peer.sendall(said)
        peer.shutdown(socket.SHUT_WR)
        answer = peer.recv(4096)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    door.check_goes_on()


def test_who_asks_for_much_and_reads_nothing_is_sent_away(door):
    """It asks for more than the buffers of both sides hold, so the hub's send has to wait."""
    content = random.Random(0).randbytes(24 * MIB)
    (door.root / "large").write_bytes(content)
    door.check_goes_on()
    version = hash_stream(BytesIO(content).read, len(content)).version
    leaves = runs.whole(WINDOW // LEAF)
    wanted = [BlockQuery(version, window, leaves) for window in range(len(content) // WINDOW)]
    with door.connect(max_queue=1, close_timeout=1) as peer:
        name = name_of(peer)
        peer.send(HELLO)
        assert isinstance(codec.decode_frame(peer.recv(BOUND))[0], Welcome)
        peer.send(codec.encode(Get(tuple(wanted))))
        door.hub.until("client left", peer=name, reason="did not read in time")
        door.check_told(name, Code.SLOW_CLIENT)


def test_silence_is_an_end(door):
    """Last: its ten seconds have gone by meanwhile, most of them."""
    said = goodbye(door.silent)
    assert said.code is Code.SLOW_CLIENT
    door.check_told(door.silent_name, said.code)
