"""Browsers that need special care, by User-Agent (ngx_http_process_user_agent)."""

from __future__ import annotations

import re

_MSIE = re.compile(r"MSIE (.)(.)(?=.)", re.DOTALL)
_OTHERS = re.compile(r"Gecko/|Chrome/")


def is_msie(agent: str) -> bool:
    return _MSIE.search(agent) is not None and "Opera" not in agent


def is_msie6(agent: str) -> bool:
    """Internet Explorer 4 to 6, without the second service pack of Windows XP."""
    version = _MSIE.search(agent)
    if version is None or version[2] != "." or version[1] not in "456" or "Opera" in agent:
        return False
    return version[1] != "6" or "SV1" not in agent[version.end() + 1 :]


def is_chrome(agent: str) -> bool:
    return "Chrome/" in agent and not ("Gecko/" in agent or "Opera" in agent or is_msie(agent))


def is_safari(agent: str) -> bool:
    if "Safari/" not in agent or "Mac OS X" not in agent:
        return False
    return not (_OTHERS.search(agent) or "Opera" in agent or is_msie(agent))
