"""What can stand before the address of a target: "https://"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import ConfError


class Scheme(NamedTuple):
    """What stands before an address, and what it means."""

    port: int  # where none is given; 0: there must be one
    tls: bool = False


BARE: Mapping[str, Scheme] = {"": Scheme(0)}  # of protocols whose addresses have none


def split_scheme(text: str, schemes: Mapping[str, Scheme]) -> tuple[str, str]:
    """The scheme of a target and the address behind it; raises nginx's error."""
    scheme, mark, address = text.partition("://")
    if mark and scheme.lower() in schemes:
        return scheme.lower(), address
    if "" not in schemes:
        raise ConfError("invalid URL prefix")
    return "", text
