"""Where keys come from without TLS."""

from __future__ import annotations

from ..kit import Linter

RULE = "jwks-over-http"
TEXT = """
    %s
    server {
        location / { auth_jwt "a"; auth_jwt_key_request /_jwks; }
        location = /_jwks { internal; %s proxy_pass %s; }
    }
    """


def test_what_variables_tell(linter: Linter) -> None:
    for host, count in (("127.0.0.1", 0), ("192.0.2.1", 1)):
        text = TEXT % ("", f"set $idp http://{host};", "$idp/keys")
        assert len(linter.of(RULE, text)) == count


def test_servers_of_a_group(linter: Linter) -> None:
    for host, count in (("127.0.0.1:81", 0), ("192.0.2.1:81", 1), ("unix:/run/idp", 0)):
        text = TEXT % (f"upstream idp {{ server {host}; }}", "", "http://idp/keys")
        assert len(linter.of(RULE, text)) == count


def test_unknown_hosts_are_not_guessed(linter: Linter) -> None:
    assert not linter.of(RULE, TEXT % ("", "", "http://$arg_x/keys"))
