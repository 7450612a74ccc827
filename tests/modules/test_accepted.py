"""Directives that are accepted without effect: their arguments are checked nevertheless."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

FLAGS = [
    *("aio_write", "client_body_in_single_buffer", "msie_refresh"),
    *("ssl_certificate_compression", "ssl_early_data", "ssl_stapling"),
    "ssl_stapling_verify",
]
NUMBERS = ["proxy_headers_hash_bucket_size"]
NUMBERS += ["proxy_headers_hash_max_size", "referer_hash_bucket_size", "referer_hash_max_size"]
VALUES = [
    *("directio_alignment", "postpone_gzipping", "postpone_output"),
    *("proxy_send_lowat", "proxy_socket_rcvbuf", "proxy_socket_sndbuf", "send_lowat"),
    *("scgi_socket_rcvbuf", "scgi_socket_sndbuf"),
    *("sendfile_max_chunk", "ssl_buffer_size"),
]
EVENTS = {
    "accept_mutex maybe;": 'invalid value "maybe" in "accept_mutex" directive, it must be "on" or '
    '"off"',
    "multi_accept maybe;": 'invalid value "maybe" in "multi_accept" directive, it must be "on" or '
    '"off"',
    "accept_mutex_delay on;": '"accept_mutex_delay" directive invalid value',
    "use bogus;": 'invalid event type "bogus"',
    "worker_aio_requests on;": '"worker_aio_requests" directive invalid number',
}
MAIN = {
    "debug_points on;": 'invalid value "on"',
    "ssl_object_cache_inheritable maybe;": 'invalid value "maybe" in '
    '"ssl_object_cache_inheritable" directive, it must be "on" or "off"',
    "thread_pool x;": 'invalid number of arguments in "thread_pool" directive',
    "worker_priority high;": '"worker_priority" directive invalid number',
    "worker_rlimit_core all;": '"worker_rlimit_core" directive invalid value',
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags(nginx: Nginx, name: str) -> None:
    text = f'invalid value "maybe" in "{name}" directive, it must be "on" or "off"'
    nginx.rejects(f"{name} maybe;", text)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(nginx: Nginx, name: str) -> None:
    nginx.rejects(f"{name} 1k;", f'"{name}" directive invalid number')


@pytest.mark.parametrize("name", VALUES)
def test_values(nginx: Nginx, name: str) -> None:
    nginx.rejects(f"{name} off;", f'"{name}" directive invalid value')
    nginx.rejects(f"{name} 1; {name} 1;", f'"{name}" directive is duplicate')


@pytest.mark.parametrize("text", MAIN)
def test_main(nginx: Nginx, text: str) -> None:
    nginx.rejects(main=text, message=MAIN[text])


@pytest.mark.parametrize("text", EVENTS)
def test_events(nginx: Nginx, text: str) -> None:
    nginx.rejects(events=text, message=EVENTS[text])


def test_accepted(nginx: Nginx) -> None:
    nginx.accepts(
        "directio_alignment 4k; postpone_output 0;",
        main="worker_priority -5; worker_rlimit_core 1g; thread_pool x threads=2;",
    )
