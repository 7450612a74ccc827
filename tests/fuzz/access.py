"""Generated configurations of locations and of what may keep a request out of them.

A setting is many servers, each with a tree of locations of its own; a case is one request to one of
them. What is compared is who answers: with which status, body, and requests to the upstream.
"""

from __future__ import annotations

import base64
from random import Random

from .case import Case, Setting
from .requests import mostly, path

SERVERS = 40  # of a setting
WORDS = ["a", "b", "admin", "api", "x", "f.txt", "A"]
PATTERNS = [
    r"^/admin(/[^/]*)*$",
    r"^/api/(v1|v2)(/\w+)*/?$",
    r"^/([a-z0-9]|-)+/private$",
    r"^(/[a-z]+)+/edit$",
    r"^/([^/]+/?)+$",
    r"/(x+x+)+y$",
    r"(a|b|ab)*c$",
    r"^/a/(?<tail>.*)$",
    r"\.txt$",
    r"\.(txt|php)(/.*)?$",
    r"^/b",
    r"admin",
    r"^/(?:admin|x)/(.+)/f",
    r"(.|\n)*secret$",
    r"^/(\w+)/\1",
    r"(?i)^/ADMIN",
    r"^/a/[^/]+$",
    r"%|\.\.",
    r"^/x(?!/f)",
]
HTTP = """
map $http_x_mode $mode { default none; ~^d deny; ~*^(?<kind>[a-z]+)+9$ odd; }
geo $loopback { default 0; 127.0.0.0/8 1; }
"""
ALWAYS = """
location = /end { auth_basic off; auth_request off; allow all; return 200 end; }
location = /auth { internal; proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_pass_request_body off;
    proxy_set_header Content-Length ""; proxy_set_header X-Original $request_uri; }
location = /auth2 { proxy_pass http://127.0.0.1:%%PORT_up%%/auth?$uri; }
location @one { return 202 "one $uri $args"; }
location @two { proxy_pass http://127.0.0.1:%%PORT_up%%; }
location @three { auth_basic three; auth_basic_user_file users; return 200 "three $remote_user"; }
location @four { internal; root html; }
"""
FILES = {
    "users": "u:{PLAIN}p\nv:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n",
    **{
        f"html/{name}": name
        for name in ("a/f.txt", "b/f.txt", "admin/f.txt", "f.txt", "x/index.html")
    },
    "html/admin/index.html": "index of admin",
    "html/50x.html": "error page",
}


def setting(r: Random, batch: int) -> Setting:
    servers = tuple(f"server_name s{n}.t;\n{_server(r)}" for n in range(SERVERS))
    http = HTTP + ("merge_slashes off;\n" if r.random() < 0.3 else "")
    return Setting(http, servers, FILES)


def case(r: Random, setting: Setting, number: int) -> Case:
    chosen = r.randrange(SERVERS)
    server = setting.servers[chosen]
    method = mostly(r, ["GET"], ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"], 0.3)
    lines = [f"{method} {_target(r, server)} HTTP/1.1", f"Host: s{chosen}.t"]
    if r.random() < 0.4:
        user = r.choice((b"u:p", b"u:p", b"u:x", b"v:password", b"w:p", b":", b"u", b"\xff"))
        lines.append("Authorization: Basic " + base64.b64encode(user).decode())
    if r.random() < 0.4:
        lines.append(
            f"X-Auth: {r.choice(('200', '204', '401', '403', '500', '302', '404', '201'))} X"
        )
    if r.random() < 0.2:
        lines.append(f"X-Mode: {r.choice(('deny', 'x', 'aaaa9', 'a' * 5000, 'aaa' * 20 + '!'))}")
    if method in ("POST", "PUT"):
        lines.append("Content-Length: 4")
    head = "\r\n".join(lines) + "\r\n\r\n"
    body = "body" if method in ("POST", "PUT") else ""
    return Case(((head + body).encode("latin-1"),), about=server)


def _target(r: Random, server: str) -> str:
    """Something near to a location of the server, or a long path that expressions despair of."""
    if r.random() < 0.12:
        start, part, end = r.choice(LONG)
        return start + part * r.choice((10, 500, 1500, 3000, 7900 // len(part))) + end
    names = [
        line.split()[-2] for line in server.splitlines() if line.lstrip().startswith("location")
    ]
    places = [name for name in names if name.startswith("/")] + ["/", "/a/", "/admin/"]
    return path(r, r.choice(places), 0.03)[:7000] or "/"


LONG = [
    ("/admin", "/x", ""),
    ("/api/v1", "/aa", "/"),
    ("/", "a", "/private"),
    ("", "/a", "/edit"),
    ("", "/ab", ""),
    ("/", "x", ""),
    ("/", "ab", ""),
    ("/", "ab", "c"),
    ("/a/", "b", "secret"),
    ("/a/", "a%0a", "secret"),
    ("/admin/", "%61", ""),
]


def _server(r: Random) -> str:
    lines = []
    if r.random() < 0.3:
        lines += _guard(r)
    if r.random() < 0.2:
        lines += _rewrite(r, [])
    if r.random() < 0.3:
        lines.append(_error_page(r))
    if r.random() < 0.15:
        lines.append(r.choice(("root html/a;", "recursive_error_pages on;")))
    lines += _locations(r, "/", r.randrange(2, 6), 0)
    return "\n".join(_once(lines)) + ALWAYS


def _once(lines: list[str]) -> list[str]:
    """Without directives that nginx would call duplicate."""
    found, seen = [], set()
    for line in lines:
        name = line.split()[0]
        if name in ONLY_ONCE and name in seen:
            continue
        seen.add(name)
        found.append(line)
    return found


ONLY_ONCE = {
    *("root", "satisfy", "auth_basic", "auth_basic_user_file", "auth_request"),
    *("recursive_error_pages", "limit_except", "try_files", "proxy_pass", "internal", "alias"),
}


def _locations(r: Random, outer: str, count: int, depth: int) -> list[str]:
    """Locations that may stand inside of one with that prefix; each is a list of lines, joined."""
    lines: list[str] = []
    seen = set()
    for _ in range(count):
        name = _name(r, outer)
        if name in seen or name.rpartition(" ")[2] in seen:
            continue
        seen |= {name, name.rpartition(" ")[2]} if name[0] not in "=~" else {name}
        lines += [
            f"location {name} {{",
            *(f"    {line}" for line in _location(r, name, depth)),
            "}",
        ]
    return lines


def _name(r: Random, outer: str) -> str:
    if r.random() < 0.35:
        return f'{r.choice(("~", "~", "~*"))} "{r.choice(PATTERNS)}"'
    words = [r.choice(WORDS) for _ in range(r.choice((0, 1, 1, 2)))]
    text = outer + "/".join(words) + (r.choice(("/", "")) if words else "")
    return r.choice(("", "", "", "= ", "^~ ")) + text


def _location(r: Random, name: str, depth: int) -> list[str]:
    lines: list[str] = []
    if r.random() < 0.15:
        lines.append("internal;")
    if r.random() < 0.5:
        lines += _guard(r)
    if r.random() < 0.25:
        lines += _rewrite(r, WORDS)
    if r.random() < 0.2:
        lines.append(_error_page(r))
    prefix = name.rpartition(" ")[2]
    if depth < 2 and not name.startswith("=") and r.random() < 0.4:
        # Inside of an expression only expressions are certain to be allowed.
        inner = _locations(
            r, prefix if prefix.startswith("/") else "/", r.randrange(1, 4), depth + 1
        )
        if not prefix.startswith("/"):
            inner = _locations_of_expressions(r, depth)
        lines += inner
    return _once([*lines, *_content(r, name)])


def _locations_of_expressions(r: Random, depth: int) -> list[str]:
    lines = []
    for pattern in r.sample(PATTERNS, r.choice((1, 2))):
        body = _location(r, f'~ "{pattern}"', depth + 1)
        lines += [f'location ~ "{pattern}" {{', *(f"    {line}" for line in body), "}"]
    return lines


def _guard(r: Random) -> list[str]:
    guards = [
        ["deny all;"],
        ["allow 127.0.0.1;", "deny all;"],
        ["deny 127.0.0.0/8;"],
        ["allow 10.0.0.0/8;", "deny all;"],
        ["allow all;"],
        ["auth_basic realm;", "auth_basic_user_file users;"],
        ["auth_basic realm;", "auth_basic_user_file users;"],
        ["auth_basic off;"],
        ["auth_basic realm;", "auth_basic_user_file missing;"],
        ["auth_request /auth;"],
        ["auth_request /auth;", "auth_request_set $found $upstream_status;"],
        ["auth_request /auth2;"],
        ["auth_request off;"],
        ["auth_request /admin/;"],
        ["satisfy any;"],
    ]
    lines = []
    for _ in range(r.choice((1, 1, 2, 3))):
        lines += r.choice(guards)
    if r.random() < 0.3:
        lines.insert(0, r.choice(("satisfy any;", "satisfy all;")))
    return lines


def _rewrite(r: Random, words: list[str]) -> list[str]:
    """Directives of the rewrite module; limit_except stands in locations only."""
    flag = r.choice(("", " last", " break", " redirect", " permanent"))
    lines = [
        f"rewrite ^/{r.choice(WORDS)}/(.*)$ /$1{flag};",
        f"rewrite ^(/[^/]*)+/x$ /b/x{flag};",
        f"rewrite ^ /{r.choice(WORDS)}/f.txt?q=1{flag};",
        "if ($request_method = POST) { return 405; }",
        'if ($uri ~ "^/(a|aa)+$") { return 403 "no $1"; }',
        'if ($uri !~ "^(/[a-z.]+)+$") { return 403 "odd"; }',
        "if ($mode = deny) { return 403 mode; }",
        "if ($mode = odd) { return 402 $kind; }",
        'if ($http_x_mode ~ "(.|a)*9$") { return 401; }',
        "if ($args) { set $v $args; }",
        "if ($loopback) { set $v local; }",
        f"if (-f %%DIR%%/html$uri) {{ rewrite ^ /{r.choice(WORDS)}; }}",
        "if ($http_authorization) { break; }",
        "set $v $uri;",
        "return 404;",
        "return 301 /b$uri;",
        "return 403;",
    ]
    found = r.sample(lines[:14], r.choice((1, 1, 2)))
    if r.random() < 0.1:
        found.append(r.choice(lines[14:]))
    if words and r.random() < 0.3:
        inside = r.choice(
            (
                "deny all;",
                "auth_basic in; auth_basic_user_file users;",
                "allow 127.0.0.1; deny all;",
            )
        )
        methods = r.choice(("GET", "POST", "GET POST", "HEAD PUT"))
        found.append(f"limit_except {methods} {{ {inside} }}")
    return found


def _error_page(r: Random) -> str:
    codes = r.sample(["400", "401", "403", "404", "405", "500", "502"], r.choice((1, 2, 4)))
    how = r.choice(("", "=200 ", "= ", "=403 "))
    place = r.choice(
        ("/50x.html", "/admin/f.txt", "@one", "@two", "@three", "@four", "/a/$uri", "/auth")
    )
    return f"error_page {' '.join(codes)} {how}{place};"


def _content(r: Random, name: str) -> list[str]:
    """What answers; the name shows who it was."""
    shown = name.replace('"', "").replace("\\", "/").replace("$", "_")
    answer = f'return 200 "{shown} $uri $args $remote_user $v $found";'
    up = "proxy_pass http://127.0.0.1:%%PORT_up%%"
    contents = [
        ["add_header X-Here here always;", f"{up};"],
        [f"{up};"],
        ["root html;"],
        ["root html;"],
    ]
    contents += [
        ["try_files $uri $uri/ =404;", "root html;"],
        ["try_files $uri @one;", "root html;"],
    ]
    contents += [
        ["try_files /x$uri /admin/f.txt;", "root html;"],
        ["try_files /f.txt @three;", f"{up};"],
    ]
    contents += [[answer], [answer], ["error_page 404 = @two;", "root html;"], []]
    if not name.startswith("~"):
        contents += [[f"{up}/up/;"], ["alias html/admin/;"], [f"{up}/up?$args;"]]
    return r.choice(contents)
