"""valid_referers and $invalid_referer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..nginx import Nginx


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Iterator[Nginx]:
    module_nginx(r"""
        server_name first.example *.second.example ~^third\d$;
        add_header X-Invalid "[$invalid_referer]";
        location /any { return 204; }
        location /names { valid_referers a.example *.b.example c.* .d.example; return 204; }
        location /none { valid_referers none a.example; return 204; }
        location /blocked { valid_referers blocked a.example; return 204; }
        location /paths { valid_referers a.example/in/ ~^b\.example/(x|y)$; return 204; }
        location /server { valid_referers server_names; return 204; }
        location /own { valid_referers ~^b\.example;
            location /own/list { valid_referers a.example; return 204; }
            location /own/inherited { return 204; }
        }
        """)
    yield module_nginx


@pytest.mark.parametrize(
    ("uri", "referer", "invalid"),
    [
        ("/any", None, ""),
        ("/any", "nonsense", ""),
        ("/names", "http://a.example", ""),
        ("/names", "HTTPS://A.EXAMPLE:8080/x", ""),
        ("/names", "http://x.b.example/", ""),
        ("/names", "http://b.example/", "1"),
        ("/names", "http://c.anything/", ""),
        ("/names", "http://d.example/", ""),
        ("/names", "http://x.y.d.example/", ""),
        ("/names", "http://other.example/", "1"),
        ("/names", "a.example/long-enough", "1"),
        ("/names", None, "1"),
        ("/none", None, ""),
        ("/none", "", "1"),
        ("/none", "x", "1"),
        ("/blocked", None, "1"),
        ("/blocked", "", ""),
        ("/blocked", "anything", ""),
        ("/blocked", "http://x", ""),
        ("/blocked", "http://other.example", "1"),
        ("/paths", "http://a.example/in/side", ""),
        ("/paths", "http://a.example/in", "1"),
        ("/paths", "http://a.example", "1"),
        ("/paths", "http://b.example/x", ""),
        ("/paths", "http://B.EXAMPLE/X", ""),
        ("/paths", "http://b.example/z", "1"),
        ("/server", "http://first.example/", ""),
        ("/server", "http://a.second.example/", ""),
        ("/server", "http://THIRD1/and-more", ""),
        ("/server", "http://other.example/", "1"),
        ("/own/list", "http://a.example/", ""),
        ("/own/list", "http://b.example/", ""),
        ("/own/inherited", "http://b.example/", ""),
        ("/own/inherited", "http://a.example/", "1"),
        ("/names", "http://" + "a" * 257, "1"),
    ],
)
def test_referer(site: Nginx, uri: str, referer: str | None, invalid: str) -> None:
    fields = [] if referer is None else [f"Referer: {referer}"]
    answer = site.request(f"GET {uri}", "Host: first.example", *fields)
    assert answer.get("X-Invalid") == f"[{invalid}]"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ('""', 'invalid referer ""'),
        ("~", 'empty regex in "~"'),
        ("a*b", 'invalid hostname or wildcard "a*b"'),
        ("a..b", 'invalid hostname or wildcard "a..b"'),
        ("a.b A.b", 'conflicting parameter "a.b"'),
        ("*.a .a", 'conflicting parameter ".a"'),
        (
            "none blocked",
            'the "none" or "blocked" referers are specified in the "valid_referers" directive '
            "without any valid referer",
        ),
    ],
)
def test_rejected(nginx: Nginx, words: str, message: str) -> None:
    nginx.rejects(f"valid_referers {words};", message)


def test_accepted(nginx: Nginx) -> None:
    nginx.accepts(
        "referer_hash_max_size 1024; referer_hash_bucket_size 64; valid_referers server_names;"
    )
