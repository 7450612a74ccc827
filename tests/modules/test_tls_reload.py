"""What a reload takes over of certificates and keys, and what it reads again."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import pytest

from ..authority import Authority
from ..nginx import Nginx
from ..tls_client import shaken

ONE, TWO = Authority("one.example"), Authority("two.example")
FILES = {"pem": f"{ONE.pem:<9000}", "key": f"{ONE.key_pem():<9000}"}  # as long as each other
OTHERS = {"pem": f"{TWO.pem:<9000}", "key": f"{TWO.key_pem():<9000}"}
LISTEN = "127.0.0.1:%%PORT%% ssl"
SERVER = "ssl_certificate pem; ssl_certificate_key key; return 204;"
OFF = "ssl_object_cache_inheritable off;"


def in_place(nginx: Nginx, name: str) -> None:
    """Leaves no trace: the file is the same, as old as it was."""
    written = (nginx.prefix / name).stat().st_mtime_ns
    os.utime(nginx.write(name, OTHERS[name]), ns=(written, written))


def within_the_second(nginx: Nginx, name: str) -> None:
    written = (nginx.prefix / name).stat().st_mtime_ns ^ 1
    os.utime(nginx.write(name, OTHERS[name]), ns=(written, written))


def longer(nginx: Nginx, name: str) -> None:
    written = (nginx.prefix / name).stat().st_mtime_ns
    os.utime(nginx.write(name, OTHERS[name] + "\n"), ns=(written, written))


def later(nginx: Nginx, name: str) -> None:
    written = (nginx.prefix / name).stat().st_mtime + 2
    os.utime(nginx.write(name, OTHERS[name]), (written, written))


def by_another(nginx: Nginx, name: str) -> None:
    """Another file, as old as the one before."""
    file = nginx.prefix / name
    written = file.stat().st_mtime_ns
    new = nginx.write(f"{name}.new", OTHERS[name])
    os.utime(new, ns=(written, written))
    new.rename(file)


def shown(nginx: Nginx) -> Authority:
    with shaken(nginx) as (client, _):
        data = client.getpeercert(binary_form=True)
    return next(x for x in (ONE, TWO) if ssl.PEM_cert_to_DER_cert(x.pem) == data)


@pytest.mark.parametrize(
    "main, replace, expected",
    [
        ("", in_place, ONE),
        ("ssl_object_cache_inheritable on;", in_place, ONE),
        (OFF, in_place, TWO),
        ("", later, TWO),
        ("", by_another, TWO),
    ],
)
def test_replaced_files(nginx: Nginx, main: str, replace: object, expected: Authority) -> None:
    assert callable(replace)
    nginx(SERVER, main=main, listen=LISTEN, files=FILES)
    assert shown(nginx) is ONE
    for name in FILES:
        replace(nginx, name)
    nginx.reload(SERVER, main=main, listen=LISTEN)
    assert shown(nginx) is expected


def test_the_running_configuration_decides(nginx: Nginx) -> None:
    nginx(SERVER, main=OFF, listen=LISTEN, files=FILES)
    for name in FILES:
        in_place(nginx, name)
    nginx.reload(SERVER, listen=LISTEN)
    assert shown(nginx) is TWO


def test_taken_over_twice(nginx: Nginx) -> None:
    nginx(SERVER, listen=LISTEN, files=FILES)
    for name in FILES:
        in_place(nginx, name)
    nginx.reload(SERVER, listen=LISTEN)
    nginx.reload(SERVER, listen=LISTEN)
    assert shown(nginx) is ONE


@pytest.mark.nginx_differs("it compares inode and seconds")
@pytest.mark.parametrize("replace", [within_the_second, longer])
def test_files_replaced_at_once(nginx: Nginx, replace: Callable[[Nginx, str], None]) -> None:
    nginx(SERVER, listen=LISTEN, files=FILES)
    for name in FILES:
        replace(nginx, name)
    nginx.reload(SERVER, listen=LISTEN)
    assert shown(nginx) is TWO


@pytest.mark.parametrize("noticed", FILES)
def test_what_does_not_fit_is_read_again(nginx: Nginx, noticed: str) -> None:
    """Of the two files only one is seen to have changed."""
    nginx(SERVER, listen=LISTEN, files=FILES)
    for name in FILES:
        (later if name == noticed else in_place)(nginx, name)
    nginx.reload(SERVER, listen=LISTEN)
    assert shown(nginx) is TWO
