import socket

from benchmarks.servers import carried, free_port


def test_what_nginx_logged_counts_once(tmp_path):
    (tmp_path / "access.log").write_text("100 2000\n10 300\n")
    assert carried(tmp_path) == 2410
    assert carried(tmp_path) == 0


def test_a_free_port_can_be_listened_on():
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[0] == "127.0.0.1"
