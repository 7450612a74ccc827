"""geo: variables that depend on an address."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

NETWORKS = """
    geo $arg_ip $where {
        default          nowhere;
        10.0.0.0/8       ten;
        10.1.0.0/16      ten-one;
        10.1.2.3         host;
        255.255.255.255  broadcast;
        2001:db8::/32    six;
        ::1              loopback;
        delete           172.16.0.0/12;
    }
    """


def test_longest_prefix(nginx: Nginx) -> None:
    nginx("location / { return 200 $where; }", http=NETWORKS)
    nginx.exchange("""
        > GET /?ip=10.200.0.1
        < 200
        <
        < ten

        > GET /?ip=10.1.9.9
        < 200
        <
        < ten-one

        > GET /?ip=10.1.2.3
        < 200
        <
        < host

        > GET /?ip=192.168.0.1
        < 200
        <
        < nowhere

        > GET /?ip=2001:db8:1::5
        < 200
        <
        < six

        > GET /?ip=::1
        < 200
        <
        < loopback

        > GET /?ip=::2
        < 200
        <
        < nowhere

        > GET /?ip=::ffff:10.1.2.3
        < 200
        <
        < host
        """)


def test_what_is_no_address_is_looked_up_as_broadcast(nginx: Nginx) -> None:
    nginx("location / { return 200 $where; }", http=NETWORKS)
    nginx.exchange("""
        > GET /?ip=10.1.2.3.4
        < 200
        <
        < broadcast

        > GET /
        < 200
        <
        < broadcast
        """)


def test_without_default_is_empty(nginx: Nginx) -> None:
    nginx(
        "location / { return 200 [$own][$other]; }",
        http="geo $own { 127.0.0.0/8 here; } geo $arg_x $other { 1.1.1.1 a; }",
    )
    nginx.exchange("""
        > GET /
        < 200
        <
        < [here][]
        """)


def test_ranges(nginx: Nginx) -> None:
    nginx(
        "location / { return 200 $range; }",
        http="""
            geo $arg_ip $range {
                ranges;
                default                nowhere;
                1.0.0.0-1.255.255.255  one;
                1.5.0.0-1.5.255.255    inner;
                1.5.4.0-1.5.4.255      innermost;
                1.6.0.0-1.6.0.255      start;
                1.6.255.0-1.6.255.255  end;
                2.0.0.0-2.0.0.255      two;
                delete                 2.0.0.0-2.0.0.255;
            }
            """,
    )
    for address, value in (
        ("1.0.0.0", "one"),
        ("1.5.3.255", "inner"),
        ("1.5.4.0", "innermost"),
        ("1.5.4.255", "innermost"),
        ("1.5.5.0", "inner"),
        ("1.6.0.255", "start"),
        ("1.6.1.0", "one"),
        ("1.6.254.255", "one"),
        ("1.6.255.0", "end"),
        ("1.255.255.255", "one"),
        ("2.0.0.1", "nowhere"),
        ("0.255.255.255", "nowhere"),
        ("::ffff:1.5.4.1", "innermost"),
        ("::1", "nowhere"),
    ):
        assert nginx.request(f"GET /?ip={address}").text == value, address


def test_proxies(nginx: Nginx) -> None:
    nginx(
        "location / { return 200 $last/$first; }",
        http="""
            geo $last  { proxy 127.0.0.1; default d; 1.1.1.1 a; 2.2.2.2 b; 3.3.3.0/24 c; }
            geo $first { proxy 127.0.0.1; proxy 2.2.2.2; proxy_recursive;
                         default d; 1.1.1.1 a; 2.2.2.2 b; 3.3.3.0/24 c; }
            """,
    )
    nginx.exchange("""
        > GET /
        > X-Forwarded-For: 1.1.1.1, 2.2.2.2
        < 200
        <
        < b/a

        > GET /
        > X-Forwarded-For: 3.3.3.3, 1.1.1.1:4000
        < 200
        <
        < a/a

        > GET /
        > X-Forwarded-For: 3.3.3.3
        > X-Forwarded-For: 2.2.2.2
        < 200
        <
        < b/c

        > GET /
        > X-Forwarded-For: [::ffff:3.3.3.3]:80
        < 200
        <
        < c/c

        > GET /
        > X-Forwarded-For: nonsense, 2.2.2.2 ,
        < 200
        <
        < b/b

        > GET /
        > X-Forwarded-For: nonsense
        < 200
        <
        < d/d
        """)


def test_value_is_kept_for_a_request_unless_volatile(nginx: Nginx) -> None:
    nginx(
        """
        set $ip 1.1.1.1;
        location / { set $a $kept$anew; set $ip 2.2.2.2; return 200 $a/$kept$anew; }
        """,
        http="""
            geo $ip $kept { 1.1.1.1 a; 2.2.2.2 b; }
            geo $ip $anew { volatile; 1.1.1.1 a; 2.2.2.2 b; }
            """,
    )
    nginx.exchange("""
        > GET /
        < 200
        <
        < aa/ab
        """)


def test_include(nginx: Nginx) -> None:
    nginx(
        "location / { return 200 $x; }",
        http="geo $arg_ip $x { include nets.conf; }",
        files={"nets.conf": "1.0.0.0/8 one;\n2.0.0.0/8 two;\n"},
    )
    nginx.exchange("""
        > GET /?ip=2.3.4.5
        < 200
        <
        < two
        """)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("1.2.3 x;", 'invalid network "1.2.3"'),
        ("1.2.3.4/33 x;", 'invalid network "1.2.3.4/33"'),
        ("1.2.3.4;", "invalid number of the geo parameters"),
        ("1.2.3.4 x y;", "invalid number of the geo parameters"),
        (
            "1.2.3.4 x; ranges;",
            'the "ranges" directive must be the first directive inside "geo" block',
        ),
        ("ranges; 1.2.3.4 x;", 'invalid range "1.2.3.4"'),
        ("ranges; 1.2.3.4-1.2.3.3 x;", 'invalid range "1.2.3.4-1.2.3.3"'),
        (
            "ranges; 1.2.3.4-1.2.3.9 x; 1.2.3.6-1.2.3.12 y;",
            'range "1.2.3.6-1.2.3.12" overlaps "1.2.3.4-1.2.3.9"',
        ),
        (
            "ranges; 1.2.3.4-1.2.3.9 x; 1.2.3.6-1.4.3.12 y;",
            'range "1.2.3.6-1.4.3.12" overlaps "1.2.3.4-1.2.3.9"',
        ),
    ],
)
def test_rejected(nginx: Nginx, entries: str, message: str) -> None:
    nginx.rejects(message=message, http=f"geo $x {{\n{entries}\n}}", line=2)


def test_variable_names(nginx: Nginx) -> None:
    nginx.rejects(message='invalid variable name "x"', http="geo x { }")
    nginx.rejects(message='invalid variable name "x"', http="geo $arg_a x { }")
    nginx.rejects(message='the duplicate "host" variable', http="geo $host { }")
    nginx.rejects(message='unknown "nothing" variable', http="geo $nothing $x { }")


def test_warnings(nginx: Nginx) -> None:
    said = nginx.accepts(
        http="""
            geo $a { default x; default y; 1.2.3.4/8 a; 1.0.0.0/8 b; delete 9.9.9.9; }
            geo $b { ranges; 1.0.0.0-1.0.0.9 a; 1.0.0.0-1.0.0.9 b; delete 3.0.0.0-3.0.0.1; }
            """
    )
    for warning in (
        'duplicate network "default", value: "y", old value: "x"',
        "low address bits of 1.2.3.4/8 are meaningless",
        'duplicate network "1.0.0.0/8", value: "b", old value: "a"',
        'no network "9.9.9.9" to delete',
        'duplicate range "1.0.0.0-1.0.0.9", value: "b", old value: "a"',
        'no address range "3.0.0.0-3.0.0.1" to delete',
    ):
        assert warning in said
