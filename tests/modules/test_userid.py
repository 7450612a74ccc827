"""userid: cookies that identify clients."""

from __future__ import annotations

import base64
import re
import struct

import pytest

from ..nginx import Nginx

V2 = r"uid=([\w+/]{22})==; path=/"
SENT = base64.b64encode(struct.pack("<4I", 1, 2, 3, 4)).decode()
SHOWN = "00000001000000020000000300000004"


def test_new_cookies(nginx: Nginx) -> None:
    nginx("userid on; location / { return 200; }")
    first, second = (nginx.request("GET /").get("Set-Cookie") or "" for _ in range(2))
    assert re.fullmatch(V2, first) and re.fullmatch(V2, second) and first != second
    uid = base64.b64decode(first[4:28])
    assert uid[:4] == bytes([127, 0, 0, 1])


def test_known_clients_get_none(nginx: Nginx) -> None:
    nginx('userid on; location / { return 200 "$uid_got|$uid_set"; }')
    nginx.exchange(f"""
        > GET /
        > Cookie: a=b; uid={SENT}
        < 200
        < !Set-Cookie
        <
        < uid={SHOWN}|
        """)
    answer = nginx.request("GET /")
    uid = base64.b64decode((answer.get("Set-Cookie") or "")[4:28])
    shown = "".join(f"{word:08X}" for word in struct.unpack("<4I", uid))
    assert answer.text == f"|uid={shown}"


def test_log_only_reads(nginx: Nginx) -> None:
    nginx('userid log; location / { return 200 "$uid_got|$uid_set"; }')
    nginx.exchange(f"> GET /\n> Cookie: uid={SENT}\n< 200\n< !Set-Cookie\n<\n< uid={SHOWN}|")
    nginx.exchange("> GET /\n< 200\n< !Set-Cookie\n<\n< |")


def test_version_1(nginx: Nginx) -> None:
    nginx("userid v1; userid_service 7; location / { return 200; }")
    uid = base64.b64decode((nginx.request("GET /").get("Set-Cookie") or "")[4:28])
    assert struct.unpack("<4I", uid)[0] == 7


def test_service_of_version_2(nginx: Nginx) -> None:
    nginx("userid on; userid_service 7; location / { return 200; }")
    uid = base64.b64decode((nginx.request("GET /").get("Set-Cookie") or "")[4:28])
    assert struct.unpack(">4I", uid)[0] == 7


def test_attributes(nginx: Nginx) -> None:
    nginx("""
        userid on; userid_name n; userid_path /p; userid_domain example.org; userid_p3p "policy";
        location / { userid_expires max; userid_flags samesite=lax httponly secure; return 200; }
        location /days { userid_expires 2d; return 200; }
        """)
    answer = nginx.request("GET /")
    attributes = (answer.get("Set-Cookie") or "").partition("; ")[2]
    assert attributes == (
        "expires=Thu, 31-Dec-37 23:55:55 GMT; domain=example.org; path=/p; secure; httponly; "
        "samesite=lax"
    )
    assert answer.get("P3P") == "policy"
    days = nginx.request("GET /days").get("Set-Cookie") or ""
    assert re.search(r"; expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT; ", days)


def test_marks(nginx: Nginx) -> None:
    nginx("userid on; userid_mark x; location / { return 200; }")
    assert re.match(r"uid=[\w+/]{22}x=", nginx.request("GET /").get("Set-Cookie") or "")
    marked, other = SENT[:22] + "x=", SENT[:22] + "y="
    nginx.exchange(f"""
        > GET /
        > Cookie: uid={marked}
        < 200
        < !Set-Cookie

        > GET /
        > Cookie: uid={other}
        < 200
        < Set-Cookie: uid={marked}; path=/
        """)


def test_reset(nginx: Nginx) -> None:
    nginx("""
        userid on;
        location / { set $uid_reset $arg_r; return 200 $uid_got; }
        """)
    answer = nginx.request("GET /?r=log", f"Cookie: uid={SENT}")
    assert re.fullmatch(V2, answer.get("Set-Cookie") or "") and answer.text == f"uid={SHOWN}"
    assert f'userid cookie "uid={SHOWN}" was reset' in nginx.error_log()
    nginx.exchange(f"> GET /?r=0\n> Cookie: uid={SENT}\n< 200\n< !Set-Cookie")


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        ("abc", "client sent too short userid cookie"),
        ("*" * 24, "client sent invalid userid cookie"),
    ],
)
def test_wrong_cookies(nginx: Nginx, cookie: str, message: str) -> None:
    nginx("userid on; location / { return 200; }")
    answer = nginx.request("GET /", f"Cookie: uid={cookie}")
    assert re.fullmatch(V2, answer.get("Set-Cookie") or "")
    assert message in nginx.error_log()


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("userid yes;", 'invalid value "yes"'),
        ("userid_expires x;", '"userid_expires" directive invalid value'),
        ("userid_expires 1; userid_expires 2;", '"userid_expires" directive is duplicate'),
        (
            "userid_mark ab;",
            '"userid_mark" directive value must be "off" or a single letter, digit or "="',
        ),
        ("userid_flags x;", 'invalid value "x"'),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.rejects(snippet, message)
