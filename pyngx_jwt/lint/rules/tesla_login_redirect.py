"""The redirect to the login page is broken or unsafe in TeslaGov's module.

The module appends "?return_url=" to "auth_jwt_loginurl", even if that already has a "?", and the
listening port.  If the port is not 80 (443 with TLS), it puts parts of the server's memory into
the "Location" header, including the secret and other clients' tokens.  pyngx does not.  Behind a
load balancer the port is not the one that clients use anyway.  An empty login URL leads nowhere,
and a relative one depends on the requested URL.

Bad:

    listen 8080;
    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_redirect on;
        auth_jwt_loginurl "https://login.example.com/?app=1";
        proxy_pass http://127.0.0.1:9000;
    }

Good:

    listen 80;
    location /api/ {
        auth_jwt_key 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff;
        auth_jwt_redirect on;
        auth_jwt_loginurl https://login.example.com/;
        proxy_pass http://127.0.0.1:9000;
    }
"""

from __future__ import annotations

from collections.abc import Iterator

from ...modules.auth_jwt.dialects.tesla import TeslaConf
from ...modules.core import CoreConf
from ..finding import Severity
from ..model.block import Block
from ..rule import Hit, Rule

rule = Rule("D18", "tesla-login-redirect", Severity.WARN)


@rule.each_location
def check(block: Block) -> Iterator[Hit]:
    conf = block.auth.conf
    if not isinstance(conf, TeslaConf) or not block.is_protected or not conf.auth_jwt_redirect:
        return
    switch = block.set_by("auth_jwt_redirect")
    url = conf.auth_jwt_loginurl
    if not url:
        yield Hit(switch, "clients are redirected to an empty URL", 'set "auth_jwt_loginurl"')
    elif "?" in url:
        message = 'TeslaGov\'s module appends "?return_url=...", but there already is a "?"'
        yield Hit(block.set_by("auth_jwt_loginurl"), message, word=1)
    elif not url.startswith(("/", "http://", "https://")):
        message = "the login URL is relative to the requested URL"
        yield Hit(block.set_by("auth_jwt_loginurl"), message, word=1)
    for listen in block.server[CoreConf].listens:
        if listen.port not in (0, 443 if listen.ssl else 80):
            yield Hit(
                switch,
                "TeslaGov's module puts parts of its memory, even secrets, into redirects from "
                f"port {listen.port}",
                "pyngx does not; for nginx, listen on the standard port",
            )
            return
