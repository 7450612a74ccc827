"""The generated pages are fresh, and everything declared is documented and tested."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pyngx_jwt import docs
from pyngx_jwt.core.module import AnyModule
from pyngx_jwt.modules import MODULES

from .applications import PROTOCOLS

ROOT = Path(__file__).parent.parent
GENERATED = {*docs.pages()}

# Read, checked for their place and arity, and left aside.  Each is a decision: what changes
# what a client gets, or who gets it, must not be among them.
NOOPS = {
    *("mp4_buffer_size", "hls_mp4_buffer_size", "mqtt_rewrite_buffer_size"),
    "brotli_buffers",
    "worker_connections",
    *("ssi_ignore_recycled_buffers", "ssi_min_file_chunk"),
    *("accept_mutex", "accept_mutex_delay", "aio", "aio_write", "client_body_in_single_buffer"),
    *("connection_pool_size", "debug_points", "directio"),
    *("directio_alignment", "gunzip_buffers", "lock_file", "map_hash_bucket_size"),
    *("http2_idle_timeout", "http2_max_concurrent_pushes", "http2_max_field_size"),
    *("http2_max_header_size", "http2_max_requests", "http2_pool_size", "http2_push"),
    *("http2_push_preload", "http2_recv_buffer_size", "http2_recv_timeout"),
    "http2_streams_index_size",
    "map_hash_max_size",
    *("open_log_file_cache", "pcre_jit", "postpone_gzipping", "postpone_output"),
    *("proxy_headers_hash_bucket_size", "proxy_headers_hash_max_size", "proxy_send_lowat"),
    *("proxy_socket_rcvbuf", "proxy_socket_sndbuf"),
    *("tunnel_buffer_size", "tunnel_send_lowat", "tunnel_socket_rcvbuf", "tunnel_socket_sndbuf"),
    *("scgi_socket_rcvbuf", "scgi_socket_sndbuf", "fastcgi_send_lowat"),
    *("fastcgi_socket_rcvbuf", "fastcgi_socket_sndbuf", "uwsgi_socket_rcvbuf"),
    *("uwsgi_socket_sndbuf", "grpc_socket_rcvbuf", "grpc_socket_sndbuf"),
    *("lua_load_resty_core", "lua_malloc_trim", "lua_sa_restart", "lua_socket_buffer_size"),
    *("lua_socket_send_lowat", "lua_thread_cache_max_entries", "lua_worker_thread_vm_pool_size"),
    *("read_ahead", "referer_hash_bucket_size", "referer_hash_max_size", "request_pool_size"),
    *("send_lowat", "sendfile_max_chunk", "server_names_hash_bucket_size"),
    *("server_names_hash_max_size",),
    "ssl_engine",
    *("tcp_nodelay",),
    *("tcp_nopush",),
    *("thread_pool", "timer_resolution", "types_hash_bucket_size", "types_hash_max_size"),
    *("use", "variables_hash_bucket_size", "variables_hash_max_size", "worker_aio_requests"),
    "quic_bpf",
    *("zone_sync_buffers", "zone_sync_connect_retry_interval", "zone_sync_connect_timeout"),
    *("zone_sync_interval", "zone_sync_recv_buffer_size", "zone_sync_ssl_certificate"),
    *("zone_sync_ssl_certificate_key", "zone_sync_ssl_ciphers", "zone_sync_ssl_conf_command"),
    *("zone_sync_ssl_name", "zone_sync_ssl_password_file", "zone_sync_ssl_protocols"),
    *("zone_sync_ssl_server_name", "zone_sync_ssl_trusted_certificate", "zone_sync_ssl_verify"),
    *("zone_sync_ssl_verify_depth", "zone_sync_timeout"),
    *("worker_cpu_affinity", "worker_priority", "worker_rlimit_core"),
}


# Not named in any test so far.  A name leaves this list with its test; none is added.
WORKING = {("stream", "tcp_nodelay")}  # which have no effect in other modules
UNTESTED = {
    *("add_trailer_inherit", "gzip_no_buffer"),
    *("keepalive_min_timeout", "lingering_close"),
    "proxy_cache_lock_age",
    *("proxy_force_ranges", "proxy_send_timeout"),
}

REFUSED = ": not supported yet."  # what directives of other JWT modules have for documentation


@cache
def words_of_tests() -> frozenset[str]:
    """Every word in the files of all tests but this one, and the fuzzer, which asserts nothing;
    what tests call cgi_* they run under each prefix."""
    other = (Path(__file__), *(ROOT / "tests/fuzz").glob("*.py"))
    files = [path for path in (ROOT / "tests").rglob("*.py") if path not in other]
    words = {word for path in files for word in re.findall(r"\w+", path.read_text())}
    shared = [word[3:] for word in words if word.startswith("cgi_")]
    return frozenset(words.union(f"{name}{rest}" for rest in shared for name in PROTOCOLS))


@pytest.mark.interpreted("compiled code has no docstrings")
@pytest.mark.parametrize("path", sorted(GENERATED))
def test_page_is_fresh(path: str) -> None:
    page = ROOT / "docs" / path
    assert page.exists() and page.read_text() == docs.pages()[path], "run make docs"


def test_no_page_is_left_over() -> None:
    pages = {
        f"{part}/{page.name}"
        for part in docs.GENERATED
        for page in (ROOT / "docs" / part).iterdir()
    }
    assert pages <= GENERATED, "run make docs"


def test_writing_removes_what_is_left_over(tmp_path: Path) -> None:
    (tmp_path / "directives").mkdir()
    (tmp_path / "directives/gone.md").write_text("old")
    docs.write(tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.md")}
    assert written == GENERATED


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
class TestModule:
    @pytest.mark.interpreted("compiled code has no docstrings")
    def test_is_documented(self, module: AnyModule) -> None:
        assert docs.description(module)
        undocumented = [d.name for d in module.conf.directives.values() if not d.doc.strip()]
        undocumented += [name for name, doc in module.variable_docs.items() if not doc.strip()]
        assert not undocumented

    def test_directives_are_named_in_some_test(self, module: AnyModule) -> None:
        directives = module.conf.directives.values()
        names = {d.name for d in directives if not d.noop and not d.doc.endswith(REFUSED)}
        untested = sorted(names - words_of_tests() - UNTESTED)
        assert not untested

    def test_noops_are_decisions(self, module: AnyModule) -> None:
        for d in module.conf.directives.values():
            works_here = (module.name, d.name) in WORKING
            assert d.noop is (d.name in NOOPS and not works_here), d.name


def test_gaps_are_gaps() -> None:
    closed = sorted(UNTESTED & words_of_tests())
    assert not closed, "take these out of UNTESTED"


def test_noops_are_declared() -> None:
    declared = {d.name for module in MODULES for d in module.conf.directives.values() if d.noop}
    assert declared >= NOOPS


def test_accepted_directives_have_a_reason() -> None:
    """And no reason is there for a module without any."""
    table = docs.unsupported_page().partition("## Accepted directives")[2]
    rows = [line.strip("|").split(" | ") for line in table.splitlines() if "`" in line]
    assert {row[0].strip() for row in rows} == set(docs.HARMLESS)
    assert all(len(row) == 3 and row[2].strip().endswith(".") for row in rows)


def test_differences_list_every_module_of_nginx() -> None:
    page = docs.differences_page()
    assert "| ngx_http_access_module | nothing |" in page
    assert "| ngx_http_perl_module | all |" in page
    assert re.search(r"\| ngx_http_core_module \| .*`open_file_cache_events`", page)


def test_page_shows_shape_and_reason() -> None:
    (module,) = (module for module in MODULES if module.name == "main")
    page = docs.module_page(module)
    assert (
        "## daemon\n\n"
        "    Syntax:  daemon on | off;\n"
        "    Default: on\n"
        "    Context: main\n\n"
        "Runs the server in the background. Turn it off under a supervisor such as systemd.\n"
    ) in page
    assert "\n- `lock_file` (main): no lock file is used\n" in page


@pytest.mark.interpreted("compiled code has no docstrings")
@pytest.mark.parametrize("path", sorted(GENERATED))
def test_page_has_readable_code_and_defaults(path: str) -> None:
    """Code is not escaped, and a directive without a default has a dash."""
    text = docs.pages()[path]
    assert not re.search(r"`[^`\n]*\\[*<\[][^`\n]*`", text)
    assert not re.search(r"^    Default: *$", text, re.MULTILINE)


def test_variables_have_their_own_documentation() -> None:
    """Not that of an object around their getter."""
    lines = re.findall(r"^- (`\$\w+`): (.*)$", docs.pages()["variables.md"], re.MULTILINE)
    assert [line for line in lines if line[1].startswith("A getter")] == []
    assert ("`$jwt_claims`", "The claims as JSON, members sorted by name.") in lines


def test_example_of_a_module_works() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    (code,) = re.findall(r'```python\n("""Says.*?)```', text, re.DOTALL)
    names = {"__name__": "pyngx_jwt.modules.hello", "__package__": "pyngx_jwt.modules"}
    exec(compile(code, "hello.py", "exec"), names)
    module: Any = names["hello"]
    assert [*module.conf.directives] == ["hello", "hello_name"]
    assert [*module.variables] == ["hello_name"] and module.exclusive_content


def test_unused_values_are_documented() -> None:
    """A value that a directive sets and no code asks for is no support of it."""
    texts = [path.read_text() for path in (ROOT / "pyngx_jwt").rglob("*.py")]
    used = {word for text in texts for word in re.findall(r"""[."'](\w+)\b""", text)}
    told = (ROOT / "docs/deviations.md").read_text()
    for module in MODULES:
        for d in module.conf.directives.values():
            used_or_told = d.attribute in used or f"`{d.name}`" in told
            assert d.noop or not d.attribute or used_or_told, d.name


MARKDOWN = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`]*`|^ {4}[^\n]*$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text())):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@cache
def anchors(page: Path) -> frozenset[str]:
    """Of the headings, as GitHub and the documentation site make them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings)


WRITTEN = [page for page in MARKDOWN if docs.WRITTEN.strip() not in page.read_text()]
PERSONS = "whoever|whomever|somebody|nobody|everybody|anybody"
AVOIDED = re.compile(rf"\b({PERSONS}|anew|what becomes of|tells? (of|what|how))\b", re.IGNORECASE)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_words_of_the_style_guide(page: Path) -> None:
    """The words that docs/style.md lists as wrong; code and examples of output are left out."""
    found = [match[0] for match in AVOIDED.finditer(CODE.sub("", page.read_text()))]
    assert page.name == "style.md" or not found


def test_every_page_is_in_the_navigation() -> None:
    """Of the documentation site; pages of directives, rules and decisions have indexes."""
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("*.md")}
    pages |= {f"jwt/{page.name}" for page in (ROOT / "docs/jwt").glob("*.md")}
    named = {*re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text())}
    assert pages - named == set()


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    pages = {page.name for page in (ROOT / "docs/decisions").glob("0*.md")}
    assert {name for name in pages if f"({name})" not in listed} == set()
