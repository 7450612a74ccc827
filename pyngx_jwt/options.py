"""The options of the command line, with every path resolved."""

from __future__ import annotations

import os
from typing import NamedTuple

from .features import PATHS, PREFIX


class Layout(NamedTuple):
    """Default file names: nginx's ``configure --...-path``.

    A relative path is taken from the prefix.
    """

    conf_path: str
    error_log_path: str
    http_log_path: str
    pid_path: str
    lock_path: str
    temp_path: str  # the directory of client_body_temp, proxy_temp, ...

    def temp(self, name: str) -> str:
        """The default of ``client_body_temp_path`` and its like, for "client_body_temp"."""
        return os.path.join(self.temp_path, name)


SYSTEM = Layout(
    conf_path=PATHS["conf"],
    error_log_path=PATHS["error-log"],
    http_log_path=PATHS["http-log"],
    pid_path=PATHS["pid"],
    lock_path=PATHS["lock"],
    temp_path="/var/cache/nginx",
)
# Everything in one directory that the user chooses; no privileges are needed.
DIRECTORY = Layout(
    conf_path="nginx.conf",
    error_log_path="error.log",
    http_log_path="access.log",
    pid_path="nginx.pid",
    lock_path="nginx.lock",
    temp_path="",
)


class Options(NamedTuple):
    """The command line of a server; paths are full, ``error_log`` "" is stderr."""

    prefix: str  # ends with "/"
    conf_file: str
    error_log: str
    layout: Layout
    directives: str = ""  # -g
    test: bool = False  # -t, -T
    dump: bool = False  # -T
    quiet: bool = False  # -q
    verbose: bool = False  # -v with -t: print how the configuration is understood
    signal: str = ""  # -s
    allow_unsupported: bool = False
    jwt_dialect: str = ""  # "": detected

    @property
    def conf_prefix(self) -> str:
        """The directory of nginx.conf, with its slash."""
        return self.conf_file[: self.conf_file.rindex("/") + 1]

    def full_name(self, name: str, *, conf: bool = False) -> str:
        """``name`` relative to the prefix, or the directory of nginx.conf (ngx_conf_full_name)."""
        return (self.conf_prefix if conf else self.prefix) + name if name[:1] != "/" else name


def resolve_options(
    prefix: str | None, conf_file: str | None, error_log: str | None
) -> tuple[str, str, str, Layout]:
    """The prefix, nginx.conf, first error log and layout for -p, -c and -e.

    With ``-p DIR`` all files are in DIR, and with a relative ``-c FILE`` alone in the current
    directory; otherwise they are where an installed nginx has them.
    """
    layout = SYSTEM
    if prefix is not None or (conf_file is not None and conf_file[:1] != "/"):
        layout = DIRECTORY
        prefix = prefix if prefix is not None else os.getcwdb().decode("latin-1")
    prefix = PREFIX if prefix is None else prefix
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    conf = _from(prefix, layout.conf_path if conf_file is None else conf_file)
    log = "" if error_log == "stderr" else error_log
    log = layout.error_log_path if log is None else log
    return prefix, conf, _from(prefix, log) if log else "", layout


def _from(prefix: str, name: str) -> str:
    return name if name[:1] == "/" else prefix + name
