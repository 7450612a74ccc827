"""keyval: variables with values from a database that all workers share."""

from __future__ import annotations

import json

import pytest

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("NGINX Plus and kjdev/nginx-keyval have it")
LOCATIONS = """
    location /get { return 200 "[$value]"; }
    location /set { set $value $arg_v; return 200 "[$value]"; }
    """


def test_values_are_set_and_read(nginx: Nginx) -> None:
    nginx(
        LOCATIONS,
        http="keyval_zone zone=one:64k; keyval $arg_k $value zone=one;",
        main="worker_processes 2;",
    )
    nginx.exchange("""
        > GET /get?k=a
        < 200
        <
        < []

        > GET /set?k=a&v=1
        < 200
        <
        < [1]

        > GET /get?k=a
        < 200
        <
        < [1]

        > GET /get?k=A
        < 200
        <
        < []

        > GET /set?v=2
        < 200
        <
        < []
        """)


def test_state_file(nginx: Nginx) -> None:
    """It is read at the start and written after changes."""
    state = nginx.write("one.json", '{"a": "1", "b": {"value": "2", "expire": 5}}')
    nginx(LOCATIONS, http="keyval_zone zone=one:64k state=one.json; keyval $arg_k $value zone=one;")
    assert nginx.request("GET /get?k=a").text == "[1]"
    assert nginx.request("GET /get?k=b").text == "[2]"
    assert nginx.request("GET /set?k=c&v=3").text == "[3]"
    nginx.stop()
    assert json.loads(state.read_text()) == {"a": "1", "b": "2", "c": "3"}


def test_a_state_file_keeps_octets(nginx: Nginx) -> None:
    """Keys that are not UTF-8 remain different keys."""
    state = nginx.write("one.json", "")
    state.write_bytes(b'{"\xff": "255", "\xfe": "254"}')
    nginx(LOCATIONS, http="keyval_zone zone=one:64k state=one.json; keyval $arg_k $value zone=one;")
    for key in "\xff\xfe":
        assert nginx.request(f"GET /get?k={key}").text == f"[{ord(key)}]"
    assert nginx.request("GET /set?k=\xfd&v=253").status == 200
    nginx.stop()
    kept = json.loads(state.read_bytes().decode("latin-1"))
    assert kept == {"\xff": "255", "\xfe": "254", "\xfd": "253"}


@pytest.mark.parametrize("text", ["[" * 100_000, r'{"a": "1", "\ud800": "2"}', "9" * 5000])
def test_a_state_file_that_cannot_be_read(nginx: Nginx, text: str) -> None:
    nginx.write("one.json", text)
    nginx(LOCATIONS, http="keyval_zone zone=one:64k state=one.json; keyval $arg_k $value zone=one;")
    nginx.wait_for_log('the state file ".*one.json" cannot be read')
    assert nginx.request("GET /get?k=a").text == "[]"


def test_networks(nginx: Nginx) -> None:
    nginx.write("ip.json", '{"10.0.0.0/8": "ten", "10.1.2.3": "one", "2001:db8::/32": "six"}')
    nginx(
        LOCATIONS,
        http="keyval_zone zone=ip:64k type=ip state=ip.json; keyval $arg_k $value zone=ip;",
    )
    keys = ("10.2.3.4", "10.1.2.3", "11.0.0.1", "2001:db8::1", "x", "")
    values = [nginx.request(f"GET /get?k={key}").text for key in keys]
    assert values == ["[ten]", "[one]", "[]", "[six]", "[]", "[]"]
    assert nginx.request("GET /set?k=x&v=1").text == "[]"
    assert 'could not store the key "x" in keyval_zone "ip"' in nginx.error_log()


def test_prefixes(nginx: Nginx) -> None:
    nginx.write("p.json", '{"/a": "short", "/a/b": "long"}')
    nginx(
        LOCATIONS,
        http="keyval_zone zone=p:64k type=prefix state=p.json; keyval $arg_k $value zone=p;",
    )
    values = [nginx.request(f"GET /get?k={key}").text for key in ("/a/x", "/a/b/c", "/b")]
    assert values == ["[short]", "[long]", "[]"]


def test_values_expire(nginx: Nginx) -> None:
    nginx(LOCATIONS, http="keyval_zone zone=one:64k timeout=1s; keyval $arg_k $value zone=one;")
    assert nginx.request("GET /set?k=a&v=1").text == "[1]"
    while nginx.request("GET /get?k=a").text != "[]":
        pass


@pytest.mark.parametrize(
    ("http", "message"),
    [
        ("keyval $arg_k $v zone=no;", 'zone "no" is unknown'),
        ("keyval $arg_k v zone=no;", 'zone "no" is unknown'),
        ("keyval $arg_k $v no;", 'invalid parameter "no"'),
        ("keyval_zone zone=a:64k; keyval $arg_k v zone=a;", 'invalid variable name "v"'),
        ("keyval_zone zone=a;", 'invalid zone size "zone=a"'),
        ("keyval_zone zone=a:1;", 'zone "zone=a:1" is too small'),
        ("keyval_zone timeout=1;", '"keyval_zone" must have "zone" parameter'),
        ("keyval_zone zone=a:64k type=x;", 'invalid parameter "type=x"'),
        ("keyval_zone zone=a:64k timeout=x;", 'invalid parameter "timeout=x"'),
        (
            "keyval_zone zone=a:64k sync;",
            'the parameter "sync" of the zone "a" needs a Redis or Valkey server: add '
            '"pyngx_zone_store redis://HOST;" to the "http" block',
        ),
        ("keyval_zone zone=a:64k; keyval_zone zone=a:64k;", 'zone "a" is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, http: str, message: str) -> None:
    nginx.rejects(http=http, message=message)
