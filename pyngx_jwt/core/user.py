"""The user of the workers, as whom the master looks at files that they need."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from .module import User


@contextmanager
def acting_as(user: User) -> Iterator[bool]:
    """Reads files with the rights of the workers.  Whether it is so: in a container root may lack
    the right to."""
    uid, gid = user
    own_uid, own_gid, own_groups = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.setgroups(_groups_of(user))
        os.setegid(gid)
        os.seteuid(uid)
        acting = True
    except PermissionError:
        acting = False
    try:
        yield acting
    finally:
        if os.geteuid() != own_uid:
            os.seteuid(own_uid)
        if os.getegid() != own_gid:
            os.setegid(own_gid)
        if own_uid == 0 and os.getgroups() != own_groups:
            os.setgroups(own_groups)


def _groups_of(user: User) -> list[int]:
    """As initgroups(3), with which workers begin."""
    uid, gid = user
    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


def name_of(user: User) -> str:
    """As a message has it."""
    try:
        return f'"{pwd.getpwuid(user[0]).pw_name}"'
    except KeyError:
        return str(user[0])
