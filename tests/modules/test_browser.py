"""modern_browser and ancient_browser: variables that depend on User-Agent."""

from __future__ import annotations

import pytest

from ..nginx import Nginx

MSIE = "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"
OPERA = "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.0; en) Opera 8.0"
FIREFOX = "Mozilla/5.0 (Windows; U; Windows NT 5.1; ru-RU; rv:1.7.8) Gecko/20050511 Firefox/1.0.4"
NETSCAPE = "Mozilla/4.72 [en] (X11; I; Linux)"


@pytest.mark.parametrize(
    ("directives", "agent", "expected"),
    [
        ("modern_browser msie 5.5;", MSIE, "1|"),
        ("modern_browser msie 6.0;", MSIE, "1|"),
        ("modern_browser msie 6.0.1;", MSIE, "|1"),
        ("modern_browser msie 7;", MSIE, "|1"),
        ("modern_browser msie 5;", OPERA, "|1"),
        ("modern_browser msie 5; modern_browser opera 8;", OPERA, "1|"),
        ("modern_browser gecko 1.7;", FIREFOX, "1|"),
        ("modern_browser Gecko 1.8;", FIREFOX, "|1"),
        ("modern_browser gecko 1;", "other", "|1"),
        ("modern_browser gecko 1; modern_browser unlisted;", "other", "1|"),
        ("modern_browser unlisted; ancient_browser oth Lynx;", "other", "|1"),
        ("modern_browser unlisted; ancient_browser netscape4;", NETSCAPE, "|1"),
        ("modern_browser unlisted; ancient_browser netscape4;", FIREFOX, "1|"),
        ("modern_browser unlisted;", "", "1|"),
        ("ancient_browser x;", "y", "|1"),
        ("modern_browser msie 5; modern_browser_value new;", MSIE, "new|"),
        ("ancient_browser_value old;", MSIE, "|old"),
        ("set $modern_browser m; set $ancient_browser a;", MSIE, "m|a"),
    ],
)
def test_variables(nginx: Nginx, directives: str, agent: str, expected: str) -> None:
    nginx(f'{directives} location / {{ return 200 "$modern_browser|$ancient_browser"; }}')
    fields = [f"User-Agent: {agent}"] if agent else []
    assert nginx.request("GET /", *fields).text == expected


@pytest.mark.pyngx_only("the number overflows in nginx")
def test_version_of_many_digits(nginx: Nginx) -> None:
    nginx('modern_browser gecko 1; location / { return 200 "$modern_browser"; }')
    agent = FIREFOX.replace("rv:", "rv:" + "9" * 5000)
    assert nginx.request("GET /", f"User-Agent: {agent}").text == "1"


def test_inheritance(nginx: Nginx) -> None:
    nginx("""
        modern_browser msie 5;
        location / { return 200 $modern_browser; }
        location /own { modern_browser gecko 1; return 200 $modern_browser; }
        """)
    answers = [nginx.request(f"GET {uri}", f"User-Agent: {MSIE}").text for uri in ("/", "/own")]
    assert answers == ["1", ""]


def test_msie(nginx: Nginx) -> None:
    nginx('location / { return 200 "$msie"; }')
    agents = (MSIE, OPERA, FIREFOX)
    answers = [nginx.request("GET /", f"User-Agent: {agent}").text for agent in agents]
    assert answers == ["1", "", ""]


@pytest.mark.parametrize(
    ("snippet", "message"),
    [
        ("modern_browser lynx 1;", 'unknown browser name "lynx"'),
        ("modern_browser msie 5x;", 'invalid browser version "5x"'),
    ],
)
def test_rejected(nginx: Nginx, snippet: str, message: str) -> None:
    nginx.rejects(snippet, message)
