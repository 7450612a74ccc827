"""What workers may still do once they are not root any more."""

from __future__ import annotations

import ctypes
import os

_PR_SET_KEEPCAPS = 8
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two sets of 32
_NET_RAW = 1 << 13


class KeptCapabilities:
    """What the configuration needs: CAP_NET_RAW, for addresses that are not the machine's own."""

    net_raw = False


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def hold_capabilities() -> None:
    """Before setuid(): the process keeps what it may do.  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0):
        raise _failure("prctl(PR_SET_KEEPCAPS, 1)")


def keep_net_raw() -> None:
    """After setuid(): of what root may do CAP_NET_RAW is left.  Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    sets = (_Sets * 2)(_Sets(_NET_RAW, _NET_RAW, 0), _Sets(0, 0, 0))
    if libc.capset(ctypes.byref(_Header(_VERSION, 0)), sets):
        raise _failure("capset()")


def _failure(doing: str) -> OSError:
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code), doing)
