"""What configurations in the world have taught: nothing that nginx starts with is an error."""

from __future__ import annotations

from pathlib import Path

from .kit import Linter


def errors(linter: Linter, text: str) -> list[str]:
    return [f"{f.line}: {f.message}" for f in linter.findings(text) if f.is_error]


def test_fields_of_http_are_looked_into_where_servers_have_them(linter: Linter) -> None:
    """In nginx the values of proxy_set_header are compiled as levels are merged."""
    fields = "proxy_set_header X-Group $group;\nproxy_set_body $body;\n"
    assert not errors(linter, f"events {{}} http {{ {fields} }}")
    own = "server { proxy_set_header X-User x; proxy_set_body y; }"
    assert not errors(linter, f"events {{}} http {{ {fields} {own} }}")
    assert len(errors(linter, f"events {{}} http {{ {fields} {own} server {{ }} }}")) == 2
    assert errors(linter, f"events {{}} http {{ server {{ {fields} }} }}")


def test_other_variables_of_http_are_looked_into_at_once(linter: Linter) -> None:
    assert errors(linter, "events {} http { add_header X-Group $group; }")
    assert errors(linter, "events {} http { log_format groups $group; }")


def test_modules_by_others_in_all_their_blocks(linter: Linter) -> None:
    text = """
        events { }
        http {
            set_random $which 1 3;
            map $which $page { 1 /a; 2 /b; }
            set_md5 $sum $uri;
            server {
                set_random $which 1 3;
                location / { if ($uri) { set_md5 $other $uri; } }
            }
        }
        """
    assert not errors(linter, text)


def test_certificates_that_are_chosen_for_each_handshake(linter: Linter) -> None:
    text = """
        events { }
        http {
            ssl_certificate $ssl_server_name.crt;
            ssl_certificate_key $ssl_server_name.key;
            server { listen 8443 ssl; }
        }
        """
    assert not errors(linter, text)


def test_example_of_the_documentation_is_safe(linter: Linter) -> None:
    """The complete configuration that docs/jwt/README.md begins with; its certificates and the
    issuer's authority are not on this machine."""
    page = Path(__file__).parents[2] / "docs/jwt/README.md"
    text = page.read_text().partition("```nginx\n")[2].partition("```")[0]
    assert {f.rule for f in linter.findings(text)} <= {"not-on-this-machine"}
    unsafe = text.replace("proxy_ssl_verify on;", "")
    assert "jwks-tls-unverified" in [f.rule for f in linter.findings(unsafe)]
