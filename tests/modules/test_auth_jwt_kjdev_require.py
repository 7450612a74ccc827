"""auth_jwt_require_claim and auth_jwt_require_header, as kjdev's module has them."""

from __future__ import annotations

import time

import pytest

from pyngx_jwt.jwt import Json

from ..nginx import Nginx
from .tokens import FILES, KEY, KEYS, bearer

pytestmark = pytest.mark.needs("auth-jwt")
PAGES = {**FILES, "html/a": "content"}
FAR = 4_102_444_800  # the year 2100
A = "try_files /a =404;"

CLAIMS: dict[str, Json] = {
    "s": "text",
    "n": 5,
    "r": 5.0,
    "neg": -2,
    "big": 2**53 + 1,
    "t": True,
    "z": None,
    "e": "",
    "num": "5",
    "name": "J\u00fcrgen",
    "l": ["a", "b"],
    "ln": [1, 2.0, [3]],
    "many": [*range(90)],
    "o": {"x": 1, "y": ["p", {"q": "r"}]},
    "a.b": "dotted",
    "d": {"a.b": "deep", "c": {"e": "deeper"}},
}

MET = r"""
s eq text
s eq json="text"
n eq json=5
r eq json=5.0
num eq 5
t eq json=true
z eq json=null
e eq json=""
l eq json=["a","b"]
o eq json={"y":["p",{"q":"r"}],"x":1}
name eq Jürgen
big eq json=9007199254740993
s ne other
s !ne text
s !eq other
n ne json=5.0
z ne json=0
n gt json=4
n gt json=4.9
n ge json=5
n ge json=5.0
n lt json=6
n le json=5
neg lt json=0
r lt json=5.5
n !gt json=5
n !ge json=6
n !lt json=5
n !le json=4
l any json=["b","c"]
s any json=["text"]
ln any json=[[3]]
l !any json=["c"]
l intersect json=["b"]
l nintersect json=["c"]
l !nintersect json=["b"]
s nintersect json=["b"]
s in json=["text","b"]
l in json=[["a","b"]]
n in json=[4,5]
s in json={"text":null}
s !in json={"b":1}
s nin json=["b"]
s !nin json=["text"]
s match ^te
s match ex
s match \Atext\z
s match (?i)^TEXT\z
s match (a|x)t\z
s match json="^t"
s !match ^x
name match ^J..rgen\z
.s eq text
.o.x eq json=1
.o.y[0] eq p
.o.y[1].q eq r
.l[1] eq b
.ln[2][0] eq json=3
."a.b" eq dotted
.d."a.b" eq deep
.d.c.e !match x
.many[89] eq json=89
.z eq json=null
a.b eq dotted
"""

UNMET = r"""
s eq Text
s eq tex
s eq json=
n eq 5
n eq json=5.0
r eq json=5
t eq json=1
z eq null
l eq json=["b","a"]
o eq json={"x":1}
big eq json=9007199254740992
s ne text
s !ne other
s !eq text
n gt json=5
n ge json=5.1
n lt json=5
n le json=4
n !gt json=4
n gt 4
n !gt 6
num gt json=4
num !gt json=6
s gt a
s lt z
t gt json=0
t !gt json=1
l gt json=1
z lt json=1
l any json=["c"]
l any json=[]
l any b
l !any c
s any json=["b"]
n any json=[5.0]
ln any json=[2]
l !any json=["a"]
l !intersect json=["b"]
l nintersect json=["b"]
l nintersect c
s in json=["b"]
s in text
s !in other
l in json=["a","b"]
s in json={"b":1}
n in json={"5":1}
n !in json={"6":1}
s nin json=["text"]
s nin other
s match ^ex
s match ^TEXT\z
s !match ^t
n match 5
n !match 6
l match a
missing eq a
missing ne a
missing !eq a
missing nin json=[]
S eq text
o.x eq json=1
.o.y[2] eq p
.o.y[0].q eq p
.o[0] eq json=1
.l.a eq a
.d.a.b eq deep
.many[90] ne json=1
.missing ne a
.o.missing !eq a
"""


def line(claims: dict[str, Json], header: dict[str, Json] | None = None) -> str:
    """A request's line with a token of these and an hour to live."""
    return f"Authorization: Bearer {KEY.sign({'exp': FAR, **claims}, header or {})}"


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def demand(told: str, directive: str = "auth_jwt_require_claim") -> str:
    """The directive with these three words, whatever is in them."""
    words = (w.replace("\\", "\\\\").replace("'", "\\'") for w in told.split(" ", 2))
    text = " ".join(f"'{word}'" for word in words)
    return f"{directive} {text};".encode().decode("latin-1")


CASES = [*((told, 200) for told in lines(MET)), *((told, 401) for told in lines(UNMET))]


@pytest.fixture(scope="module")
def table(module_nginx: Nginx) -> Nginx:
    locations = [
        f"location = /{number} {{ {demand(told)} try_files /a =404; }}"
        for number, (told, _) in enumerate(CASES)
    ]
    module_nginx(f'{KEYS} auth_jwt "A"; root html;\n' + "\n".join(locations), files=PAGES)
    return module_nginx


@pytest.mark.parametrize("number", range(len(CASES)), ids=[told for told, _ in CASES])
def test_compared(table: Nginx, number: int) -> None:
    assert table.request(f"GET /{number}", line(CLAIMS)).status == CASES[number][1]


def serve(nginx: Nginx, location: str, http: str = "", server: str = "") -> None:
    nginx(
        f'{KEYS} auth_jwt "A"; root html; {server} location / {{ {location} }}',
        http=f"# written for kjdev/nginx-auth-jwt\n{http}",
        files=PAGES,
    )


def test_variables_hold_json(nginx: Nginx) -> None:
    serve(nginx, "auth_jwt_require_claim sub $arg_op $arg_value;".replace("$arg_op", "eq"))
    for value, status in (
        ('"u1"', 200),
        ("u1", 401),
        ('"u2"', 401),
        ("", 401),
        ('json="u1"', 401),
        ("'u1'", 401),
    ):
        assert nginx.request(f"GET /a?value={value}", bearer()).status == status, value
    assert nginx.request("GET /a", bearer()).status == 401


def test_variables_inside_of_text(nginx: Nginx) -> None:
    """Only what begins with a variable is JSON."""
    serve(
        nginx,
        """
        auth_jwt_require_claim sub eq "u$arg_n"; auth_jwt_require_claim n eq "json=$arg_n";
        auth_jwt_require_claim l in "${arg_l}]";
        auth_jwt_require_claim name match "json=\\"$arg_m\\"";
        """,
    )
    claims: dict[str, Json] = {"sub": "u5", "n": 5, "l": "x", "name": "long name"}
    for target, status in (
        ("/a?n=5&l=[%22x%22&m=^long", 401),
        ('/a?n=5&l=["x"&m=^long', 200),
        ('/a?n=5&l=["x"&m=^name', 401),
        ('/a?n=5&l=["x"&m=(', 401),
        ('/a?n=5&l="x"&m=^long', 401),
        ('/a?n=6&l=["x"&m=^long', 401),
    ):
        assert nginx.request(f"GET {target}", line(claims)).status == status, target


def test_match_of_a_variable(nginx: Nginx) -> None:
    serve(nginx, "auth_jwt_require_claim sub match $arg_m;")
    for pattern, status in (
        ('"^u"', 200),
        ('"^x"', 401),
        ('"(?i)U1"', 200),
        ("^u", 401),
        ('"("', 401),
        ("5", 401),
        (f'"{"u" * 1024}"', 401),
        (f'"u1{"|u" * 511}"', 200),
        (f'"u1{"|u" * 511}|"', 401),
    ):
        assert nginx.request(f"GET /a?m={pattern}", bearer()).status == status, pattern


def test_match_gives_up(nginx: Nginx) -> None:
    """Also if the outcome is turned round."""
    serve(
        nginx,
        r"auth_jwt_require_claim sub match '^(a+)+\\z';",
        server=r"location /not { auth_jwt_require_claim sub !match '^(a+)+\\z'; }"
        """location /told { auth_jwt_require_claim sub match $arg_m; }""",
    )
    for target in ("/a", "/not", '/told?m="^(a+)+\\\\z"'):
        assert nginx.request(f"GET {target}", bearer(sub="a" * 40 + "b")).status == 401
    nginx.wait_for_log("auth_jwt: regex match limit exceeded", 3)
    assert nginx.request("GET /a", bearer(sub="aaa")).status == 200


def test_sizes(nginx: Nginx) -> None:
    serve(
        nginx,
        "auth_jwt_require_claim sub in $json;",
        http='map $arg_n $json { default \'["u1","$x"]\'; more \'["u1","${x}y"]\'; }'
        f"map x $x {{ default {'x' * 4087}; }}",
        server="""
            location /text { auth_jwt_require_claim sub ne 123456789$x; try_files /a =404; }
            location /long { auth_jwt_require_claim sub ne 123456789.$x; try_files /a =404; }
        """,
    )
    assert nginx.request("GET /a", bearer()).status == 200
    assert nginx.request("GET /a?n=more", bearer()).status == 401
    nginx.wait_for_log(r"auth_jwt: claim requirement value too large: sub \(4097 bytes\)")
    assert nginx.request("GET /text", bearer()).status == 200
    assert nginx.request("GET /long", bearer()).status == 401
    nginx.wait_for_log(r"auth_jwt: claim requirement value too large: sub \(4097 bytes\)", 2)


def test_long_arrays(nginx: Nginx) -> None:
    elements = {number: ",".join(["0"] * number) for number in (99, 1024)}
    serve(
        nginx,
        f"auth_jwt_require_claim n in json=[{elements[99]},5];",
        server=f"""
            location /more {{ auth_jwt_require_claim n in json=[{elements[1024]},5]; {A} }}
            location /not {{ auth_jwt_require_claim n !in json=[{elements[1024]},5]; {A} }}
            location /any {{ auth_jwt_require_claim n any json=[{elements[1024]},5]; {A} }}
        """,
    )
    for target, status in (("/a", 200), ("/more", 401), ("/not", 401), ("/any", 401)):
        assert nginx.request(f"GET {target}", line({"n": 5})).status == status, target


# Headers.


def test_header(nginx: Nginx) -> None:
    serve(
        nginx,
        """
        auth_jwt_require_header typ eq at+jwt; auth_jwt_require_header .m.v ge json=2;
        auth_jwt_require_header alg in json=["ES256","RS256"];
        """,
    )
    cases: list[tuple[dict[str, Json], int]] = [
        ({"typ": "at+jwt", "m": {"v": 2}}, 200),
        ({"typ": "at+jwt", "m": {"v": 1}}, 401),
        ({"typ": "at+jwt"}, 401),
        ({"m": {"v": 2}}, 401),
    ]
    for header, status in cases:
        assert nginx.request("GET /a", line({}, header)).status == status, header


# Names of nested members.


NESTED: dict[str, Json] = {"a": {"b": {"c": "1"}}, "a.b": "2", "d": {"e.f": "3", "g-h": "4"}}


@pytest.mark.parametrize(
    "parameters, name, value",
    [
        ("", "a.b.c", "1"),
        ("", "a..b.c.", "1"),
        ("", '"a.b"', "2"),
        ("", 'd."e.f"', "3"),
        ("", "d.e.f", None),
        ("", '"a.b', None),
        ("", '"a"b', None),
        ("", '"a".b.c', "1"),
        ("", '."a.b"', "2"),  # a path
        ("", ".a.b.c", "1"),
        ("delimiter=_", "a_b_c", "1"),
        ("delimiter=_", "a.b", "2"),
        ("delimiter=->", "a->b->c", "1"),
        ("quote=%", "%a.b%", "2"),
        ("quote=%", "d.%e.f%", "3"),
        ("quote=-- delimiter=/", "--a.b--", "2"),
        ("delimiter=/ quote=%", "d/e.f", "3"),
        ("delimiter=- quote=%", "d-%g-h%", "4"),
    ],
)
def test_nested_names(nginx: Nginx, parameters: str, name: str, value: str | None) -> None:
    serve(
        nginx,
        f"auth_jwt_allow_nested {parameters}; {demand(f'{name} eq {value or 1}')}"
        f"{demand(f'{name} eq {value or 1}', 'auth_jwt_require_header')}",
        server="location /plain { auth_jwt_require_claim a.b eq 2; try_files /a =404; }",
    )
    assert nginx.request("GET /a", line(NESTED, NESTED)).status == (200 if value else 401)
    assert nginx.request("GET /plain", line(NESTED)).status == 200


def test_a_name_that_leads_nowhere(nginx: Nginx) -> None:
    open_end, rest, whole = (demand(f"{name} ne x") for name in ('"a.b', '"a"b', "/"))
    serve(
        nginx,
        f"auth_jwt_allow_nested; {open_end}",
        server=f"""
            location /after {{ auth_jwt_allow_nested; {rest} {A} }}
            location /whole {{ auth_jwt_allow_nested delimiter=/; {whole} {A} }}
        """,
    )
    for target, status in (("/a", 401), ("/after", 401), ("/whole", 200)):
        assert nginx.request(f"GET {target}", line(NESTED)).status == status, target


# Levels.


def test_demands_add_up(nginx: Nginx) -> None:
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html;
        auth_jwt_require_claim b eq 2; auth_jwt_require_header hb eq 2;
        location / {{ auth_jwt_require_claim c eq 3; auth_jwt_require_header hc eq 3; }}
        location /plain {{
            try_files /a =404;
            limit_except GET {{ auth_jwt_require_claim e eq 4; }}
        }}
        location /off {{ auth_jwt off; try_files /a =404; }}
        """,
        http="auth_jwt_require_claim a eq 1; auth_jwt_require_header ha eq 1;",
        files=PAGES,
    )
    for target, claims, header, status in (
        ("GET /a", "abc", "abc", 200),
        ("GET /a", "ab", "abc", 401),
        ("GET /a", "bc", "abc", 401),
        ("GET /a", "abc", "ab", 401),
        ("GET /a", "abc", "bc", 401),
        ("GET /plain", "ab", "ab", 200),
        ("GET /plain", "b", "ab", 401),
        ("GET /plain", "ab", "a", 401),
        ("POST /plain", "ab", "ab", 401),
        ("POST /plain", "abe", "ab", 404),
        ("GET /off", "", "", 200),
    ):
        values = {"a": "1", "b": "2", "c": "3", "e": "4"}
        sent = line({n: values[n] for n in claims}, {f"h{n}": values[n] for n in header})
        assert nginx.request(target, sent).status == status, (target, claims, header)


@pytest.mark.nginx_differs(
    "of several demands all but the first are lost if outer levels have less"
)
def test_no_demand_is_lost(nginx: Nginx) -> None:
    serve(
        nginx,
        "auth_jwt_require_claim b eq 1; auth_jwt_require_claim c eq 1;",
        server="auth_jwt_require_claim a eq 1;",
    )
    assert nginx.request("GET /a", line({"a": "1", "b": "1"})).status == 401
    assert nginx.request("GET /a", line({"a": "1", "b": "1", "c": "1"})).status == 200


def test_order(nginx: Nginx) -> None:
    """Outer claims, inner claims, exp, headers: the first that is not met is told."""
    nginx(
        f"""
        {KEYS} auth_jwt "A"; root html; auth_jwt_require_header hb eq 1;
        auth_jwt_require_claim a eq 1; auth_jwt_require_claim b eq 1;
        location / {{
            auth_jwt_require_header hc eq 1; auth_jwt_require_claim c eq $arg_c;
            auth_jwt_require_claim d eq 1;
        }}
        """,
        files=PAGES,
    )
    claims: dict[str, Json] = {}
    header: dict[str, Json] = {}
    for where, name, missing in (
        (claims, "a", "claim: a"),
        (claims, "b", "claim: b"),
        (claims, "c", "claim: c"),
        (claims, "d", "claim: d"),
        (header, "hb", "header: hb"),
        (header, "hc", "header: hc"),
    ):
        assert nginx.request('GET /a?c="1"', line(claims, header)).status == 401
        nginx.wait_for_log(f"auth_jwt: rejected due to missing {missing}")
        where[name] = "1"
    assert nginx.request('GET /a?c="1"', line(claims, header)).status == 200
    assert nginx.request('GET /a?c="1"', line({**claims, "exp": 1}, {})).status == 401
    nginx.wait_for_log("rejected due to token expired")


# Times.


def test_leeway_of_times(nginx: Nginx) -> None:
    serve(
        nginx,
        "auth_jwt_require_claim nbf le $jwt_nowtime;",
        server="""
            location /lax {
                auth_jwt_leeway 1m; auth_jwt_require_claim nbf le $jwt_nowtime;
                auth_jwt_require_claim exp ge $jwt_nowtime; try_files /a =404;
            }
            location /constant {
                auth_jwt_leeway 1m; auth_jwt_require_claim exp gt json=1000;
                auth_jwt_validate_exp off; try_files /a =404;
            }
            location /iat { auth_jwt_require_claim iat le $jwt_nowtime; try_files /a =404; }
        """,
    )
    now = int(time.time())
    cases: list[tuple[str, dict[str, Json], int]] = [
        ("/a", {"nbf": now - 5}, 200),
        ("/a", {"nbf": now + 50}, 401),
        ("/a", {}, 401),
        ("/a", {"nbf": str(now - 5)}, 401),
        ("/lax", {"nbf": now + 30}, 200),
        ("/lax", {"nbf": now + 90}, 401),
        ("/lax", {"nbf": 1, "exp": now - 30}, 200),
        ("/lax", {"nbf": 1, "exp": now - 90}, 401),
        ("/constant", {"exp": 941}, 200),
        ("/constant", {"exp": 940}, 401),
        ("/iat", {"iat": now - 5}, 200),
        ("/iat", {"iat": now + 50}, 401),
    ]
    for target, claims, status in cases:
        assert nginx.request(f"GET {target}", line(claims)).status == status, (target, claims)


@pytest.mark.nginx_differs("a requirement on exp that is met switches its check of exp off")
def test_a_demand_on_exp_does_not_replace_its_check(nginx: Nginx) -> None:
    serve(nginx, "auth_jwt_require_claim exp gt json=5;")
    assert nginx.request("GET /a", bearer()).status == 200
    assert nginx.request("GET /a", bearer(exp=int(time.time()) - 5)).status == 401
