"""limit_req: how often requests may come."""

from __future__ import annotations

import re
import signal
import time

import pytest

from ..nginx import Nginx

ZONES = """
    limit_req_zone $arg_key zone=one:1m rate=1r/m;
    limit_req_zone $arg_key zone=fast:1m rate=10r/s;
    limit_req_zone $arg_other zone=other:1m rate=1r/m;
    log_format status "$uri $status $limit_req_status";
    """


def statuses(nginx: Nginx, uri: str, count: int) -> list[int]:
    return [nginx.request(f"GET {uri}").status for _ in range(count)]


def test_refused(nginx: Nginx) -> None:
    nginx("location / { limit_req zone=one; }", http=ZONES)
    assert statuses(nginx, "/x?key=a", 3) == [404, 503, 503]
    assert statuses(nginx, "/x?key=b", 2) == [404, 503]
    nginx.wait_for_log(
        r'\[error\] .* limiting requests, excess: [01]\.[09]\d\d by zone "one", client: 127'
    )


def test_without_a_key_nothing_is_counted(nginx: Nginx) -> None:
    nginx("location / { limit_req zone=one; }", http=ZONES)
    assert statuses(nginx, "/x", 3) == [404, 404, 404]
    assert statuses(nginx, "/x?key=", 3) == [404, 404, 404]


def test_burst(nginx: Nginx) -> None:
    nginx("location / { limit_req zone=one burst=2 nodelay; }", http=ZONES)
    assert statuses(nginx, "/x?key=a", 5) == [404, 404, 404, 503, 503]


def test_delay(nginx: Nginx) -> None:
    nginx(
        """
        location / { limit_req zone=fast burst=5; }
        location /some { limit_req zone=fast burst=5 delay=2; }
        """,
        http=ZONES,
    )
    start = time.monotonic()
    assert statuses(nginx, "/x?key=a", 4) == [404] * 4
    assert time.monotonic() - start > 0.25
    nginx.wait_for_log(
        r'\[warn\] .* delaying request, excess: [01]\.[09]\d\d, by zone "fast", client: '
    )
    start = time.monotonic()
    assert statuses(nginx, "/some?key=b", 3) == [404] * 3
    assert not re.search(r'delaying request.*"GET /some', nginx.error_log())
    statuses(nginx, "/some?key=b", 2)
    assert time.monotonic() - start > 0.09


def test_leaks_with_time(nginx: Nginx) -> None:
    nginx(
        "location / { limit_req zone=second; }",
        http="limit_req_zone $arg_key zone=second:1m rate=1r/s;",
    )
    assert statuses(nginx, "/x?key=a", 2) == [404, 503]
    time.sleep(1.1)
    assert statuses(nginx, "/x?key=a", 2) == [404, 503]


def test_several_limits(nginx: Nginx) -> None:
    """What one refuses is not counted in the others."""
    nginx(
        """
        limit_req zone=one burst=2 nodelay;
        limit_req zone=other nodelay;
        location /own { limit_req zone=other; }
        """,
        http=ZONES,
    )
    assert statuses(nginx, "/x?key=a&other=x", 3) == [404, 503, 503]
    assert statuses(nginx, "/x?key=a", 3) == [404, 404, 503]
    assert statuses(nginx, "/x?other=y", 2) == [404, 503]
    assert statuses(nginx, "/own?key=a&other=z", 2) == [404, 503]


def test_once_for_a_request(nginx: Nginx) -> None:
    nginx(
        """
        limit_req zone=one burst=1 nodelay;
        location / { error_page 404 /second; }
        location /second { return 200 second; }
        """,
        http=ZONES,
    )
    assert statuses(nginx, "/x?key=a", 3) == [404, 404, 503]


def test_status_level_and_dry_run(nginx: Nginx) -> None:
    nginx(
        """
        access_log logs/limits.log status;
        location /status { limit_req zone=one; limit_req_status 429; limit_req_log_level info; }
        location /dry { limit_req zone=other burst=1; limit_req_dry_run on; }
        location /none { }
        location /slow { limit_req zone=fast burst=5; limit_req_log_level notice; }
        """,
        http=ZONES,
    )
    assert statuses(nginx, "/status?key=a", 2) == [404, 429]
    assert statuses(nginx, "/dry?other=a", 3) == [404, 404, 404]
    assert statuses(nginx, "/none", 1) == [404]
    assert statuses(nginx, "/slow?key=a", 2) == [404, 404]
    nginx.wait_for_log(r'\[info\] .* limiting requests, excess: [01]\.[09]\d\d by zone "one"')
    nginx.wait_for_log(r'delaying request, dry run, excess: [01]\.[09]\d\d, by zone "other"')
    nginx.wait_for_log(r'limiting requests, dry run, excess: [12]\.[09]\d\d by zone "other"')
    nginx.wait_for_log(r'\[info\] .* delaying request, excess: [01]\.[09]\d\d, by zone "fast"')
    assert nginx.access_log(8, "limits.log") == [
        "/status 404 PASSED",
        "/status 429 REJECTED",
        "/dry 404 PASSED",
        "/dry 404 DELAYED_DRY_RUN",
        "/dry 404 REJECTED_DRY_RUN",
        "/none 404 -",
        "/slow 404 PASSED",
        "/slow 404 DELAYED",
    ]


def test_workers_share_a_zone(nginx: Nginx) -> None:
    nginx("location / { limit_req zone=one; }", http=ZONES, main="worker_processes 3;")
    assert sorted(statuses(nginx, "/x?key=a", 12)) == [404] + [503] * 11


def test_a_reload_keeps_the_zone(nginx: Nginx) -> None:
    server = "location / { limit_req zone=one; }"
    nginx(server, http=ZONES)
    assert statuses(nginx, "/x?key=a", 1) == [404]
    nginx.reload(server, http=ZONES)
    assert statuses(nginx, "/x?key=a", 1) == [503]


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("limit_req_zone $arg_a zone=a:1m x=y;", 'invalid parameter "x=y"'),
        ("limit_req_zone $arg_a zone=a rate=1r/s;", 'invalid zone size "zone=a"'),
        ("limit_req_zone $arg_a zone=a:x rate=1r/s;", 'invalid zone size "zone=a:x"'),
        ("limit_req_zone $arg_a zone=a:31k rate=1r/s;", 'zone "zone=a:31k" is too small'),
        (
            "limit_req_zone $arg_a rate=1r/s rate=1r/s;",
            '"limit_req_zone" must have "zone" parameter',
        ),
        ("limit_req_zone $arg_a zone=a:1m rate=0r/s;", 'invalid rate "rate=0r/s"'),
        ("limit_req_zone $arg_a zone=a:1m rate=1r/h;", 'invalid rate "rate=1r/h"'),
        (
            "limit_req_zone $arg_a zone=a:1m rate=1r/s; limit_req_zone $arg_b zone=a:1m rate=1r/s;",
            'limit_req_zone "a" is already bound to key "$arg_a"',
        ),
        ("limit_req_zone $nothing zone=a:1m rate=1r/s;", 'unknown "nothing" variable'),
        (
            "limit_req_zone $arg_a zone=a:1m;",
            'invalid number of arguments in "limit_req_zone" directive',
        ),
        ("limit_req burst=5;", '"limit_req" must have "zone" parameter'),
        ("limit_req zone=one burst=0;", 'invalid burst value "burst=0"'),
        ("limit_req zone=one delay=x;", 'invalid delay value "delay=x"'),
        ("limit_req zone=one x;", 'invalid parameter "x"'),
        ("limit_req zone=one; limit_req zone=one burst=5;", '"limit_req" directive is duplicate'),
        ("limit_req zone=missing;", 'zero size shared memory zone "missing"'),
        ("limit_req_status 399;", "value must be between 400 and 599"),
        ("limit_req_status x;", '"limit_req_status" directive invalid number'),
        ("limit_req_log_level debug;", 'invalid value "debug"'),
        (
            "limit_req_dry_run x;",
            'invalid value "x" in "limit_req_dry_run" directive, it must be "on" or "off"',
        ),
    ],
)
def test_rejected(nginx: Nginx, directive: str, message: str) -> None:
    nginx.rejects(message=message, http=f"{ZONES}\n{directive}")


@pytest.mark.trouble("the reload is refused")
def test_a_zone_keeps_its_key(nginx: Nginx) -> None:
    nginx("location / { limit_req zone=one; }", http=ZONES)
    text = nginx.read("nginx.conf")
    nginx.write("nginx.conf", text.replace("$arg_key zone=one", "$arg_k zone=one"))
    nginx.send_signal(signal.SIGHUP)
    nginx.wait_for_log(
        r'\[emerg\] .* limit_req "one" uses the "\$arg_k" key '
        r'while previously it used the "\$arg_key" key'
    )
    assert statuses(nginx, "/x?key=a", 2) == [404, 503]
