"""A configuration that has been replaced."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from pyngx_jwt.compile import load, walk
from pyngx_jwt.conf.directive import Conf
from pyngx_jwt.log import Log
from pyngx_jwt.options import DIRECTORY, Options

CONF = """
events { }
http {
  map $uri $target { default /; ~x /y; }
  upstream group { server 127.0.0.1:9000; }
  server {
    listen 127.0.0.1:20000;
    server_name a.example;
    error_page 404 /404;
    location / { try_files $uri /index.html; add_header X $target; }
    location /api/ {
      proxy_pass http://group/x/;
      proxy_set_header Host $host;
      if ($args) { return 403; }
      location /api/inner { allow all; limit_except GET { deny all; } }
    }
    location ~ ^/(.*)$ { rewrite ^ /$1; }
  }
}
stream { server { listen 127.0.0.1:20001; proxy_pass 127.0.0.1:9000; } }
"""


@pytest.mark.interpreted("weak references to compiled objects are not told of their end")
def test_it_is_freed_at_once(tmp_path: Path) -> None:
    """The garbage collector, which has to look at all there is, need not run."""
    (tmp_path / "nginx.conf").write_text(CONF)
    gc.collect()
    gc.disable()
    try:
        cycle = load(Options(f"{tmp_path}/", f"{tmp_path}/nginx.conf", "stderr", DIRECTORY), Log())
        confs: list[weakref.ref[Conf]] = [
            weakref.ref(conf) for block in walk(cycle.root) for conf in block.confs.values()
        ]
        cycle.let_go()
        del cycle
        left = [type(conf).__name__ for ref in confs if (conf := ref()) is not None]
    finally:
        gc.enable()
    assert len(confs) > 20
    assert left == []
