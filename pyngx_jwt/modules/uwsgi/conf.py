"""Passes requests to uwsgi servers, such as uWSGI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ...conf.directive import number, string
from ...gateway.conf import TlsConf
from ...gateway.params_conf import ParamsConf
from ...gateway.scheme import Scheme
from ...http.contexts import EVERYWHERE


class UwsgiConf(ParamsConf, TlsConf, prefix="uwsgi"):
    schemes: ClassVar[Mapping[str, Scheme]] = {
        "": Scheme(0),
        "uwsgi": Scheme(0),
        "suwsgi": Scheme(0, tls=True),
    }

    uwsgi_string = string(
        "", EVERYWHERE, "Appends bytes to the packet, behind the parameters.", syntax="string"
    )
    uwsgi_modifier1 = number(
        0,
        EVERYWHERE,
        "Sets the first modifier in the packet header, from 0 to 255: the kind of the request. 0 "
        "is a WSGI request.",
        within=(0, 255),
    )
    uwsgi_modifier2 = number(
        0,
        EVERYWHERE,
        "Sets the second modifier in the packet header, from 0 to 255.",
        within=(0, 255),
    )
