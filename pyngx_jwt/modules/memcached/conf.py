"""Responds with the value of the key $memcached_key from a memcached server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from ...conf.directive import Declaration, bitmask, number
from ...gateway.conf import AddressConf
from ...http.contexts import EVERYWHERE
from ...http.template import Template

KEY = Template("$memcached_key")
# What other protocols can have set and this one has not.
LACKS = frozenset({"request_dynamic", "socket_rcvbuf", "socket_sndbuf"})


class MemcachedConf(AddressConf, prefix="memcached", without=LACKS):
    shared: ClassVar[dict[str, Declaration]] = {}
    takes_variables = False
    next_names: ClassVar[dict[str, str]] = {
        "invalid_response": "invalid_header",
        "not_found": "http_404",
    }
    buffering = False
    pass_request_headers = pass_request_body = False
    force_ranges = True
    intercept_errors = intercepts_404 = True

    gzip_flag = number(
        0,
        EVERYWHERE,
        'Adds "Content-Encoding: gzip" to values that have one of these bits in their flags.',
    )
    next_upstream = bitmask(
        frozenset({"error", "timeout"}),
        ("error", "timeout", "denied", "invalid_response", "not_found", "off"),
        EVERYWHERE,
        "Sets the errors and responses after which a request is passed to the next server. "
        '"not_found" is a missing key.',
        "error timeout",
    )

    @property
    def sent(self) -> Iterable[Template | None]:
        """The key."""
        return (KEY,)
