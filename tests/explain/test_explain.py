"""``pyngx token --explain``: what is explanation of a request, and by which statement it is so."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyngx_jwt import token as command
from pyngx_jwt.explain.explainer import (
    ADMITTED,
    REFUSED,
    UNKNOWN,
    Explainer,
    Explanation,
)
from pyngx_jwt.explain.report import as_json, as_text
from pyngx_jwt.explain.request import RequestSpec, RequestSpecError, parse_url
from pyngx_jwt.jwt import KeySetError

from ..jwt.keys import encryption_key, jwks, signing_key
from .offline import explain, options_of
from .setups import CLAIMS, FORGED, HEX, HMAC, KEY, NOW, OTHER, SETUPS, files, tokens

ROOT = Path(__file__).parent.parent.parent
PLUS = "auth_jwt A; auth_jwt_key_file jwks.json;"
GOOD = KEY.sign(CLAIMS)
GIF = "location /a { empty_gif; }"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all the files that configurations here name."""
    for name, content in files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(explanation: Explanation, name: str) -> list[tuple[str, str, str]]:
    """Result, text, and the statement's words of each line of this name."""
    return [
        (x.mark, x.text, " ".join([x.statement.name, *x.statement.args]) if x.statement else "")
        for x in explanation.trip.lines
        if x.name == name
    ]


def because(explanation: Explanation) -> tuple[str, str, str]:
    """Name, text and statement of what refused the request."""
    assert explanation.verdict == REFUSED and explanation.trip.refused is not None
    line = explanation.trip.refused
    return line.name, line.text, line.statement.name if line.statement else ""


# -- each kind of refusal, in each dialect ----------------------------------------------------

PLACES = {  # dialect: what looks at the token, and the statement that is named for keys
    "plus": ("/a", "auth_jwt", "auth_jwt_key_file"),
    "pyngx": ("/a", "auth_jwt", "auth_jwt_key_file"),
    "kjdev": ("/a", "auth_jwt", "auth_jwt_key_file"),
    "tesla": ("/a", "auth_jwt_enabled", "auth_jwt_key"),
    "maxlt": ("/a", "auth_jwt", "auth_jwt_key"),
    "tizp": ("/a", "auth_jwt", "auth_jwt_key_file"),
}
KINDS = {  # token: name of the check that fails, a part of what is explanation
    "none": ("token", 'no token in "Authorization: Bearer"'),
    "forged": ("signature", "bad: does not verify with"),
    "unsigned": ("algorithm", 'algorithm not allowed: "none"'),
    "expired": ("exp", "expired: "),
    "with a date that is none": ("exp", 'invalid time claim: "soon" is not a date'),
    "early": ("nbf", "not yet valid: "),
    "malformed": ("form", "not three segments"),
    "critical": ("form", "unsupported header: critical"),
    "an array": ("claims", "payload is not a JSON object"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", SETUPS)
def test_kinds_of_refusal(dialect: str, kind: str, folder: Path) -> None:
    setup = SETUPS[dialect]
    path, switch, _ = PLACES[dialect]
    explanation = explain(folder, setup.server, tokens(setup)[kind], f"http://localhost{path}")
    name, text, statement = because(explanation)
    assert explanation.choice.name == dialect
    assert (name, KINDS[kind][1] in text) == (KINDS[kind][0], True), text
    assert statement in (switch, "auth_jwt_algorithm", "auth_jwt_alg", "auth_jwt_type")
    assert explanation.r.status == 401


@pytest.mark.parametrize("dialect", SETUPS)
def test_good_token(dialect: str, folder: Path) -> None:
    setup = SETUPS[dialect]
    explanation = explain(folder, setup.server, tokens(setup)["good"])
    assert explanation.verdict == ADMITTED
    assert [mark for mark, _, _ in lines(explanation, "signature")] == ["passed"]
    assert lines(explanation, "keys")[0][2].startswith(PLACES[dialect][2])
    assert lines(explanation, "content")[0][2] == "root html"


def test_three_ways_in_which_keys_fail(folder: Path) -> None:
    server = "auth_jwt A; auth_jwt_key_file both.json;"
    name, text, statement = because(explain(folder, server, KEY.sign(CLAIMS, {"kid": "k9"})))
    assert (name, statement) == ("key", "auth_jwt_key_file")
    assert text == 'no key has kid "k9"; known: "e1", "k1"'
    name, text, _ = because(explain(folder, server, KEY.sign(CLAIMS, {"kid": "e1"})))
    assert name == "key"
    assert text == 'kid "e1" is an EC P-256 key (ES256), which cannot verify "RS256"'
    name, text, _ = because(explain(folder, server, FORGED.sign(CLAIMS)))
    assert (name, text) == ("signature", 'bad: does not verify with "k1" (RSA, RS256)')
    name, text, _ = because(explain(folder, server, HMAC.sign(CLAIMS)))
    assert name == "key" and text.startswith('no key can verify "HS256": there is "k1"')


def test_keys_that_the_token_chooses(folder: Path) -> None:
    server = "auth_jwt A; auth_jwt_key_file $keys; root html;"
    http = "map $jwt_claim_iss $keys { me jwks.json; default missing.json; }"
    explanation = explain(folder, server, KEY.sign({**CLAIMS, "iss": "me"}), http=http)
    assert explanation.verdict == ADMITTED
    ((mark, text, statement),) = lines(explanation, "keys")
    assert (mark, statement) == ("passed", "auth_jwt_key_file $keys")
    assert text.startswith(f'key file "{folder}/jwks.json": "k1"')
    name, text, _ = because(
        explain(folder, server, FORGED.sign({**CLAIMS, "iss": "me"}), http=http)
    )
    assert name == "signature"
    name, text, _ = because(explain(folder, server, KEY.sign({**CLAIMS, "iss": "you"}), http=http))
    assert name == "keys" and "missing.json" in text
    name, _, _ = because(explain(folder, server, "x.y.z", http=http))
    assert name == "form"


def test_claims_that_are_demanded(folder: Path) -> None:
    server = f"{PLUS} auth_jwt_validate_claim iss you; auth_jwt_validate_claim roles a b;"
    explanation = explain(folder, server, GOOD)
    assert because(explanation) == (
        "claim",
        'iss is "me", expected "you"',
        "auth_jwt_validate_claim",
    )
    assert lines(explanation, "claim") == [
        ("failed", 'iss is "me", expected "you"', "auth_jwt_validate_claim iss you"),
        (
            "passed",
            'roles is ["a", "b"], expected "a", "b"',
            "auth_jwt_validate_claim roles a b",
        ),
    ]


def test_nested_claims_and_scopes(folder: Path) -> None:
    server = f"{PLUS} auth_jwt_validate_claim a.b x; auth_jwt_validate_claim scope read;"
    explanation = explain(
        folder, server, KEY.sign({**CLAIMS, "a": {"b": ["y"]}, "scope": "r read"})
    )
    assert lines(explanation, "claim") == [
        ("failed", 'a.b is ["y"], expected "x"', "auth_jwt_validate_claim a.b x"),
        ("passed", 'scope is "r read", expected "read"', "auth_jwt_validate_claim scope read"),
    ]


def test_keys_of_an_issuer(folder: Path) -> None:
    server = f"{PLUS} pyngx_jwt_key_issuer jwks.json me;"
    assert explain(folder, server, GOOD).verdict == ADMITTED
    explanation = explain(folder, server, KEY.sign({**CLAIMS, "iss": "you"}))
    name, text, statement = because(explanation)
    assert (name, statement) == ("issuer", "pyngx_jwt_key_issuer")
    assert text.endswith('is not for the "iss" of the token')


def test_values_that_are_required(folder: Path) -> None:
    server = f"{PLUS} auth_jwt_type signed; auth_jwt_require $jwt_claim_sub $arg_x error=403;"
    explanation = explain(folder, server, GOOD)
    name, text, statement = because(explanation)
    assert (name, statement, explanation.r.status) == ("require", "auth_jwt_require", 403)
    assert text == '$arg_x is "", so the status is 403'
    assert lines(explanation, "require")[0][:2] == ("passed", '$jwt_claim_sub is "alice"')
    assert explain(folder, server, GOOD, "http://localhost/?x=1").verdict == ADMITTED


def test_words_with_spaces_in_demands(folder: Path) -> None:
    """The statement that is named is the one with these words, and not the first of its name."""
    server = f"""{PLUS} auth_jwt_validate_claim iss $arg_x;
        auth_jwt_validate_claim "full name" "$arg_x B" other;
        auth_jwt_require $jwt_claim_sub; auth_jwt_require "$arg_x of it";"""
    token = KEY.sign({**CLAIMS, "full name": "me B"})
    explanation = explain(folder, server, token, "http://localhost/a?x=me")
    assert [statement for _, _, statement in lines(explanation, "validate_claim")] == [
        "auth_jwt_validate_claim iss $arg_x",
        "auth_jwt_validate_claim full name $arg_x B other",
    ]
    assert lines(explanation, "require") == [
        ("passed", '$jwt_claim_sub is "alice"', "auth_jwt_require $jwt_claim_sub"),
        ("passed", '$arg_x of it is "me of it"', "auth_jwt_require $arg_x of it"),
    ]


def test_requirements_of_kjdev_add_up_over_levels(folder: Path) -> None:
    server = "auth_jwt_require_claim .sub eq bob; location / { auth_jwt A; "
    server += "auth_jwt_key_file jwks.json; auth_jwt_require_header kid ne k1; }"
    explanation = explain(folder, server, GOOD)
    assert because(explanation)[:2] == ("claim", 'sub is "alice", expected eq bob')
    assert lines(explanation, "claim")[0][2] == "auth_jwt_require_claim .sub eq bob"
    assert lines(explanation, "header")[-1][1:] == (
        'kid is "k1", expected ne k1',
        "auth_jwt_require_header kid ne k1",
    )


def test_revoked(folder: Path) -> None:
    server = f"{PLUS} auth_jwt_revocation_list_sub revoked.json;"
    explanation = explain(folder, server, KEY.sign({**CLAIMS, "sub": "bob"}))
    name, text, statement = because(explanation)
    assert (name, statement) == ("revocation_list_sub", "auth_jwt_revocation_list_sub")
    assert "sub is in a revocation list" in text


def test_nbf_that_is_not_looked_at(folder: Path) -> None:
    server = f"{PLUS} pyngx_jwt_validate_nbf off;"
    explanation = explain(folder, server, KEY.sign({**CLAIMS, "nbf": NOW + 60}))
    assert explanation.verdict == ADMITTED
    ((mark, text, statement),) = lines(explanation, "nbf")
    assert (mark, statement) == ("skipped", "pyngx_jwt_validate_nbf off")
    assert text.endswith("in 1 min: not checked")


def test_leeway(folder: Path) -> None:
    explanation = explain(
        folder, f"{PLUS} auth_jwt_leeway 2m;", KEY.sign({**CLAIMS, "exp": NOW - 60})
    )
    ((mark, text, statement),) = lines(explanation, "exp")
    assert (mark, statement) == ("passed", "auth_jwt_leeway 2m")
    assert text.endswith("1 min ago; leeway 2 min")


def test_another_time_counts_everywhere(folder: Path) -> None:
    assert because(explain(folder, PLUS, GOOD, now=NOW + 7200))[0] == "exp"
    server = "auth_jwt A; auth_jwt_key_file jwks.json; auth_jwt_require_claim at lt $jwt_nowtime;"
    token = KEY.sign({**CLAIMS, "exp": NOW * 2, "at": NOW + 100})
    assert because(explain(folder, server, token))[0] == "require_claim"
    assert explain(folder, server, token, now=NOW + 1000).verdict == ADMITTED


def test_encrypted_and_nested(folder: Path) -> None:
    key = encryption_key("A256KW", "A256GCM", "e")
    (folder / "jwks.json").write_text(jwks(key, KEY))
    explanation = explain(folder, f"{PLUS} auth_jwt_type encrypted;", key.encrypt(CLAIMS))
    assert explanation.verdict == ADMITTED and lines(explanation, "decryption")[0][:2] == (
        "passed",
        "good",
    )
    explanation = explain(folder, f"{PLUS} auth_jwt_type nested;", key.encrypt(GOOD))
    assert explanation.verdict == ADMITTED and len(lines(explanation, "algorithm")) == 2
    explanation = explain(folder, f"{PLUS} auth_jwt_type nested;", key.encrypt(FORGED.sign(CLAIMS)))
    assert because(explanation)[0] == "signature"
    explanation = explain(folder, f"{PLUS} auth_jwt_type encrypted;", GOOD)
    assert because(explanation)[::2] == ("form", "auth_jwt_type")
    explanation = explain(folder, PLUS, key.encrypt(CLAIMS))
    assert "five segments: an encrypted token" in because(explanation)[1]
    other = encryption_key("A256KW", "A256GCM", "e", copy=1)
    explanation = explain(folder, f"{PLUS} auth_jwt_type encrypted;", other.encrypt(CLAIMS))
    assert because(explanation)[:2] == (
        "decryption",
        'bad: cannot be decrypted with "e" (oct, A256KW)',
    )


def test_what_no_key_vouches_for_is_marked(folder: Path) -> None:
    explanation = explain(folder, PLUS, FORGED.sign({**CLAIMS, "exp": NOW - 1}))
    assert lines(explanation, "claims")[0][1].endswith("(not verified)")
    assert lines(explanation, "exp")[0][1].endswith("(not verified)")
    explanation = explain(folder, PLUS, GOOD + "=")
    assert because(explanation)[0] == "form"
    assert '"sub":"alice"' in lines(explanation, "claims")[0][1]
    assert lines(explanation, "claims")[0][1].endswith("(not verified)")


# -- keys -------------------------------------------------------------------------------------

REQUEST = """
    location /a { auth_jwt A; auth_jwt_key_request /_k; auth_jwt_require $arg_x; }
    location = /_k { internal; proxy_pass http://keys.invalid/; }
"""


def test_keys_that_cannot_be_fetched_leave_it_open(folder: Path) -> None:
    explanation = explain(folder, REQUEST, GOOD, "http://localhost/a?x=1")
    assert explanation.verdict == UNKNOWN
    assert explanation.trip.questions == ['the keys of key request "/_k"']
    assert lines(explanation, "keys")[0] == (
        "unknown",
        'key request "/_k" is not sent here',
        "auth_jwt_key_request /_k",
    )
    assert "unknown: no check refuses the request" in as_text(explanation)


def test_without_keys_what_is_wrong_anyway_refuses(folder: Path) -> None:
    explanation = explain(
        folder, REQUEST, KEY.sign({**CLAIMS, "exp": NOW - 1}), "http://localhost/a?x=1"
    )
    assert explanation.verdict == REFUSED
    assert explanation.trip.log == []  # the server has keys, and may name another reason
    text = as_text(explanation)
    assert '  log: the line depends on the keys of key request "/_k"\n' in text
    assert 'hint: give the keys of key request "/_k" with --jwks FILE\n' in text
    assert "again" not in text
    assert because(explain(folder, REQUEST, GOOD))[0] == "require"
    assert because(explain(folder, REQUEST, "a.b"))[0] == "form"


def test_keys_by_hand(folder: Path) -> None:
    url = "http://localhost/a?x=1"
    explanation = explain(folder, REQUEST, GOOD, url, keys=jwks(KEY).encode())
    assert explanation.verdict == ADMITTED
    explanation = explain(folder, REQUEST, GOOD, url, keys=jwks(OTHER).encode())
    assert because(explanation)[0] == "key" and 'known: "k2"' in because(explanation)[1]
    assert "would fetch these keys again" in lines(explanation, "keys")[-1][1]
    with pytest.raises(KeySetError):
        explain(folder, REQUEST, GOOD, url, keys=b"{}")


def test_keys_by_hand_before_the_access_phase(folder: Path) -> None:
    server = f"{REQUEST} if ($jwt_claim_sub = alice) {{ return 403; }} auth_jwt A;"
    server += " auth_jwt_key_request /_k;"
    text = KEY.sign({"sub": "alice"})
    explanation = explain(folder, server, text, "http://localhost/a?x=1", keys=jwks(KEY).encode())
    assert because(explanation)[0] == "return"
    explanation = explain(folder, server, text, "http://localhost/a?x=1", keys=jwks(OTHER).encode())
    assert because(explanation)[0] == "key"
    with pytest.raises(KeySetError):
        explain(folder, server, text, keys=b"{}")


def test_keys_by_hand_in_the_form_that_is_asked_for(folder: Path) -> None:
    server = "auth_jwt A; auth_jwt_key_request /_k keyval; location = /_k { proxy_pass http://k; }"
    keys = (folder / "map.json").read_bytes()
    assert explain(folder, server, GOOD, keys=keys).verdict == ADMITTED


def test_file_that_is_missing(folder: Path) -> None:
    explanation = explain(
        folder, "auth_jwt A; auth_jwt_key_file no.json; auth_jwt_type signed;", GOOD
    )
    name, text, statement = because(explanation)
    assert (name, statement, explanation.r.status) == ("keys", "auth_jwt_key_file", 500)
    assert "No such file or directory" in text


def test_keys_that_are_missing_where_others_serve(folder: Path) -> None:
    server = f"auth_jwt on; auth_jwt_key {HEX} hex; auth_jwt_key_file no.json;"
    explanation = explain(folder, server, HMAC.sign(CLAIMS))
    assert explanation.verdict == ADMITTED
    assert [mark for mark, _, _ in lines(explanation, "keys")] == ["passed", "note"]
    explanation = explain(folder, server, KEY.sign(CLAIMS))
    assert because(explanation)[0] == "key"


def test_file_of_a_variable(folder: Path) -> None:
    server = "auth_jwt A; auth_jwt_key_file $arg_k.json;"
    explanation = explain(folder, server, GOOD, "http://localhost/?k=jwks")
    assert explanation.verdict == ADMITTED
    assert lines(explanation, "keys")[0][2] == "auth_jwt_key_file $arg_k.json"


def test_unsigned_tokens_that_are_allowed(folder: Path) -> None:
    explanation = explain(folder, "auth_jwt A; pyngx_allow_unsigned on;", FORGED.sign(CLAIMS))
    assert explanation.verdict == ADMITTED
    assert lines(explanation, "signature")[0][::2] == ("skipped", "pyngx_allow_unsigned on")


# -- where tokens are ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["$cookie_t", "$http_x_token", "$arg_t"])
def test_token_is_put_where_it_is_looked_for(place: str, folder: Path) -> None:
    explanation = explain(folder, f"auth_jwt A token={place}; auth_jwt_key_file jwks.json;", GOOD)
    assert explanation.verdict == ADMITTED
    assert lines(explanation, "token")[0][1].startswith(f"in {place}: ")


@pytest.mark.parametrize("place, text", [("COOKIE=t", "COOKIE=t"), ("HEADER=X-T", "HEADER=x-t")])
def test_places_of_teslagovs_module(place: str, text: str, folder: Path) -> None:
    server = f"auth_jwt_key {HEX}; auth_jwt_enabled on; auth_jwt_location {place};"
    explanation = explain(folder, server, HMAC.sign(CLAIMS))
    assert explanation.verdict == ADMITTED
    assert lines(explanation, "token")[0][::2] == ("passed", f"auth_jwt_location {place}")


def test_token_that_the_request_brings_along(folder: Path) -> None:
    explanation = explain(folder, PLUS, GOOD, "http://localhost/", f"authorization: bearer {GOOD}")
    assert explanation.verdict == ADMITTED
    explanation = explain(folder, PLUS, GOOD, "http://localhost/", "Authorization: Bearer x.y.z")
    assert because(explanation)[0] == "form"
    assert "not the given token" in lines(explanation, "token")[0][1]


def test_place_that_the_token_does_not_get_to(folder: Path) -> None:
    http = 'map $arg_a $where { default ""; }'
    server = "auth_jwt A token=$where; auth_jwt_key_file jwks.json;"
    explanation = explain(folder, server, GOOD, http=http)
    assert because(explanation)[1] == 'no token in "$where", although one was given'


# -- which server, which location, and what comes first -------------------------------------------


def test_return_comes_first(folder: Path) -> None:
    explanation = explain(folder, f"{PLUS} location /a {{ return 200 x; }}", "")
    assert explanation.verdict == ADMITTED and explanation.trip.gated is None
    ((_, text, statement),) = lines(explanation, "return")
    assert text.startswith('answers 200 before the access phase: the token that auth_jwt "A" (')
    assert statement == "return 200 x"
    explanation = explain(folder, "location /a { return 403; }", GOOD)
    assert because(explanation) == ("return", "answers 403 before the access phase", "return")


def test_if_and_rewrite(folder: Path) -> None:
    server = f"""
        location /a {{ if ($arg_go) {{ return 302 /login; }} rewrite ^ /b last; }}
        location /b {{ {PLUS} }}
    """
    explanation = explain(folder, server, GOOD)
    assert explanation.verdict == ADMITTED
    assert [text for _, text, _ in lines(explanation, "location")] == ["/a", "/b"]
    assert lines(explanation, "rewrite")[0][1:] == ('the URI is now "/b"', "rewrite ^ /b last")
    explanation = explain(folder, server, GOOD, "http://localhost/a?go=1")
    assert lines(explanation, "if")[0][1] == "($arg_go) holds"
    assert lines(explanation, "return")[0][2] == "return 302 /login"


def test_satisfy_any(folder: Path) -> None:
    server = f"{PLUS} satisfy any; allow 10.0.0.0/8; deny all;"
    explanation = explain(folder, server, "", client="10.1.2.3")
    assert explanation.verdict == ADMITTED
    assert lines(explanation, "access")[0][:2] == ("passed", "client 10.1.2.3 is allowed")
    assert because(explain(folder, server, ""))[0] == "token"
    assert explain(folder, server, GOOD).verdict == ADMITTED
    explanation = explain(folder, f"{PLUS} deny all;", GOOD)
    assert because(explanation)[::2] == ("access", "deny") and explanation.r.status == 403


def test_upstream_has_a_say(folder: Path) -> None:
    server = f"location /a {{ {PLUS} auth_request /ask; }}"
    server += "location = /ask { proxy_pass http://127.0.0.1:1; }"
    explanation = explain(folder, server, GOOD)
    assert (explanation.verdict, explanation.trip.questions) == (
        UNKNOWN,
        ["the answer of auth_request /ask"],
    )
    assert (
        explanation.way.status == 200
        and explanation.denied is not None
        and explanation.denied.status == 401
    )
    assert explain(folder, server, "").verdict == REFUSED
    server = server.replace("auth_request", "satisfy any; auth_request", 1)
    assert explain(folder, server, GOOD).verdict == ADMITTED
    assert explain(folder, server, "").verdict == UNKNOWN


def test_subrequest_that_is_answered_here(folder: Path) -> None:
    server = "location /a { auth_request /ask; } location = /ask { %s }"
    explanation = explain(folder, server % "return 204;", "")
    assert explanation.verdict == ADMITTED and lines(explanation, "auth_request")[0][0] == "passed"
    explanation = explain(folder, server % "return 403;", "")
    assert (
        because(explanation)[::2] == ("auth_request", "auth_request")
        and explanation.way.status == 403
    )
    explanation = explain(folder, server % "return 404;", "")
    assert because(explanation)[0] == "auth_request" and explanation.way.status == 500
    explanation = explain(folder, server % "deny all; root html;", "")
    assert explanation.way.status == 500  # the file is looked for, and access is not checked again


def test_methods(folder: Path) -> None:
    server = f"auth_jwt on; auth_jwt_key {HEX} hex;"
    explanation = explain(folder, server, "", method="OPTIONS")
    assert explanation.verdict == ADMITTED
    assert "OPTIONS needs no token" in lines(explanation, "auth_jwt")[0][1]
    server = f"auth_jwt_key {HEX}; auth_jwt_enabled on;"
    explanation = explain(folder, server, "", method="OPTIONS")
    assert explanation.verdict == ADMITTED and lines(explanation, "method")[0][0] == "note"
    server = f"location /a {{ limit_except GET {{ {PLUS} }} }}"
    explanation = explain(folder, server, "", method="POST")
    assert because(explanation)[0] == "token"
    assert lines(explanation, "location")[0][1] == "/a, limit_except GET"
    assert explain(folder, server, "").verdict == ADMITTED


def test_switched_off(folder: Path) -> None:
    explanation = explain(folder, f"{PLUS} location /a {{ auth_jwt off; }}", "")
    assert lines(explanation, "auth_jwt")[0] == (
        "skipped",
        "no token required: auth_jwt off",
        "auth_jwt off",
    )
    other = "location /b { auth_jwt off; } location /a { root html; }"
    assert lines(explain(folder, other, ""), "auth_jwt")[0][1] == "no token required"
    assert lines(explain(folder, "root html;", ""), "auth_jwt") == []
    server = f"auth_jwt_key {HEX}; auth_jwt_enabled $arg_e;"
    explanation = explain(folder, server, "", "http://localhost/?e=off")
    assert '$arg_e is "off"' in lines(explanation, "auth_jwt")[0][1]


def test_internal_location_and_bad_request(folder: Path) -> None:
    explanation = explain(folder, f"location /a {{ internal; {PLUS} }}", GOOD)
    assert because(explanation)[::2] == ("internal", "internal") and explanation.r.status == 404
    explanation = explain(folder, PLUS, GOOD, "http://localhost/%00")
    assert because(explanation)[0] == "request" and explanation.r.status == 400


def test_error_page_answers_in_the_place_of_the_refusal(folder: Path) -> None:
    server = f"location /a {{ {PLUS} error_page 401 = @in; }} location @in {{ return 302 /in; }}"
    explanation = explain(folder, server, "")
    assert because(explanation)[0] == "token" and explanation.r.status == 302
    assert "  Location: http://localhost/in\n" in as_text(explanation)


def test_server_by_name_and_port(folder: Path) -> None:
    http = (
        "server { listen 8080; server_name api.example; auth_jwt A; auth_jwt_key_file jwks.json; }"
    )
    explanation = explain(folder, "root html;", "", "http://api.example:8080/", http=http)
    assert lines(explanation, "server")[0][1] == "api.example, on 0.0.0.0:8080"
    explanation = explain(folder, "root html;", "", "https://api.example/", http=http)
    texts = [text for _, text, _ in lines(explanation, "server")]
    assert texts == [
        "api.example, on 0.0.0.0:8080",
        "nothing listens on port 443: taken as on 0.0.0.0:8080",
    ]
    explanation = explain(folder, "root html;", "", "http://other.example:8080/", http=http)
    assert lines(explanation, "server")[0][1].endswith("the default server there")
    explanation = explain(
        folder, "root html;", "", "http://localhost:8080/", "Host: api.example", http=http
    )
    assert lines(explanation, "server")[0][1].startswith("api.example")


# -- what is printed ------------------------------------------------------------------------------


def test_text(folder: Path) -> None:
    explanation = explain(folder, f"error_log e.log error; {PLUS}", FORGED.sign(CLAIMS))
    text = as_text(explanation)
    conf = folder / "nginx.conf"
    assert text.startswith("     dialect    ")
    assert f'  ["auth_jwt A" in {conf}:4, and 1 more]\n' in text
    assert '\nFAIL signature  bad: does not verify with "k1" (RSA, RS256)\n' in text
    assert "\n\nrefused: 401 Unauthorized\n  because of signature: " in text
    assert f"  [auth_jwt in {conf}:4]\n" in text
    assert '  WWW-Authenticate: Bearer realm="A", error="invalid_token"\n' in text
    assert "  log [notice]: auth_jwt: token sha256:" in text
    assert f'    not written: error_log in {conf}:4 takes "error" and worse\n' in text


def test_json(folder: Path) -> None:
    document = json.loads(as_json(explain(folder, PLUS, FORGED.sign(CLAIMS))))
    assert document["dialect"]["name"] == "plus" and document["dialect"]["ambiguous"]
    assert document["token"]["claims"] == CLAIMS and not document["token"]["verified"]
    outcome = document["outcome"]
    assert (outcome["verdict"], outcome["status"]) == ("refused", 401)
    assert outcome["decided_by"]["check"] == "signature"
    assert outcome["decided_by"]["directive"] == "auth_jwt"
    (failed,) = (check for check in document["checks"] if check["result"] == "failed")
    assert failed["check"] == "signature"
    assert {check["line"] for check in document["checks"]} <= {None, 4}


def test_nothing_that_a_terminal_obeys_is_printed(folder: Path) -> None:
    evil = "\x1b[2J\x9b\n"
    token = KEY.sign({**CLAIMS, "sub": evil}, {"kid": evil})
    text = as_text(explain(folder, f"{PLUS} auth_jwt_type signed;", token))
    assert "\x1b" not in text and "\x9b" not in text


# -- the command ----------------------------------------------------------------------------------


def run(*words: str, stdin: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyngx_jwt", "token", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **more,
    )


def test_command(folder: Path) -> None:
    explain(folder, PLUS, "")  # writes the file
    url = ["-c", "nginx.conf", "--url", "http://localhost/"]
    ran = run("--explain", GOOD, *url, cwd=folder)
    assert (ran.returncode, ran.stderr) == (0, "") and ran.stdout.endswith("\nadmitted\n")
    ran = run("--explain", "-", *url, cwd=folder, stdin=f"{GOOD}\n")
    assert ran.returncode == 0
    ran = run("--explain=", *url, "--format", "json", cwd=folder)
    assert ran.returncode == 1 and json.loads(ran.stdout)["outcome"]["status"] == 401
    ran = run("--explain", GOOD, *url, "--now", "+2h", "-X", "POST", "-H", "X: y", cwd=folder)
    assert ran.returncode == 1 and "request    POST http" in ran.stdout
    ran = run("--explain", GOOD, *url, "--jwt-dialect", "kjdev", cwd=folder)
    assert ran.returncode == 0 and '"kjdev"' in ran.stdout and "--jwt-dialect" in ran.stdout
    explain(folder, REQUEST, "")
    url[-1] = "http://localhost/a?x=1"
    assert run("--explain", GOOD, *url, cwd=folder).returncode == 3
    assert run("--explain", GOOD, *url, "--jwks", "jwks.json", cwd=folder).returncode == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["--url", "ftp://x/"], 'no http:// or https:// URL: "ftp://x/"'),
        (["--url", "http://x:99999/"], 'no http:// or https:// URL: "http://x:99999/"'),
        (["--url", "http://x/", "-H", "nonsense"], 'not a header field "Name: value": "nonsense"'),
        (["--url", "http://x/", "--client", "here"], 'not an IP address: "here"'),
        (["--url", "http://x/", "--now", "later"], "--now wants a time such as"),
        (["--url", "http://x/", "--jwks", "none.json"], '"none.json": (2: No such file'),
        (["--url", "http://x/", "-c", "none.conf"], 'none.conf" failed (2: No such file'),
    ],
)
def test_wrong_words(
    words: list[str], message: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    explain(folder, PLUS, "")
    conf = [] if "-c" in words else ["-c", "nginx.conf"]
    assert command.main(["--explain", GOOD, *conf, *words]) == (2 if "(2: No" in message else 4)
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("pyngx token: ") and message in err


def test_token_that_was_broken_by_copying(folder: Path) -> None:
    with pytest.raises(RequestSpecError, match="the token contains a line break"):
        explain(folder, PLUS, f"{GOOD[:76]}\n{GOOD[76:]}")


def test_configuration_without_servers(folder: Path) -> None:
    (folder / "nginx.conf").write_text("events { }")
    with pytest.raises(RequestSpecError, match="has no server that listens on a port"):
        Explainer(options_of(folder), NOW).explain(RequestSpec(parse_url("http://x/")), "")


def test_a_port_of_stream(folder: Path) -> None:
    text = "events { } stream { server { listen 9000; proxy_pass 127.0.0.1:1; } }"
    http = "http { server { listen 8000; return 200; } }"
    for conf in (text, f"{text}\n{http}"):
        (folder / "nginx.conf").write_text(conf)
        with pytest.raises(RequestSpecError) as refused:
            Explainer(options_of(folder), NOW).explain(RequestSpec(parse_url("http://x:9000/")), "")
        assert str(refused.value) == (
            f'0.0.0.0:9000 is an address of "stream": the server in {folder}/nginx.conf:1 serves '
            "connections, and sees no requests"
        )


def test_nobody_is_asked_and_nothing_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that would make files, listen, and look up names if it were served."""
    http = """
        upstream far { server far.invalid; }
        proxy_cache_path cache keys_zone=z:1m;
        limit_req_zone $remote_addr zone=r:1m rate=1r/s;
        access_log logs/access.log;
        server { listen 127.0.0.1:1; listen far.invalid:2; }
    """
    server = f"""
        error_log logs/error.log debug; client_body_temp_path temp;
        location /a {{ {PLUS} limit_req zone=r; proxy_cache z; proxy_pass http://far; }}
    """
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    def connect(*_: object) -> None:
        raise AssertionError("the network is asked")

    looked_up: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        looked_up.extend([] if more.get("flags") == socket.AI_NUMERICHOST else [host])
        return real(host, *args, **more)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket.socket, "bind", connect)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    named = f"location /a {{ {PLUS} resolver 127.0.0.1; proxy_pass http://$host:9; }}"
    assert explain(folder, named, GOOD).verdict == ADMITTED
    group = "resolver 127.0.0.1; upstream u { zone u 64k; server a.example resolve; }"
    named = f"location /a {{ {PLUS} proxy_pass http://u; }}"
    assert explain(folder, named, GOOD, http=group).verdict == ADMITTED
    explanation = explain(folder, server, GOOD, http=http)
    assert explanation.verdict == ADMITTED and socket.getaddrinfo is getaddrinfo
    assert lines(explanation, "limit_req")[0][0] == "skipped"
    assert looked_up == []
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    after.pop(folder / "nginx.conf")
    assert after == before


def test_keys_of_two_kinds_do_not_confuse(folder: Path) -> None:
    (folder / "jwks.json").write_text(jwks(KEY, signing_key("ES256", "e1")))
    explanation = explain(folder, PLUS, signing_key("ES256", "e1").sign(CLAIMS))
    assert explanation.verdict == ADMITTED
    assert lines(explanation, "key")[0][1].startswith('"e1" (EC P-256, ES256) from key file ')


def test_lua_is_not_run(tmp_path: Path) -> None:
    """What it would decide is a question; what it sets is empty."""
    server = """
        access_by_lua_block { ngx.exit(403) }
        location /a { empty_gif; }
        location /b {
            set_by_lua_block $x { error("x") }
            set_md5 $y a;
            rewrite_by_lua_block { error("x") }
            content_by_lua_block { error("x") }
            header_filter_by_lua_block { error("x") }
        }
    """
    trip = explain(tmp_path, server, "", "http://localhost/a").trip
    assert trip.questions == [f"what access_by_lua at {tmp_path}/nginx.conf:5 decides"]
    trip = explain(tmp_path, server, "", "http://localhost/b").trip
    texts = [line.text for line in trip.lines]
    assert f"Lua decides here: rewrite_by_lua at {tmp_path}/nginx.conf:10" in texts
    assert f"Lua answers here: content_by_lua at {tmp_path}/nginx.conf:11" in texts
    place = f"{tmp_path}/nginx.conf:8"
    assert f"Lua decides $x, set_by_lua at {place}: it is taken to be empty" in texts
    assert '$y is "0cc175b9c0f1b6a831c399e269772661"' in texts


def lua_decides(folder: Path, server: str, token: str = "") -> tuple[str, list[str]]:
    """The verdict on "/a", and what it depends on."""
    explanation = explain(folder, server, token)
    return explanation.verdict, explanation.trip.questions


@pytest.mark.parametrize("phase", ["server_rewrite", "rewrite", "access", "precontent"])
def test_lua_has_a_say(phase: str, folder: Path) -> None:
    code = f"{phase}_by_lua_block {{ ngx.exit(403) }}"
    explanation = explain(folder, f"{code} {GIF}", "")
    question = f"what {phase}_by_lua at {folder}/nginx.conf:4 decides"
    assert (explanation.verdict, explanation.trip.questions) == (UNKNOWN, [question])
    assert explanation.denied is not None and explanation.denied.is_refused
    text = as_text(explanation)
    assert f"the outcome depends on\n  {question}\n" in text and "\nadmitted" not in text


def test_lua_and_tokens(folder: Path) -> None:
    lua = f"{PLUS} access_by_lua_block {{ ngx.exit(403) }} {GIF}"
    question = [f"what access_by_lua at {folder}/nginx.conf:4 decides"]
    assert lua_decides(folder, lua) == (REFUSED, [])
    assert lua_decides(folder, lua, GOOD) == (UNKNOWN, question)
    lua = f"satisfy any; {lua}"
    assert lua_decides(folder, lua) == (UNKNOWN, question)
    assert lua_decides(folder, lua, GOOD)[0] == ADMITTED
    assert lua_decides(folder, "access_by_lua_block { ngx.exit(403) } return 200;") == (
        ADMITTED,
        [],
    )
    assert lua_decides(folder, "location /a { content_by_lua_block { ngx.exit(403) } }") == (
        ADMITTED,
        [],
    )


@pytest.mark.parametrize("phase, content", [("rewrite", "empty_gif;"), ("content", "")])
def test_lua_of_a_subrequest(phase: str, content: str, folder: Path) -> None:
    lua = f"{phase}_by_lua_block {{ ngx.exit(403) }} {content}"
    server = f"location /a {{ auth_request /ask; empty_gif; }} location = /ask {{ {lua} }}"
    explanation = explain(folder, server, "")
    decides = f"{phase}_by_lua at {folder}/nginx.conf:4 decides"
    assert (explanation.verdict, explanation.trip.questions) == (UNKNOWN, [f"what {decides}"])
    assert lines(explanation, "auth_request")[0][:2] == (
        "unknown",
        f"location = /ask answers /ask: what {decides}",
    )


def test_exit_status_where_lua_decides(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    explain(folder, f"access_by_lua_block {{ ngx.exit(403) }} {GIF}", "")
    words = ["--explain", "", "-c", "nginx.conf", "--url", "http://localhost/a"]
    assert command.main(words) == 3
    assert "unknown: no check refuses the request" in capfd.readouterr().out
