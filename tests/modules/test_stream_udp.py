"""Datagrams in "stream": sessions, their ends, and the addresses that they come to."""

from __future__ import annotations

import pytest

from ..datagrams import UdpClient, datagrams
from ..nginx import Nginx

UDP = "listen 127.0.0.1:%%PORT_a%% udp;"
TO_B = "proxy_pass 127.0.0.1:%%PORT_b%%;"
LOG = """
    log_format line '$status $protocol $bytes_received $bytes_sent';
    access_log logs/access.log line;
"""


def test_return(nginx: Nginx) -> None:
    nginx.stream(f'{LOG} server {{ {UDP} return "$protocol $remote_addr:$remote_port"; }}')
    with UdpClient(nginx.port("a")) as client:
        assert client.ask(b"question") == f"UDP 127.0.0.1:{client.port}".encode()
        assert client.ask(b"") == f"UDP 127.0.0.1:{client.port}".encode()
    first, second = nginx.access_log(2)
    assert first.startswith("200 UDP 8 ")  # which nothing has read
    assert second.startswith("200 UDP 0 ")


def test_question_and_answer(nginx: Nginx) -> None:
    nginx.stream(f"{LOG} server {{ {UDP} {TO_B} proxy_responses 1; }}")
    with datagrams(nginx.port("b")) as upstream, UdpClient(nginx.port("a")) as client:
        assert client.ask(b"one") == b"one"
        assert client.ask(b"three") == b"three"
        assert upstream.wait_for(2) == [b"one", b"three"]
    assert nginx.access_log(2) == ["200 UDP 3 3", "200 UDP 5 5"]
    nginx.wait_for_log(
        r"udp done, packets from/to client:1/1, bytes from/to client:3/3, "
        r"bytes from/to upstream:3/3"
    )


def test_one_session_for_a_client(nginx: Nginx) -> None:
    """Until its timeout; another client has another."""
    nginx.stream(f"{LOG} server {{ {UDP} {TO_B} proxy_timeout 2s; }}")
    with (
        datagrams(nginx.port("b")) as upstream,
        UdpClient(nginx.port("a")) as client,
        UdpClient(nginx.port("a")) as other,
    ):
        for text in (b"a", b"bb", b"ccc"):
            assert client.ask(text) == text
        assert other.ask(b"d") == b"d"
        first, *same, last = upstream.senders
        assert same == [first, first] and last != first
    assert sorted(nginx.access_log(2)) == ["200 UDP 1 1", "200 UDP 6 6"]
    nginx.wait_for_log("udp timed out, packets from/to client:3/3", seconds=10)


def test_requests_of_a_session(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {UDP} {TO_B} proxy_requests 2; proxy_responses 1; }}")
    with datagrams(nginx.port("b")) as upstream, UdpClient(nginx.port("a")) as client:
        for text in (b"1", b"2", b"3", b"4"):
            assert client.ask(text) == text
        one, two, three, four = upstream.senders
    assert one == two and three == four and one != three


def test_many_at_once_are_shared_out(nginx: Nginx) -> None:
    """Those that come before a session has begun, too."""
    nginx.stream(f"server {{ {UDP} {TO_B} proxy_requests 2; proxy_responses 1; }}")
    with datagrams(nginx.port("b")) as upstream, UdpClient(nginx.port("a")) as client:
        for number in range(6):
            client.send(b"%d" % number)
        assert sorted(client.receive() for _ in range(6)) == [b"%d" % n for n in range(6)]
        senders = upstream.senders
    assert sorted(senders.count(port) for port in set(senders)) == [2, 2, 2]


def test_no_response_is_expected(nginx: Nginx) -> None:
    nginx.stream(f"{LOG} server {{ {UDP} {TO_B} proxy_responses 0; }}")
    with datagrams(nginx.port("b"), lambda data: []) as upstream, UdpClient(nginx.port("a")) as c:
        c.send(b"log line")
        assert upstream.wait_for(1) == [b"log line"]
    assert nginx.access_log(1) == ["200 UDP 8 0"]


def test_several_responses(nginx: Nginx) -> None:
    nginx.stream(f"{LOG} server {{ {UDP} {TO_B} proxy_responses 3; }}")
    parts = [b"first", b"", b"third"]
    with datagrams(nginx.port("b"), lambda data: parts), UdpClient(nginx.port("a")) as client:
        client.send(b"?")
        assert [client.receive() for _ in parts] == parts
    assert nginx.access_log(1) == ["200 UDP 1 10"]


def test_an_upstream_that_does_not_answer(nginx: Nginx) -> None:
    nginx.stream(f"{LOG} server {{ {UDP} {TO_B} proxy_responses 1; proxy_timeout 300ms; }}")
    with datagrams(nginx.port("b"), lambda data: []), UdpClient(nginx.port("a")) as client:
        client.send(b"?")
        assert nginx.access_log(1) == ["502 UDP 1 0"]
    nginx.wait_for_log(r"\[error\] .* upstream timed out .* while proxying connection, udp client:")


def test_an_upstream_that_is_not_there(nginx: Nginx) -> None:
    """It is out of the round then."""
    nginx.stream(f"""
        {LOG}
        upstream u {{ server 127.0.0.1:%%PORT_gone%%; server 127.0.0.1:%%PORT_b%%; }}
        server {{ {UDP} proxy_pass u; proxy_responses 1; }}
        """)
    with datagrams(nginx.port("b")), UdpClient(nginx.port("a")) as client:
        client.send(b"lost")
        nginx.access_log(1)
        nginx.wait_for_log(r"recv\(\) failed \(111: Connection refused\)")
        for text in (b"1", b"2", b"3"):
            assert client.ask(text) == text


def test_large_datagrams_and_variables(nginx: Nginx) -> None:
    nginx.stream(f"""
        map $remote_addr $where {{ default 127.0.0.1:%%PORT_b%%; }}
        server {{ {UDP} proxy_pass $where; proxy_bind 127.0.0.2; proxy_responses 1;
                  proxy_buffer_size 64k; }}
        """)
    with datagrams(nginx.port("b")), UdpClient(nginx.port("a")) as client:
        text = bytes(range(256)) * 200
        assert client.ask(text) == text


def test_access_and_limits(nginx: Nginx) -> None:
    nginx.stream(f"""
        {LOG}
        limit_conn_zone $binary_remote_addr zone=z:1m;
        server {{ {UDP} deny all; return x; }}
        server {{ listen 127.0.0.1:%%PORT_c%% udp; limit_conn z 1; {TO_B} proxy_timeout 60s; }}
        """)
    with datagrams(nginx.port("b")), UdpClient(nginx.port("a")) as denied:
        denied.send(b"?")
        assert nginx.access_log(1) == ["403 UDP 0 0"] or nginx.access_log(1) == ["403 UDP 1 0"]
        with UdpClient(nginx.port("c")) as one, UdpClient(nginx.port("c")) as two:
            assert one.ask(b"1") == b"1"
            two.send(b"2")
            assert nginx.access_log(2)[1].startswith("503 UDP ")


def test_the_address_that_was_asked_answers(nginx: Nginx) -> None:
    """On a socket for all addresses the kernel would choose another one."""
    nginx.stream("""
        server { listen %%PORT_a%% udp; return "any $server_addr"; }
        server { listen 127.0.0.3:%%PORT_a%% udp; return "three $server_addr"; }
        """)
    for host, text in (("127.0.0.2", b"any 127.0.0.2"), ("127.0.0.3", b"three 127.0.0.3")):
        with UdpClient(nginx.port("a"), host) as client:
            assert client.ask(b"?") == text


def test_several_workers(nginx: Nginx) -> None:
    """Each client stays with one of them."""
    nginx(
        main=f"worker_processes 2; stream {{ server {{ listen 127.0.0.1:%%PORT_a%% udp reuseport;"
        f" {TO_B} proxy_timeout 5s; }} }}"
    )
    with datagrams(nginx.port("b")) as upstream:
        clients = [UdpClient(nginx.port("a")) for _ in range(8)]
        for text in (b"1", b"2", b"3"):
            for client in clients:
                assert client.ask(text) == text
        senders = upstream.senders
        for client in clients:
            client.__exit__()
    assert senders[:8] == senders[8:16] == senders[16:]
    assert len(set(senders)) == 8


@pytest.mark.pyngx_only("nginx lets the old worker end when its last session has")
def test_reload_keeps_the_socket(nginx: Nginx) -> None:
    nginx.stream(f"server {{ {UDP} {TO_B} }}")
    with datagrams(nginx.port("b")), UdpClient(nginx.port("a")) as client:
        assert client.ask(b"x") == b"x"
        nginx.reload(main=f"stream {{ server {{ {UDP} return new; }} }}")
        assert client.ask(b"y") == b"new"


def test_garbage_does_no_harm(nginx: Nginx) -> None:
    nginx.stream(f"ssl_preread on; server {{ {UDP} {TO_B} proxy_responses 1; }}")
    with datagrams(nginx.port("b")), UdpClient(nginx.port("a")) as client:
        for data in (b"", b"\x16\x03\x01", bytes(range(256)), b"\0" * 1400):
            assert client.ask(data) == data


def test_a_server_that_is_not_there_is_logged(nginx: Nginx) -> None:
    nginx.stream(
        f"""
        {LOG} upstream two {{ server 127.0.0.1:%%PORT_b%%; server 127.0.0.2:%%PORT_b%%; }}
        server {{ {UDP} proxy_pass two; proxy_timeout 300ms; }}
        """
    )
    with UdpClient(nginx.port("a")) as client:
        client.send(b"x")
        assert nginx.access_log(1) == ["200 UDP 1 0"]
    nginx.wait_for_log(
        r"recv\(\) failed .111: Connection refused. while proxying and reading from up"
    )
    nginx.wait_for_log(
        r"\[warn\] .*upstream server temporarily disabled while proxying connection, udp client"
    )


def test_a_server_is_free_when_the_client_has_its_answer(nginx: Nginx) -> None:
    """The next session may be balanced at once: least_conn must not see the one before."""
    nginx.stream(
        f"""
        upstream u {{ least_conn; server 127.0.0.1:%%PORT_b%%; server 127.0.0.1:%%PORT_c%%; }}
        server {{ {UDP} proxy_pass u; proxy_responses 1; }}
        """
    )
    with (
        datagrams(nginx.port("b"), lambda data: []) as silent,
        datagrams(nginx.port("c")) as upstream,
        UdpClient(nginx.port("a")) as waiting,
    ):
        waiting.send(b"first")
        assert silent.wait_for(1) == [b"first"]
        for _ in range(300):
            with UdpClient(nginx.port("a")) as client:
                assert client.ask(b"x") == b"x"
        assert len(upstream.senders) == 300
