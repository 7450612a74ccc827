"""map: a variable out of another."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx


@pytest.fixture(scope="module")
def site(module_nginx: Nginx) -> Nginx:
    module_nginx(
        """
        location / { return 200 "$plain|$host_map|$volatile"; }
        location /plain { return 200 $plain; }
        location /hosts { return 200 $host_map; }
        location /named { return 200 "$named $word"; }
        location /nodefault { return 200 "[$nodefault]"; }
        location /composed { return 200 $composed; }
        location /chain { return 200 $chain; }
        location /included { return 200 $included; }
        location /changing {
            set $x 1; set $before "$cached$volatile";
            set $x 2; return 200 "$before $cached$volatile";
        }
        """,
        http=r"""
        map $arg_a $plain {
            default        other;
            ""             empty;
            one            1;
            TWO            2;
            "a b"          blank;
            with.dot       dot;
            \default       word-default;
            ~^re           regex;
            ~*^CI(\d+)$    "ci-$1";
            ~^re2          second;
            "~^q;{1,2}$"   quoted;
            uri            $uri;
            ten            10;
            ten%20         escaped;
            /path          path;
        }
        map $arg_h $host_map {
            hostnames;
            default         none;
            example.org     exact;
            *.example.org   sub;
            .dot.org        dot;
            www.tail.*      tail;
            ~^re\.          regex;
        }
        map $arg_a $named { default "-"; ~^(?<word>\w+)-(?<rest>.*)$ "$rest"; }
        map $arg_a $nodefault { x y; }
        map "$arg_a:$arg_h" $composed { "1:2" both; ~^1: first; default "$arg_a+$arg_h"; }
        map $plain $chain { 1 one-again; default "not $plain"; }
        map $arg_a $included { include map.txt; default none; }
        map $x $cached { default $x; }
        map $x $volatile { volatile; default $x; }
        """,
        files={"map.txt": "from include;\nof file;\n"},
    )
    return module_nginx


@pytest.mark.parametrize(
    "value, told",
    [
        ("", "empty"),
        ("x", "other"),
        ("one", "1"),
        ("ONE", "1"),
        ("two", "2"),
        ("a%20b", "other"),
        ("with.dot", "dot"),
        ("default", "word-default"),
        ("regular", "regex"),
        ("REgular", "other"),
        ("re2", "regex"),
        ("ci12", "ci-12"),
        ("q;;", "quoted"),
        ("uri", "/plain"),
        ("ten", "10"),
        ("ten%20", "escaped"),
        ("/path", "path"),
    ],
)
def test_value(site: Nginx, value: str, told: str) -> None:
    site.exchange(f"> GET /plain?a={value}\n< 200\n<\n< {told}")


@pytest.mark.parametrize(
    "value, told",
    [
        ("example.org", "exact"),
        ("EXAMPLE.org", "exact"),
        ("example.org.", "exact"),
        ("a.example.org", "sub"),
        ("a.b.example.org", "sub"),
        ("dot.org", "dot"),
        ("a.dot.org", "dot"),
        ("www.tail.net", "tail"),
        ("re.x", "regex"),
        ("nothing", "none"),
    ],
)
def test_hostnames(site: Nginx, value: str, told: str) -> None:
    site.exchange(f"> GET /hosts?h={value}\n< 200\n<\n< {told}")


@pytest.mark.parametrize(
    "target, told",
    [
        ("/named?a=ab-cd", "cd ab"),
        ("/named?a=x", "- "),
        ("/nodefault?a=x", "[y]"),
        ("/nodefault?a=z", "[]"),
        ("/composed?a=1&h=2", "both"),
        ("/composed?a=1&h=3", "first"),
        ("/composed?a=2&h=3", "2+3"),
        ("/chain?a=one", "one-again"),
        ("/chain?a=ten", "not 10"),
        ("/included?a=from", "include"),
        ("/included?a=of", "file"),
        ("/included?a=x", "none"),
        ("/changing", "11 12"),
    ],
)
def test_more(site: Nginx, target: str, told: str) -> None:
    site.exchange(f"> GET {target}\n< 200\n<\n< {told}".rstrip())


def test_used_in_directives(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/access.log short if=$loggable;
        location / {
            add_header X-Flag $flag;
            if ($flag) { return 403; }
            proxy_set_header X-Flag $flag;
            proxy_pass http://$backend;
        }
        """,
        http="""
        map $arg_flag $flag { default ""; on 1; }
        map $arg_b $backend { default 127.0.0.1:%%PORT_b%%; c 127.0.0.1:%%PORT_c%%; }
        map $arg_quiet $loggable { default 1; yes 0; }
        log_format short "$request_uri $backend";
        """,
        servers=[
            "listen 127.0.0.1:%%PORT_b%%; return 200 b[$http_x_flag];",
            "listen 127.0.0.1:%%PORT_c%%; return 200 c[$http_x_flag];",
        ],
    )
    nginx.exchange("""
        > GET /?quiet=yes
        < 200
        < !X-Flag
        <
        < b[]

        > GET /?b=c
        < 200
        <
        < c[]

        > GET /?flag=on
        < 403
        """)
    assert nginx.access_log(2) == [
        nginx.filled("/?b=c 127.0.0.1:%%PORT_c%%"),
        nginx.filled("/?flag=on 127.0.0.1:%%PORT_b%%"),
    ]


@pytest.mark.parametrize("name", ["map_hash_max_size", "map_hash_bucket_size"])
def test_sizes_come_before_maps(nginx: Nginx, name: str) -> None:
    maps = "map $uri $a { default 1; } map $uri $b { default 1; }"
    nginx.accepts(http=f"{name} 2048; {maps}")
    nginx.rejects(http=f"{maps} {name} 2048;", message=f'"{name}" directive is duplicate')


def test_many_entries(nginx: Nginx) -> None:
    entries = "".join(f"key-{n} value-{n};\n" for n in range(5000))
    nginx(
        "location / { return 200 $big; }",
        http=f"map_hash_max_size 16384; map $arg_a $big {{ {entries} }}",
    )
    nginx.exchange("""
        > GET /?a=key-0
        < 200
        <
        < value-0

        > GET /?a=KEY-4999
        < 200
        <
        < value-4999
        """)


def test_plain_entries_among_others(nginx: Nginx) -> None:
    """Many are read at once, and what stands between them is not."""
    nginx(
        "location / { return 200 $it; } location /hosts { return 200 $host_name; }",
        http="""
        map $arg_a $it {
            a/1 first;   # a comment; with marks {
            B.2 second;
            default x$arg_d; c 3; include map.txt;
            "d" 4; include-d $arg_d; default-e 5;
            ~^f 6;
            g 7;
        }
        map $arg_a $host_name { hostnames; .a.b yes; c.d exact; default no; }
        """,
        files={"map.txt": "in/1 one; in/2 two;\nin/3 $arg_d;\n"},
    )
    expected = {
        "a/1": "first",
        "b.2": "second",
        "c": "3",
        "d": "4",
        "include-d": "D",
        "default-e": "5",
        "ff": "6",
        "g": "7",
        "in/2": "two",
        "in/3": "D",
        "none": "xD",
    }
    for value, told in expected.items():
        nginx.exchange(f"""
            > GET /?d=D&a={value}
            < 200
            <
            < {told}
            """)
    nginx.exchange("""
        > GET /hosts?a=x.a.b
        < 200
        <
        < yes
        """)


@pytest.mark.parametrize(
    "entries, line, error",
    [
        ("a 1;\nb 2;\n\nA 3;\nc 4;", 4, 'conflicting parameter "a"'),
        ("'a' 1;\nb 2;\na 3;\nc 4;", 3, 'conflicting parameter "a"'),
        ("a 1;\nb 2;\n\nc 1 2;", 4, "invalid number of the map parameters"),
        ("a 1;\nb 2;\n\ndefault 1; c 1; default 2;", 4, "duplicate default map parameter"),
    ],
)
def test_errors_behind_plain_entries(nginx: Nginx, entries: str, line: int, error: str) -> None:
    path = nginx.write("map.txt", entries)
    told = nginx.refused(http="map $arg_a $it { include map.txt; }")
    assert f"{error} in {path}:{line}" in told


CIRCLES = """
    map $a $b { default $a; }
    map $b $a { default $b; }
    map $own $own { default "$own"; }
    map $first $third { volatile; default $first; }
    split_clients $third $second { 50% a; * ""; }
    geo $second $first { default x; }
    map $arg_t $sometimes { 1 $sometimes; default fine; }
    map $document_root $folder { default none; "" "$document_root"; }
"""


def test_variables_that_need_themselves(nginx: Nginx) -> None:
    """Each is empty where it meets itself, and the request goes on."""
    nginx(
        """
        location /two { return 200 "[$a|$b]"; }
        location /own { return 200 "[$own]"; }
        location /three { return 200 "[$third]"; }
        location /some { return 200 "[$sometimes]"; }
        location /root { root $folder; }
        """,
        http=CIRCLES,
    )
    nginx.exchange("""
        > GET /two
        < 200
        <
        < [|]

        > GET /own
        < 200
        <
        < []

        > GET /three
        < 200
        <
        < [x]

        > GET /some
        < 200
        <
        < [fine]

        > GET /root/x
        < 404
        """)
    for name in ("own", "[ab]", "(folder|document_root)"):
        nginx.wait_for_log(rf'\[error\].* cycle while evaluating variable "{name}"')


@pytest.mark.pyngx_only("nginx finds circles when they are met")
def test_circles_are_told_of_at_load(nginx: Nginx) -> None:
    told = nginx.accepts("location / { return 200; }", http=CIRCLES)
    for text in (
        r'"\$b" needs "\$a", "\$a" needs "\$b" in .*nginx\.conf:\d+',
        r'"\$own" needs "\$own" in ',
        r'"\$third" needs "\$first", "\$first" needs "\$second", "\$second" needs "\$third" in ',
        r'"\$sometimes" needs "\$sometimes" in ',
    ):
        assert re.search(rf"\[warn\].* cycle of variables: {text}", told), told
