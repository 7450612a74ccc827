"""The command line, up to where a server starts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyngx_jwt import NGINX_VERSION, __version__, cli, features
from pyngx_jwt.cli import UsageError, parse, server_options
from pyngx_jwt.modules import MODULES
from pyngx_jwt.options import DIRECTORY, SYSTEM, Options

ROOT = Path(__file__).parent.parent


def options(*words: str) -> Options:
    return server_options(parse(list(words)))


def pyngx(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyngx_jwt", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x", 'invalid option: "x"'),
        ("lint", 'invalid option: "lint"'),
        ("-x", 'invalid option: "x"'),
        ("-tx", 'invalid option: "x"'),
        ("--foo", 'invalid option: "-"'),
        ("-c", 'option "-c" requires file name'),
        ("-e", 'option "-e" requires file name'),
        ("-p", 'option "-p" requires directory name'),
        ("-g", 'option "-g" requires parameter'),
        ("-s", 'option "-s" requires parameter'),
        ("-s foo", 'invalid option: "-s foo"'),
        ("-sfoo", 'invalid option: "-s foo"'),
        ("--jwt-dialect", 'option "--jwt-dialect" requires name'),
    ],
)
def test_refused(words: str, message: str) -> None:
    """Held against nginx, except for the last."""
    with pytest.raises(UsageError) as caught:
        parse(words.split())
    assert str(caught.value) == message


def test_refusals_carry_the_name_of_nginx() -> None:
    refused = pyngx("-z")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == 'nginx: invalid option: "z"\n'


def test_options_in_any_order_and_together() -> None:
    result = options("-tq", "-p/a", "-gdaemon off;", "-c", "x.conf", "--allow-unsupported", "-T")
    assert result == Options(
        "/a/",
        "/a/x.conf",
        "/a/error.log",
        DIRECTORY,
        directives="daemon off;",
        test=True,
        dump=True,
        quiet=True,
        allow_unsupported=True,
    )


def test_value_may_be_empty_or_joined() -> None:
    assert options("-g", "").directives == ""
    assert options("-squit").signal == "quit"
    assert options("--jwt-dialect=maxlt").jwt_dialect == "maxlt"
    assert options("--jwt-dialect", "kjdev", "-t").jwt_dialect == "kjdev"


def test_paths_of_an_installed_nginx() -> None:
    result = options()
    assert (result.prefix, result.conf_file) == ("/etc/nginx/", "/etc/nginx/nginx.conf")
    assert (result.error_log, result.layout) == ("/var/log/nginx/error.log", SYSTEM)
    assert options("-c", "/x/y.conf").prefix == "/etc/nginx/"


def test_paths_in_a_directory() -> None:
    for words in (["-p", "/a/b"], ["-p", "/a/b/"]):
        result = options(*words)
        assert (result.prefix, result.conf_file) == ("/a/b/", "/a/b/nginx.conf")
        assert (result.error_log, result.layout) == ("/a/b/error.log", DIRECTORY)


def test_relative_file_is_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = options("-c", "conf/x.conf")
    assert (result.prefix, result.conf_file) == (f"{tmp_path}/", f"{tmp_path}/conf/x.conf")
    assert result.conf_prefix == f"{tmp_path}/conf/"
    assert result.full_name("a") == f"{tmp_path}/a"
    assert result.full_name("a", conf=True) == f"{tmp_path}/conf/a"
    assert result.full_name("/a", conf=True) == "/a"


def test_first_error_log() -> None:
    assert options("-p", "/a", "-e", "x.log").error_log == "/a/x.log"
    assert options("-p", "/a", "-e", "/x.log").error_log == "/x.log"
    assert options("-p", "/a", "-e", "stderr").error_log == ""


def test_bytes_of_a_name_are_kept(tmp_path: Path) -> None:
    show = "cli.run_server = lambda result: print(ascii(result.values))"
    script = f"from pyngx_jwt import cli; {show}; cli.main()"
    ran = subprocess.run(
        [sys.executable.encode(), b"-c", script.encode(), b"-c", b"/\xe9\xc3\xa9"],
        cwd=ROOT,
        capture_output=True,
    )
    assert ran.stdout == rb"{'c': '/\xe9\xc3\xa9'}" + b"\n"


# versions


def test_version() -> None:
    told = pyngx("-v")
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr == f"nginx version: nginx/{NGINX_VERSION}\n"


def test_help_names_every_option() -> None:
    told = pyngx("-h")
    assert (told.returncode, told.stdout) == (0, "")
    assert told.stderr.startswith(f"nginx version: nginx/{NGINX_VERSION}\nUsage: ")
    for name in (*(f"-{x}" for x in cli.FLAGS + "".join(cli.VALUES)), *cli.LONG_VALUES):
        assert name in told.stderr
    assert told.stderr == pyngx("-?").stderr


def test_configuration_of_the_build() -> None:
    told = pyngx("-V")
    first, openssl, sni, arguments, ours = told.stderr.splitlines()
    assert (told.returncode, first) == (0, f"nginx version: nginx/{NGINX_VERSION}")
    assert re.match(r"built with OpenSSL \d+\.\d+\.\d+", openssl)
    assert sni == "TLS SNI support enabled"
    assert ours == f"pyngx version: {__version__}"
    words = arguments.removeprefix("configure arguments: ").split(" ")
    assert all(word.startswith("--") for word in words)
    assert "--with-http_ssl_module" in words
    assert "--conf-path=/etc/nginx/nginx.conf" in words
    assert "--without-http_grpc_module" in words


def test_every_module_is_either_there_or_not() -> None:
    words = features.configure_arguments().split(" ")
    for name in features.DEFAULT:
        assert (f"--without-http_{name}_module" in words) is (name not in features.MODULES)
    for name in features.OPTIONAL:
        assert (f"--with-http_{name}_module" in words) is (name in features.MODULES)
    assert not features.MODULES - {*features.DEFAULT, *features.OPTIONAL}


def test_modules_told_are_those_registered() -> None:
    """Those named after their directive in an upstream block are there if it is."""
    directives = {name for module in MODULES for name in module.conf.directives}
    there = {module.name for module in MODULES} & {*features.DEFAULT, *features.OPTIONAL}
    there |= {x for x in features.DEFAULT if x.removeprefix("upstream_") in directives - {x}}
    assert there == features.MODULES


def test_version_is_told_in_no_time() -> None:
    """Test suites and scripts ask for it before everything they do."""

    def seconds(*words: str) -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=True)
        return time.perf_counter() - started

    bare = min(seconds("-c", "pass") for _ in range(5))
    told = min(seconds("-m", "pyngx_jwt", "-V") for _ in range(5))
    assert told - bare < 0.05


def test_version_imports_next_to_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pyngx_jwt", "-V"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    imported = re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE)
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import runpy"], capture_output=True, text=True
    )
    started = {"__future__", *re.findall(r"\| +([\w.]+)$", bare.stderr, re.MULTILINE)}
    imported = sorted(set(imported) - started)
    ours = [f"pyngx_jwt{x}" for x in ("", ".cli", ".features")]
    assert imported == sorted(["_socket", "_ssl", *ours])


# commands


def test_commands_are_loaded_when_they_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "COMMANDS", {"dump": "dump_of_a_test"})
    monkeypatch.setattr("pyngx_jwt.__path__", [str(tmp_path)])
    (tmp_path / "dump_of_a_test.py").write_text("def main(words): return len(words)\n")
    monkeypatch.setattr(sys, "argv", ["pyngx", "dump", "-x", "y"])
    assert cli.main() == 2


def test_closed_standard_files_are_opened() -> None:
    script = "from pyngx_jwt.cli import open_standard_files as x; x(); import os; os.write(1, b'')"
    closed = f"{sys.executable} -c \"{script}; print(os.readlink('/proc/self/fd/2'))\" 2>&- <&-"
    ran = subprocess.run(["/bin/sh", "-c", closed], cwd=ROOT, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"{os.devnull}\n")
