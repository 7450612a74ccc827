"""proxy_cache_purge: requests that remove entries from a cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ..backend import Peer
from ..nginx import Nginx
from .test_cache import counting

pytestmark = pytest.mark.pyngx_only("a directive of NGINX Plus and of ngx_cache_purge")

ZONE = "proxy_cache_path %%DIR%%/cache keys_zone=one:1m;"
CACHE = """
    proxy_cache one;
    proxy_cache_key $uri$arg_more;
    proxy_cache_valid 200 1h;
    add_header X-Cache $upstream_cache_status always;
    proxy_pass http://127.0.0.1:%%PORT_b%%;
"""
METHOD = "map $request_method $purges { PURGE 1; default 0; }"
PLUS = "proxy_cache_purge $purges;"


def serve(nginx: Nginx, location: str, *fields: str, zone: str = ZONE, more: str = "") -> None:
    nginx.backend("b", counting(*fields))
    nginx(f"location / {{ {CACHE} {location} }} {more}", http=f"{zone} {METHOD}")


def told(nginx: Nginx, target: str, *fields: str) -> str:
    """The cache status and the body."""
    answer = nginx.request(f"GET {target}", *fields)
    return f"{answer.get('X-Cache')} {answer.text}"


def kept(nginx: Nginx) -> int:
    return len([path for path in Path(nginx.prefix, "cache").rglob("*") if path.is_file()])


def test_removes_the_entry_of_the_key(nginx: Nginx) -> None:
    serve(nginx, PLUS)
    assert told(nginx, "/a") == "MISS 1"
    assert told(nginx, "/b") == "MISS 2"
    nginx.exchange("""
        > PURGE /a
        < 204

        > PURGE /a
        < 404

        > PURGE /never
        < 404
        """)
    assert kept(nginx) == 1
    assert told(nginx, "/a") == "MISS 3"
    assert told(nginx, "/b") == "HIT 2"


def test_star_stands_for_all_with_the_same_beginning(nginx: Nginx) -> None:
    serve(nginx, PLUS)
    for number, target in enumerate(("/a/1", "/a/2", "/b"), 1):
        assert told(nginx, target) == f"MISS {number}"
    assert nginx.request("PURGE /a/*").status == 204
    assert kept(nginx) == 3  # until they are asked for
    assert told(nginx, "/a/1") == "MISS 4"
    assert told(nginx, "/a/2") == "MISS 5"
    assert told(nginx, "/b") == "HIT 3"
    nginx.wait_for_log(r"\[info\] .* cache file .* has been purged")


def test_purger_deletes_the_files(nginx: Nginx) -> None:
    serve(nginx, PLUS, zone=ZONE.replace(";", " purger=on purger_sleep=1;"))
    for target in ("/a/1", "/a/2", "/b"):
        told(nginx, target)
    assert nginx.request("PURGE /a/*").status == 204
    nginx._wait(lambda: (kept(nginx) == 1, None), "the purger deleted nothing", 10)
    assert told(nginx, "/b") == "HIT 3"


def test_variants_go_along(nginx: Nginx) -> None:
    serve(nginx, PLUS, "Vary: X")
    assert [told(nginx, "/", f"X: {x}") for x in "abab"] == ["MISS 1", "MISS 2", "HIT 1", "HIT 2"]
    assert nginx.request("PURGE /").status == 204
    assert [told(nginx, "/", f"X: {x}") for x in "ab"] == ["MISS 3", "MISS 4"]


SLICES = """
    slice 4;
    proxy_set_header Range $slice_range;
    proxy_cache one;
    proxy_cache_valid 200 206 10m;
    proxy_cache_purge $purges;
    proxy_pass http://127.0.0.1:%%PORT_up%%;
"""
PART = 'map $request_method $part { volatile; PURGE "*"; default $slice_range; }'
FILES = "listen 127.0.0.1:%%PORT_up%%; root %%DIR%%/html;"


def serve_slices(nginx: Nginx, key: str) -> None:
    """/a in four slices and /ab in one; both are cached, and have changed since."""
    nginx(
        f'location / {{ {SLICES} proxy_cache_key "{key}"; }}',
        http=f"{ZONE} {METHOD} {PART}",
        servers=[FILES],
        files={"html/a": "0123456789abcdef", "html/ab": "more"},
    )
    for target, text in (("/a", "0123456789abcdef"), ("/ab", "more")):
        assert nginx.request(f"GET {target}").text == text
    assert kept(nginx) == 5
    Path(nginx.prefix, "html/a").write_text("FEDCBA9876543210")
    Path(nginx.prefix, "html/ab").write_text("less")


def test_all_slices_are_removed_if_the_key_ends_in_a_star(nginx: Nginx) -> None:
    """The configuration of docs/caching.md."""
    serve_slices(nginx, "$uri $part")
    assert nginx.request("GET /a").text == "0123456789abcdef"
    assert nginx.request("PURGE /a").status == 204
    assert nginx.request("GET /a").text == "FEDCBA9876543210"
    assert nginx.request("GET /ab").text == "more"


def test_one_slice_is_removed_if_the_key_names_its_range(nginx: Nginx) -> None:
    serve_slices(nginx, "$uri $slice_range")
    assert nginx.request("PURGE /a").status == 204
    assert kept(nginx) == 4
    assert nginx.request("GET /a", "Range: bytes=4-").text == "456789abcdef"


def test_conditions(nginx: Nginx) -> None:
    """One that holds is enough."""
    serve(nginx, "proxy_cache_purge $arg_one $arg_two;")
    told(nginx, "/a")
    for args in ("", "?one=0&two=0", "?one="):
        assert told(nginx, f"/a{args}") == "HIT 1"
    assert nginx.request("GET /a?one=0&two=yes").status == 204


def test_inherited_and_turned_off(nginx: Nginx) -> None:
    serve(nginx, "", more=f"{PLUS} location /off {{ {CACHE} proxy_cache_purge off; }}")
    told(nginx, "/a")
    assert nginx.request("PURGE /a").status == 204
    assert nginx.request("PURGE /off").status == 200


def test_access_rules_apply(nginx: Nginx) -> None:
    serve(nginx, f"{PLUS} limit_except GET {{ deny all; }}")
    told(nginx, "/a")
    assert nginx.request("PURGE /a").status == 403
    assert told(nginx, "/a") == "HIT 1"


@pytest.mark.parametrize("rule", ["on", "PURGE", "PURGE from all", "PURGE from 127.0.0.0/8 ::1"])
def test_syntax_of_ngx_cache_purge(nginx: Nginx, rule: str) -> None:
    serve(nginx, f"proxy_cache_purge {rule};")
    told(nginx, "/a")
    assert told(nginx, "/a") == "HIT 1"
    answer = nginx.request("PURGE /a")
    assert answer.status == 200 and "Successful purge" in answer.text
    assert nginx.request("PURGE /a").status == 404
    assert told(nginx, "/a") == "MISS 2"


def test_addresses_of_ngx_cache_purge(nginx: Nginx) -> None:
    serve(nginx, "proxy_cache_purge DELETE from 10.0.0.0/8;")
    told(nginx, "/a")
    assert nginx.request("DELETE /a").status == 403
    assert told(nginx, "/a") == "HIT 1"
    nginx.wait_for_log("access forbidden by rule")


def test_location_of_its_own(nginx: Nginx) -> None:
    purge = "location ~ /purge(/.*) { allow 127.0.0.1; deny all; proxy_cache_purge one $1; }"
    serve(nginx, "", more=purge)
    told(nginx, "/a")
    assert nginx.request("GET /purge/b").status == 404
    assert "Successful purge" in nginx.request("GET /purge/a").text
    assert told(nginx, "/a") == "MISS 2"
    assert nginx.request("POST /purge/a").status == 405


def test_other_protocols(nginx: Nginx) -> None:
    def answer(peer: Peer) -> None:
        peer.send(b"Status: 200 OK\r\nX-Accel-Expires: 60\r\nContent-Length: 4\r\n\r\nbody")
        peer.rest()

    nginx.backend("b", answer)
    nginx(
        """
        scgi_cache one; scgi_cache_key $uri; scgi_cache_purge $purges;
        location / { scgi_pass 127.0.0.1:%%PORT_b%%; }
        location /u { uwsgi_cache two; uwsgi_cache_key $uri; uwsgi_cache_purge $purges;
            uwsgi_pass 127.0.0.1:%%PORT_b%%; }
        location /f { fastcgi_cache three; fastcgi_cache_key $uri; fastcgi_cache_purge $purges;
            fastcgi_pass 127.0.0.1:%%PORT_b%%; }
        """,
        http=f"""
            scgi_cache_path %%DIR%%/1 keys_zone=one:1m;
            uwsgi_cache_path %%DIR%%/2 keys_zone=two:1m;
            fastcgi_cache_path %%DIR%%/3 keys_zone=three:1m; {METHOD}
            """,
    )
    for target in ("/a", "/u"):
        assert nginx.request("GET " + target).text == "body"
        assert nginx.request("PURGE " + target).status == 204
    for target in ("/a", "/u", "/f"):
        assert nginx.request("PURGE " + target).status == 404


def test_nothing_is_purged_without_a_cache(nginx: Nginx) -> None:
    serve(nginx, "", more=f"location /z {{ {CACHE.replace('one', '$arg_zone')} {PLUS} }}")
    assert nginx.request("PURGE /z").status == 404
    assert not os.listdir(nginx.prefix / "cache")


def test_rejected(nginx: Nginx) -> None:
    http = ZONE + METHOD
    for words, message in {
        "": 'invalid number of arguments in "proxy_cache_purge" directive',
        "PURGE from": 'invalid parameter "from"',
        "PURGE from here": 'invalid parameter "here"',
        "PURGE to all": 'invalid parameter "PURGE"',
        "all of it": 'invalid parameter "all"',
        "$purges; proxy_cache_purge off": '"proxy_cache_purge" directive is duplicate',
    }.items():
        nginx.rejects(f"proxy_cache_purge {words};", message, http=http)
