"""Processes requests that end with a slash: picks a random file of the directory."""

from __future__ import annotations

import os
import random

from ..conf.directive import Conf, flag
from ..http.contexts import LOCATION
from ..http.level import Level
from ..http.module import Module, Phase
from ..http.request import Handler, Request, Status
from .files import opendir_failed

METHODS = frozenset({"GET", "HEAD", "POST"})


class RandomIndexConf(Conf):
    random_index = flag(
        False, LOCATION, 'Uses a random file of the directory as the index file, before "index".'
    )


random_index = Module("random_index", RandomIndexConf)


@random_index.handler(Phase.CONTENT)
def pick_file(conf: RandomIndexConf, level: Level) -> Handler | None:
    if not conf.random_index or level.location is None:
        return None
    path_of = level.location.path_of

    def handle(r: Request) -> Status | None:
        if not r.uri.endswith("/") or r.method not in METHODS:
            return None
        path = path_of(r)
        path = path[:-1] if len(path) > 1 else path
        try:
            names = _files(path.encode("latin-1"))
        except OSError as error:
            return opendir_failed(r, path, error)
        if not names:
            return None
        return r.redirect(r.uri + random.choice(names).decode("latin-1"), r.args)

    return handle


def _files(path: bytes) -> list[bytes]:
    with os.scandir(path) as items:
        return [item.name for item in items if item.name[:1] != b"." and item.is_file()]
