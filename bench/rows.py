"""The rows of the table: what is asked of the servers, and how they have to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SMALL, JSON, MEDIUM, LARGE = 100, 20480, 102_400, 1 << 20  # bytes of a body
KEYS, FILES, EXPRESSIONS = 200, 100, 100
SEVERAL = 1000  # tokens in turn, which every server remembers
DISTINCT = 10_000  # tokens in turn, which are more than pyngx remembers: each is a new one

Load = Literal["wrk", "h2load", "http3", "handshake"]
Way = Literal["plain", "tls", "regex"]  # the port that is asked

STATIC = 'return 200 "{small}";'
PROXY = "proxy_pass http://backend;"
TOKEN = 'auth_jwt "bench"; auth_jwt_key_file jwks.json; '
IN_QUERY = 'auth_jwt "bench" token=$arg_token; auth_jwt_key_file jwks.json; '
ENCRYPTED = 'auth_jwt "bench"; auth_jwt_type encrypted; auth_jwt_key_file private.json; '
LOGGED = "access_log access.log; "
CACHED = (
    "proxy_cache small; proxy_cache_key $uri; proxy_cache_valid 200 1h;"
    " add_header X-Cache $upstream_cache_status; "
)
FORWARDED = (
    'proxy_set_header Connection "";'
    " proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;"
    " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    " proxy_set_header X-Forwarded-Proto $scheme; "
)
COMPRESSED = "gzip on; gzip_types application/json; "


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str  # its name on the command line; requests go to /key/
    name: str
    conf: str  # of its location in nginx's language
    size: int = SMALL  # bytes of a response body, uncompressed
    way: Way = "plain"
    load: Load = "wrk"
    algorithm: str = ""  # of the tokens that requests bring
    tokens: int = 0
    paths: int = 0  # different ones; 0 is as many as there are requests
    body: int = 0  # bytes of a request body
    closes: bool = False  # a connection for each request
    gzips: bool = False
    resumes: bool = False  # TLS sessions
    alone: bool = False  # this nginx, or its module, cannot do it
    peers: tuple[str, ...] = ()  # other programs that can do it
    floor: bool = False  # so can a program that does not read requests
    identical: bool = True  # is measured with one request repeated as well

    @property
    def prefix(self) -> str:
        return f"/{self.key}/"


BOTH = ("Envoy", "HAProxy")

ROWS = (
    Row("static", "`return 200`, 100 bytes", STATIC, peers=BOTH, floor=True),
    Row("log", "`return 200`, `access_log`", LOGGED + STATIC, peers=("Envoy",)),
    Row("regex", "`return 200`, 100 regex locations, none matches", STATIC, way="regex"),
    Row("proxied", "proxied, 100 bytes", PROXY, peers=BOTH, floor=True),
    Row("rs256", "proxied, RS256", TOKEN + PROXY, peers=BOTH, algorithm="RS256", tokens=SEVERAL),
    Row(
        "typical",
        "proxied, RS256, `access_log`, 4 `proxy_set_header`",
        LOGGED + TOKEN + FORWARDED + PROXY,
        peers=("Envoy",),
        algorithm="RS256",
        tokens=SEVERAL,
    ),
    Row("cache", f"cache hit, {KEYS} keys", CACHED + PROXY, paths=KEYS),
    Row("json", "proxied, JSON of 20 KiB", PROXY, JSON, peers=BOTH),
    Row("gzip", "proxied, JSON of 20 KiB, gzip", COMPRESSED + PROXY, JSON, gzips=True, peers=BOTH),
    Row("big", "proxied, 1 MiB", PROXY, LARGE, peers=BOTH, identical=False),
    Row("post", "proxied, POST of 4 KiB", PROXY, body=4096, peers=BOTH),
    Row(
        "postrs256",
        "proxied, POST of 4 KiB, RS256",
        TOKEN + PROXY,
        body=4096,
        peers=BOTH,
        algorithm="RS256",
        tokens=SEVERAL,
        identical=False,
    ),
    Row("file1", "file, 1 KiB", "root {prefix};", 1024, paths=FILES),
    Row("file100", "file, 100 KiB", "root {prefix};", MEDIUM, paths=FILES, identical=False),
    Row("close", "`return 200`, a connection each", STATIC, closes=True, peers=BOTH),
    Row("proxiedclose", "proxied, a connection each", PROXY, closes=True, peers=BOTH),
    Row("tls", "`return 200`, TLS", STATIC, way="tls", peers=BOTH),
    Row("proxiedtls", "proxied, TLS", PROXY, way="tls", peers=BOTH),
    Row("full", "TLS handshake", STATIC, way="tls", load="handshake", peers=BOTH, identical=False),
    Row(
        "resumed",
        "TLS handshake, resumed",
        STATIC,
        way="tls",
        load="handshake",
        resumes=True,
        peers=BOTH,
        identical=False,
    ),
    Row("h2", "`return 200`, HTTP/2", STATIC, way="tls", load="h2load", peers=BOTH),
    Row(
        "h2rs256",
        "proxied, RS256, HTTP/2",
        IN_QUERY + PROXY,
        way="tls",
        load="h2load",
        peers=BOTH,
        algorithm="RS256",
        tokens=SEVERAL,
    ),
    Row(
        "h3",
        "`return 200`, HTTP/3",
        STATIC,
        way="tls",
        load="http3",
        alone=True,
        identical=False,
    ),
    Row(
        "h3rs256",
        "proxied, RS256, HTTP/3",
        TOKEN + PROXY,
        way="tls",
        load="http3",
        algorithm="RS256",
        tokens=SEVERAL,
        alone=True,
        identical=False,
    ),
    *(
        Row(
            f"new{algorithm.lower()}",
            f"proxied, {algorithm}, each token new",
            TOKEN + PROXY,
            algorithm=algorithm,
            tokens=DISTINCT,
        )
        for algorithm in ("HS256", "RS256", "ES256", "ES512", "EdDSA")
    ),
    *(
        Row(
            f"new{key}",
            f"proxied, {algorithm} and A256GCM, each token new",
            ENCRYPTED + PROXY,
            algorithm=algorithm,
            tokens=DISTINCT,
            alone=True,
        )
        for key, algorithm in (("dir", "dir"), ("oaep", "RSA-OAEP-256"))
    ),
)

LATENCY = ("static", "proxied", "rs256", "typical")  # whose percentiles are told


def chosen(words: str) -> tuple[Row, ...]:
    """The rows of these keys, separated by commas or blanks; all of them if there are none.
    Raises ValueError for what is no key."""
    keys = words.replace(",", " ").split()
    unknown = set(keys) - {row.key for row in ROWS}
    if unknown:
        known = " ".join(row.key for row in ROWS)
        raise ValueError(f"no row {' '.join(sorted(unknown))}; there are: {known}")
    return tuple(row for row in ROWS if not keys or row.key in keys)
