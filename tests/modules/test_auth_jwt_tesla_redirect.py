"""auth_jwt_redirect: to the login page, and back."""

from __future__ import annotations

import pytest

from ..authority import Authority
from ..nginx import Nginx
from .plain_keys import HEX, PAGE, auth, good, status

pytestmark = pytest.mark.pyngx_only("no test nginx has TeslaGov's module")
KEY = f"auth_jwt_key {HEX};"
LOGIN = f"{KEY} auth_jwt_redirect on; auth_jwt_loginurl https://login.example/in;"
BACK = "https://login.example/in?return_url="


def test_there_and_back(nginx: Nginx) -> None:
    nginx(f"server_name a.example; {LOGIN} root html;", files=PAGE)
    nginx.exchange(f"""
        > GET /a?b=c
        > Host: a.example
        < 302
        < Location: {BACK}http://a.example:%%PORT%%/a%3Fb=c
        < !WWW-Authenticate

        > GET /a
        > Host: a.example
        > {auth(good(exp=5))}
        < 302
        < Location: {BACK}http://a.example:%%PORT%%/a

        > GET /a
        > {auth(good())}
        < 200
        < !Location

        > POST /a
        > Host: a.example
        < 302
        < Location: https://login.example/in

        > HEAD /a?b=c
        > Host: a.example
        < 302
        < Location: https://login.example/in

        > GET /a HTTP/1.0
        < 302
        < Location: {BACK}http://a.example:%%PORT%%/a
        """)


@pytest.mark.parametrize(
    "uri, escaped",
    [
        ("/", "/"),
        ("/redir/a%20b?x=1&y=%20z", "/redir/a%2520b%3Fx=1%26y=%2520z"),
        ('/"+;<>?', "/%22%2B%3B%3C%3E%3F"),
        ("/\\^`{|}", "/%5C%5E%60%7B%7C%7D"),
        ("/\x80\xff", "/%80%FF"),
        ("/=:@!$'()*,~[]-._", "/=:@!$'()*,~[]-._"),
        ("//evil.example/..%2f", "//evil.example/..%252f"),
        ("/%0d%0aX:%201", "/%250d%250aX:%25201"),
        ("/a?return_url=/b", "/a%3Freturn_url=/b"),
    ],
)
def test_escaping(nginx: Nginx, uri: str, escaped: str) -> None:
    """The request's own target, as ngx_escape_uri() does for arguments."""
    nginx(f"server_name a; {LOGIN}")
    answer = nginx.request(f"GET {uri}", "Host: a")
    assert answer.get("Location") == nginx.filled(f"{BACK}http://a:%%PORT%%{escaped}")


@pytest.mark.parametrize(
    "names, host, told",
    [
        ("a.example", "a.example", "a.example"),
        ("a.example", "A.Example:99", "a.example"),
        ("a.example", "evil.example", "a.example"),
        ("a.example b.example", "b.example", "b.example"),
        ("a.example b.example", "c.example", "a.example"),
        ("*.example a.example", "x.example", "x.example"),
        ("*.example a.example", "evil", "a.example"),
        (".example", "x.example", "x.example"),
        (".example", "evil", "example"),
        ("*.example", "evil", None),
        (r"~^(www\.)?a\.example$", "www.a.example", "www.a.example"),
        (r"~^(www\.)?a\.example$", "evil", None),
        ("_", "any.example", "any.example"),
        ('""', "any.example", "any.example"),
    ],
)
def test_only_hosts_of_the_server(nginx: Nginx, names: str, host: str, told: str | None) -> None:
    nginx(f"server_name {names}; location / {{ {LOGIN} }}")
    back = f"?return_url=http://{told}:%%PORT%%/" if told else ""
    answer = nginx.request("GET /", f"Host: {host}", "X-Forwarded-Host: evil")
    assert answer.get("Location") == nginx.filled(f"https://login.example/in{back}")


def test_absolute_target(nginx: Nginx) -> None:
    """Its host counts as the Host field does."""
    nginx(f"server_name a; location / {{ {LOGIN} }}")
    for target in ("http://a/x?y", "http://evil/x?y"):
        answer = nginx.request(f"GET {target}", "Host: evil")
        assert answer.get("Location") == nginx.filled(f"{BACK}http://a:%%PORT%%/x%3Fy")


def test_no_host(nginx: Nginx) -> None:
    nginx(LOGIN)
    answer = nginx.request("GET / HTTP/1.0")
    assert (answer.status, answer.get("Location")) == (302, "https://login.example/in")


def test_scheme_is_that_of_the_connection(nginx: Nginx) -> None:
    site = Authority("a.example", ["a.example"])
    nginx(
        "location / { proxy_ssl_server_name on; proxy_pass https://127.0.0.1:%%PORT_tls%%; "
        "proxy_redirect off; proxy_set_header Host a.example; }",
        servers=[
            f"""
            listen 127.0.0.1:%%PORT_tls%% ssl; server_name a.example;
            ssl_certificate site.pem; ssl_certificate_key site.key;
            location / {{ {LOGIN} }}
            """,
            f"listen 127.0.0.1:%%PORT_plain%%; server_name a.example; location / {{ {LOGIN} }}",
        ],
        files={"site.pem": site.pem, "site.key": site.key_pem()},
    )
    answer = nginx.request("GET /x")
    assert answer.get("Location") == nginx.filled(f"{BACK}https://a.example:%%PORT_tls%%/x")
    answer = nginx.request("GET /x", "X-Forwarded-Proto: https", port="plain")
    assert answer.get("Location") == nginx.filled(f"{BACK}http://a.example:%%PORT_plain%%/x")


@pytest.mark.parametrize(
    "login, told",
    [
        ("/login", "http://a:%%PORT%%/login?return_url=http://a:%%PORT%%/x"),
        ("http://l/?next=1", "http://l/?next=1?return_url=http://a:%%PORT%%/x"),
        ("http://l/$uri", "http://l/$uri?return_url=http://a:%%PORT%%/x"),
    ],
)
def test_login_urls(nginx: Nginx, login: str, told: str) -> None:
    nginx(f"server_name a; {KEY} auth_jwt_redirect on; auth_jwt_loginurl {login};")
    assert nginx.request("GET /x", "Host: a").get("Location") == nginx.filled(told)


def test_no_login_url(nginx: Nginx) -> None:
    nginx(f"server_name a; {KEY} auth_jwt_redirect on;")
    assert nginx.request("GET /x", "Host: a").status == 302
    assert status(nginx, "/x", "Host: a", method="POST") == 302


def test_no_challenge(nginx: Nginx) -> None:
    nginx(
        f"""
        {LOGIN} auth_jwt_www_authenticate Bearer;
        location /401 {{ auth_jwt_redirect off; }}
        """
    )
    nginx.exchange("""
        > GET /
        < 302
        < !WWW-Authenticate

        > GET /401
        < 401
        < WWW-Authenticate: Bearer
        """)


def test_after_an_internal_redirect(nginx: Nginx) -> None:
    """What the client asked for is what it comes back to."""
    nginx(f"server_name a; location / {{ rewrite ^ /inner last; }} location /inner {{ {LOGIN} }}")
    told = f"{BACK}http://a:%%PORT%%/outer%3Fb"
    assert nginx.request("GET /outer?b", "Host: a").get("Location") == nginx.filled(told)


def test_the_location_holds_nothing_else(nginx: Nginx) -> None:
    """TeslaGov's module sends pieces of memory, such as of the key, after the port."""
    nginx(f"server_name a; {LOGIN}")
    text = good(exp=5)
    for _ in range(20):
        answer = nginx.request("GET /x", "Host: a", auth(text))
        assert answer.get("Location") == nginx.filled(f"{BACK}http://a:%%PORT%%/x")
    assert status(nginx, "/x", auth(text)) == 302
