"""Which key files are served."""

from __future__ import annotations

from ..kit import Linter

RULE = "key-file-in-docroot"
API = 'location /api/ { auth_jwt "a"; auth_jwt_key_file keys/jwks.json; }'


def test_by_an_alias(linter: Linter) -> None:
    found = linter.of(RULE, f"{API} location /static/ {{ alias keys/; }}")
    assert "as /static/jwks.json" in found[0].message


def test_not_where_it_is_denied(linter: Linter) -> None:
    text = f"root .; {API} location ~ [.]json$ {{ %s }} location / {{ }}"
    assert linter.of(RULE, text % "expires 1d;")
    for denied in ("deny all;", "return 404;", "internal;", "proxy_pass http://127.0.0.1:1;"):
        assert not linter.of(RULE, text % denied)


def test_public_keys_may_be_served(linter: Linter) -> None:
    jwk = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    text = API.replace("keys/jwks", "www/jwks") + "root www; location / { }"
    assert not linter.of(RULE, text, files={"www/jwks.json": f'{{"keys":[{jwk}]}}'})


def test_a_path_that_no_file_can_have(linter: Linter) -> None:
    assert linter.report(API.replace("jwks", "jw\0ks") + " root .;").crashes == []
