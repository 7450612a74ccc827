"""The command line, up to where a server starts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyngx_jwt import NGINX_VERSION, __version__, cli, exits, features
from pyngx_jwt.cli import UsageError, parse, server_options
from pyngx_jwt.conf.dump import dump_parser
from pyngx_jwt.explain.command import alias_parser, explain_parser
from pyngx_jwt.lint.arguments import lint_parser
from pyngx_jwt.lint.read.target import TARGETS
from pyngx_jwt.modules import MODULES
from pyngx_jwt.modules.auth_jwt import DIALECTS
from pyngx_jwt.options import DIRECTORY, SYSTEM, Options
from pyngx_jwt.token.minting import parser as token_parser
from tests.authority import Authority

ROOT = Path(__file__).parent.parent


def options(*words: str) -> Options:
    return server_options(parse(list(words)))


def pyngx(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyngx_jwt", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x", 'invalid option: "x"'),
        ("lint", 'invalid option: "lint"'),
        ("lnt nginx.conf", 'invalid option: "lnt", did you mean "pyngx lint"?'),
        ("-t lnt", 'invalid option: "lnt"'),
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
    """Held against nginx, except for the last and for names of commands."""
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
    first, openssl, sni, arguments, ours, compiled, python = told.stderr.splitlines()
    assert (told.returncode, first) == (0, f"nginx version: nginx/{NGINX_VERSION}")
    assert re.match(r"built with OpenSSL \d+\.\d+\.\d+", openssl)
    assert sni == "TLS SNI support enabled"
    assert ours == f"pyngx version: {__version__}"
    assert compiled == f"compiled: {'by mypyc' if features.is_compiled() else 'no'}"
    assert python.startswith(f"Python: cpython {sys.version.split()[0]}, configured with ")
    words = arguments.removeprefix("configure arguments: ").split(" ")
    assert all(word.startswith("--") for word in words)
    assert "--with-http_ssl_module" in words
    assert "--conf-path=/etc/nginx/nginx.conf" in words
    assert "--with-mail" not in words


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


def test_modules_of_stream() -> None:
    """All that nginx can be built without are there, and so none is named."""
    names = {module.name.removeprefix("stream_") for module in MODULES if "stream" in module.name}
    assert {*features.STREAM} <= names
    assert {"limit_conn", "access", "geo", "map", "split_clients", "return", "pass", "set"} <= names
    words = features.configure_arguments().split(" ")
    assert "--with-stream" in words
    for name in features.STREAM:
        assert f"--with-stream_{name}_module" in words
    assert not any(word.startswith("--without-stream") for word in words)


def test_version_calls_next_to_nothing() -> None:
    """Test suites and scripts ask for it before everything they do."""
    counted = """if True:
        import runpy, sys
        calls = [0]
        def count(*_): calls[0] += 1
        sys.setprofile(count)
        sys.argv = ["pyngx", "-V"]
        try:
            runpy.run_module("pyngx_jwt", run_name="__main__", alter_sys=True)
        except SystemExit:
            pass
        sys.setprofile(None)
        print(calls[0])
        """
    ran = subprocess.run([sys.executable, "-c", counted], cwd=ROOT, capture_output=True, text=True)
    assert "pyngx version: " in ran.stderr
    assert int(ran.stdout) < 9000  # the import of argparse alone takes 6000, of asyncio 90,000


def test_version_imports_next_to_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pyngx_jwt", "-V"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    imported = re.findall(r"\| +([\w.]+)$", ran.stderr, re.MULTILINE)
    bare = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import runpy, sysconfig"],
        capture_output=True,
        text=True,
    )
    started = {"__future__", *re.findall(r"\| +([\w.]+)$", bare.stderr, re.MULTILINE)}
    imported = sorted(set(imported) - started)
    ours = [f"pyngx_jwt{x}" for x in ("", ".cli", ".features")]
    pythons = [x for x in imported if x.startswith("_sysconfigdata")]
    assert imported == sorted(["_socket", "_ssl", *pythons, *ours])


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


@pytest.mark.parametrize("words", [["help"], ["--help"], ["-t", "--help"], ["help", "--help"]])
def test_help_on_standard_output(words: list[str]) -> None:
    result = pyngx(*words)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: pyngx ")
    assert result.stdout in pyngx("-h").stderr


@pytest.mark.parametrize("command", [*cli.COMMANDS, "token --explain"])
def test_help_of_commands(command: str) -> None:
    words = command.split()
    result = pyngx("help", *words)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: pyngx {words[0]} ")
    assert result.stdout == pyngx(*words, "-h").stdout == pyngx(*words, "--help").stdout
    assert "exit status: 0 " in result.stdout


def test_help_of_unknown_commands() -> None:
    result = pyngx("help", "nope")
    assert (result.returncode, result.stderr) == (1, 'nginx: invalid option: "nope"\n')


@pytest.mark.parametrize("words", [["--version"], *([name, "--version"] for name in cli.COMMANDS)])
def test_version_on_standard_output(words: list[str]) -> None:
    result = pyngx(*words)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"pyngx {__version__} (nginx/{NGINX_VERSION})\n"


# names that commands share


def options_of_commands() -> dict[str, set[str]]:
    server = {f"-{letter}" for letter in (*cli.FLAGS, *cli.VALUES)}
    server |= {f"--{name}" for name in (*cli.LONG_FLAGS, *cli.LONG_VALUES)}
    parsers = {
        "lint": lint_parser(),
        "explain": explain_parser(),
        "token": token_parser(),
        "token --explain": alias_parser(),
        "dump": dump_parser(),
    }
    options = {
        name: {text for action in parser._actions for text in action.option_strings}
        for name, parser in parsers.items()
    }
    return {"pyngx": server, **options}


def table(heading: str) -> list[list[str]]:
    """The rows of a table in running.md, without code marks."""
    text = (ROOT / "docs" / "running.md").read_text()
    section = text.partition(f"### {heading}\n")[2].partition("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line[:1] == "|"]
    return [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]


def test_options_of_several_commands_are_documented() -> None:
    options = options_of_commands()
    shared = {
        option: [name for name in options if option in options[name]]
        for option in set().union(*options.values()) - {"--explain"}
    }
    documented = {
        words.split()[0]: names.split(", ")
        for cell, names, _ in table("Options of several commands")
        for words in cell.split(", ")
    }
    assert documented == {name: users for name, users in shared.items() if len(users) > 1}


def test_names_of_dialects_are_documented() -> None:
    rows = {row[0]: row[1:] for row in table("Names of dialects and targets")}
    assert rows == {
        one.name: [one.target if one.target != one.name else "", one.project] for one in DIALECTS
    }
    names = {name for one in DIALECTS for name in (one.name, one.target)}
    assert set(TARGETS) == {"nginx", *names} - {""}


def test_exit_statuses_are_documented() -> None:
    statuses = {value for name, value in vars(exits).items() if name.isupper()}
    assert [int(row[0]) for row in table("Exit status")] == sorted(statuses)


def test_usage_errors(tmp_path: Path) -> None:
    for name in cli.COMMANDS:
        result = pyngx(name, "--nope")
        assert (result.returncode, result.stdout) == (4, ""), name
        assert result.stderr.count("\n") == 1 and f"pyngx {name}: " in result.stderr
    assert pyngx("token", "--explain", "x").returncode == 4


# closed pipes


@pytest.mark.parametrize(
    "words",
    [
        "-T -p {0}",
        "--help",
        "lint {0}/nginx.conf",
        "lint --rules",
        "explain -c {0}/nginx.conf /",
        "token --secret x",
        "token --explain x -c {0}/nginx.conf --url /",
        "dump {0}/nginx.conf",
    ],
)
def test_closed_pipe_ends_a_command_silently(words: str, tmp_path: Path) -> None:
    """As nginx -T and the core utilities end: by the signal."""
    text = "events { } http { server { listen 8080; auth_basic x; return 204; } }\n"
    (tmp_path / "nginx.conf").write_text(text)
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "pyngx_jwt", *words.format(tmp_path).split()],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert result.returncode == -signal.SIGPIPE
    assert not re.search(r"Broken|Traceback|write\(\)", result.stderr)


def test_protocols_are_imported_before_privileges_are_given_up(tmp_path: Path) -> None:
    """The user of the workers may not be able to read the files of the installation."""
    authority = Authority("one")
    (tmp_path / "one.pem").write_text(authority.pem)
    (tmp_path / "one.key").write_text(authority.key_pem())
    tls = "ssl_certificate one.pem; ssl_certificate_key one.key;"
    listens = "listen 127.0.0.1:1 ssl; listen 127.0.0.1:1 quic; http2 on;"
    conf = f"events {{ }} http {{ server {{ {listens} {tls} }} }}"
    (tmp_path / "nginx.conf").write_text(conf)
    code = (
        "import sys; from pyngx_jwt import cli; status = cli.main(); "
        "print(status, *(f'pyngx_jwt.server.{x}' in sys.modules for x in ('http2', 'quic')))"
    )
    words = ["-t", "-e", "stderr", "-p", str(tmp_path)]
    command = [sys.executable, "-c", code, *words]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout == "0 True True\n", ran.stderr
