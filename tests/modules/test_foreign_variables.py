"""Variables of nginx that nothing fills here exist all the same; unknown ones have a place."""

from __future__ import annotations

import re

import pytest

from ..nginx import Nginx
from ..tls_client import shaken
from .test_tls_front import FILES, FRONT_CERTIFICATE, LISTEN, get

CLIENT = "cert escaped_cert fingerprint i_dn i_dn_legacy raw_cert s_dn s_dn_legacy serial sigalg"
EMPTY = [
    *(f"ssl_client_{name}" for name in f"{CLIENT} v_end v_remain v_start".split()),
    *("ssl_early_data", "ssl_ech_outer_server_name", "ssl_ech_status"),
    *("secure_link", "secure_link_expires", "uid_got", "uid_set", "uid_reset", "http2"),
    *("fastcgi_path_info", "modern_browser"),
]
TLS = ("ssl_server_name", "ssl_ciphers", "ssl_session_id", "ssl_client_verify")
OF_TLS = ("ssl_curve", "ssl_curves", "ssl_sigalg", "ssl_sigalgs")
MSIE = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)"
CHANGEABLE = "uid_reset proxy_host proxy_port ssl_client_verify msie arg_x http_x_own sent_http_x"
FIXED = """
    http_host http_cookie http_user_agent http_referer http_via http_x_forwarded_for
    sent_http_content_type sent_http_link sent_http_location date_gmt uid_got http2 secure_link
    fastcgi_path_info request_time upstream_addr
"""
OTHERS = {
    "/a/b?c": ("fastcgi_script_name", "", "/a/b"),
    "/a": ("ancient_browser", "", "1"),
    "/m": ("msie", MSIE, "1"),
    "/o": ("msie", "Opera MSIE 6.0", ""),
    "/f": ("msie", "Mozilla/5.0 Firefox/100", ""),
}


def test_empty_variables(nginx: Nginx) -> None:
    texts = "".join(f"[${name}]" for name in (*EMPTY, *TLS, *OF_TLS))
    nginx(f'location / {{ return 200 "{texts}"; }}')
    nginx.exchange(f"""
        > GET /
        < 200
        <
        < {"[]" * len([*EMPTY, *TLS, *OF_TLS])}
        """)


def test_variables_of_tls(nginx: Nginx) -> None:
    values = " ".join(f"[${name}]" for name in (*TLS, "ssl_curve", "ssl_curves", "ssl_sigalgs"))
    nginx(f"{FRONT_CERTIFICATE} return 200 '{values}';", listen=LISTEN, files=FILES)
    with shaken(nginx, "Front.Example") as (tls, wire):
        names = [cipher["name"] for cipher in tls.context.get_ciphers()]
        wire.send(b"GET / HTTP/1.0\r\nHost: other\r\n\r\n")
        answer = wire.answer()
    assert answer is not None
    name, ciphers, session, verify, curve, curves, sigalgs = re.findall(r"\[(.*?)\]", answer.text)
    assert (name, verify) == ("Front.Example", "NONE")
    assert set(ciphers.split(":")) & set(names)
    assert curve in curves.split(":")
    assert sigalgs
    assert re.fullmatch(r"([0-9a-f]{2})+", session)
    assert get(nginx, None).startswith("[] ")


@pytest.mark.parametrize("target", OTHERS)
def test_variables_without_their_directives(target: str, nginx: Nginx) -> None:
    name, agent, value = OTHERS[target]
    nginx(f'location / {{ return 200 "[${name}]"; }}')
    fields = [f"User-Agent: {agent}"] if agent else []
    assert nginx.request(f"GET {target}", *fields).text == f"[{value}]"


def test_dates(nginx: Nginx) -> None:
    nginx('location / { return 200 "$date_gmt\n$date_local"; }')
    for line in nginx.request("GET /").text.split("\n"):
        assert re.fullmatch(r"[A-Z][a-z]+day, \d\d-[A-Z][a-z]+-\d{4} \d\d:\d\d:\d\d \w+", line)


@pytest.mark.parametrize("name", CHANGEABLE.split())
def test_variables_that_can_be_set(name: str, nginx: Nginx) -> None:
    nginx(
        f"""
        location /a {{ set ${name} v; return 200 "${name}"; }}
        location /unset {{ return 200 "[${name}]"; }}
        """
    )
    assert nginx.request("GET /a").text == "v"
    assert nginx.request("GET /unset").text == "[]"
    nginx.accepts(http=f"map $uri ${name} {{ default 1; }}")


@pytest.mark.parametrize("name", FIXED.split())
def test_variables_that_cannot_be_set(name: str, nginx: Nginx) -> None:
    duplicate = f'the duplicate "{name}" variable'
    nginx.rejects(f"set ${name} v;", duplicate, line=1)
    nginx.rejects(http=f"map $uri ${name} {{ default 1; }}", message=duplicate, line=1)


def test_set_proxy_host_is_not_the_host_that_is_sent(nginx: Nginx) -> None:
    nginx(
        "location / { set $proxy_host own.example; proxy_pass http://127.0.0.1:%%PORT_b%%; }",
        servers=["listen 127.0.0.1:%%PORT_b%%; return 200 $http_host;"],
    )
    assert nginx.request("GET /").text == f"127.0.0.1:{nginx.port('b')}"


# -- unknown ones -------------------------------------------------------------------------------


@pytest.mark.pyngx_only("nginx names no file and line")
def test_unknown_variable_has_a_place(nginx: Nginx) -> None:
    unknown = 'unknown "nope" variable'
    nginx.rejects("location / {\nreturn 200\n$nope; }", unknown, line=3)
    nginx.rejects("# $nope\nlocation / { return 200 '${NOPE}'; }", unknown, line=2)
    nginx.rejects(http="map $uri $x {\ndefault 1;\n/a\n$nope;\n}", message=unknown, line=4)
    nginx.rejects(http="log_format x\n'a $nope b';", message=unknown, line=2)


@pytest.mark.pyngx_only("nginx names no file and line")
def test_unknown_variable_of_an_include(nginx: Nginx) -> None:
    (nginx.prefix / "part.conf").write_text("\nadd_header X $nope;\n")
    output = nginx.refused("location / { include part.conf; }")
    assert f'unknown "nope" variable in {nginx.prefix}/part.conf:2\n' in output


@pytest.mark.pyngx_only("nginx has modules with these variables, or does not name them")
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("oidc_claim_sub", "ngx_http_oidc_module"),
        ("acme_certificate", "ngx_http_acme_module"),
    ],
)
def test_variables_of_modules_that_are_missing(name: str, module: str, nginx: Nginx) -> None:
    nginx.rejects(
        f"return 200 ${name};",
        f'unknown "{name}" variable, one of {module} that pyngx does not have',
        line=1,
    )


def test_payload_of_other_dialects(nginx: Nginx) -> None:
    """The dialect is that of kjdev's module, which is the one in the real nginx."""
    own = "auth_jwt_require_claim iss eq me; auth_jwt off;"
    nginx.rejects(f"{own} return 200 $jwt_payload;", 'unknown "jwt_payload" variable')
