"""What this build has of nginx: the words of ``-V``.

Tools read them (test suites, certbot, packagers' scripts), so they are nginx's
``configure`` arguments.
"""

from __future__ import annotations

import os
import sys

PREFIX = "/etc/nginx/"
# "--NAME-path=", as nginx's own packages have them: an installed nginx.conf finds its files.
PATHS = {
    "conf": "/etc/nginx/nginx.conf",
    "error-log": "/var/log/nginx/error.log",
    "http-log": "/var/log/nginx/access.log",
    "pid": "/run/nginx.pid",
    "lock": "/run/nginx.lock",
}
# Built into nginx unless "--without-http_NAME_module" is given, in configure's order.
DEFAULT = (
    *("charset", "gzip", "ssi", "userid", "access", "auth_basic", "mirror", "autoindex"),
    *("geo", "map", "split_clients", "referer", "rewrite", "proxy", "fastcgi", "uwsgi"),
    *("scgi", "grpc", "tunnel", "memcached", "limit_conn", "limit_req", "empty_gif"),
    *("browser", "upstream_hash", "upstream_ip_hash", "upstream_least_conn"),
    *("upstream_least_time", "upstream_random", "upstream_keepalive", "upstream_zone"),
    "upstream_sticky",
)
# Built only when "--with-http_NAME_module" is given.
OPTIONAL = (
    *("ssl", "v2", "v3", "realip", "addition", "xslt", "image_filter", "geoip", "sub"),
    *("dav", "flv", "mp4", "gunzip", "gzip_static", "auth_request", "random_index"),
    *("secure_link", "degradation", "slice", "perl", "stub_status"),
)
# Those we have; a test holds this against the modules that are registered.
MODULES = frozenset(
    {
        *(
            "access",
            "auth_basic",
            "auth_request",
            "autoindex",
            "charset",
            "fastcgi",
            "geo",
            "limit_conn",
            "limit_req",
            "grpc",
            "map",
            "memcached",
            "mirror",
            "proxy",
            "rewrite",
            "scgi",
            "uwsgi",
        ),
        *("realip", "referer", "split_clients", "ssl", "v2", "v3"),
        *("addition", "browser", "dav", "flv", "geoip", "image_filter", "mp4", "random_index"),
        *("secure_link", "slice", "ssi", "sub", "tunnel", "userid", "xslt"),
        *("empty_gif", "gunzip", "gzip", "gzip_static", "stub_status"),
        *("upstream_hash", "upstream_ip_hash", "upstream_least_conn", "upstream_random"),
        "upstream_least_time",
        *("upstream_keepalive", "upstream_sticky", "upstream_zone"),
    }
)
# The same of "stream", whose modules are called "stream_NAME"; all of them are there.
STREAM = ("ssl", "realip", "geoip", "ssl_preread")


def configure_arguments() -> str:
    """The line after ``configure arguments:``."""
    words = [f"--prefix={PREFIX.rstrip('/')}", "--with-debug"]
    words += [f"--{name}-path={path}" for name, path in PATHS.items()]
    words += [f"--with-http_{name}_module" for name in OPTIONAL if name in MODULES]
    words += [f"--without-http_{name}_module" for name in DEFAULT if name not in MODULES]
    words += ["--with-stream", *(f"--with-stream_{name}_module" for name in STREAM)]
    return " ".join(words)


def is_compiled() -> bool:
    """Whether the path of a request is compiled (setup.py); nothing of it is imported to know."""
    from importlib.machinery import EXTENSION_SUFFIXES

    module = os.path.join(os.path.dirname(__file__), "http", "request")
    return any(os.path.exists(module + suffix) for suffix in EXTENSION_SUFFIXES)


def python_build() -> str:
    """The Python that runs this, and how it says that it was built.

    Debian's is built with profile-guided optimization without saying so."""
    from sysconfig import get_config_var

    words = str(get_config_var("CONFIG_ARGS") or "").replace("'", "").split()
    shown = ("--enable-optimizations", "--with-lto", "--enable-shared", "--disable-gil")
    flags = [word for word in words if word.startswith(shown)]
    name = f"{sys.implementation.name} {sys.version.split()[0]}"
    return f"{name}, configured with {' '.join(flags) or 'no flags for speed'}"
