"""The command line: nginx's options in nginx's words, and our own commands.

Started for every ``-V`` of a test suite or script, so nothing is imported before it
is needed.
"""

from __future__ import annotations

import os
import sys

from . import NGINX_VERSION, __version__

TYPE_CHECKING = False  # "typing" alone would take as long as all the rest
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .log import Log
    from .options import Options

FLAGS = "?hvVtTq"
VALUES = {  # options with a value, and what nginx calls the value
    "p": "directory name",
    "e": "file name",
    "c": "file name",
    "g": "parameter",
    "s": "parameter",
}
SIGNALS = ("stop", "quit", "reopen", "reload")
LONG_FLAGS = ("allow-unsupported", "help", "version")
LONG_VALUES = {"jwt-dialect": "name"}
# "pyngx NAME ...": the module of this package that has main(arguments) -> exit status.
COMMANDS = {
    "--check": "check",
    "dump": "conf.dump",
    "explain": "explain",
    "lint": "lint.command",
    "token": "token",
}

HELP = """\
Usage: pyngx [-?hvVtTq] [-s signal] [-p prefix] [-e filename]
             [-c filename] [-g directives] [--option ...]

  -?, -h, --help       print this help
  -v, --version        print the version
  -V                   print the version and the modules
  -t                   check the configuration; with -v, print the JWT dialect
  -T                   check the configuration and print it
  -q                   with -t, print errors only
  -s signal            send stop, quit, reopen or reload to the running master
  -p prefix            directory for relative names (default: {prefix})
  -e filename          error log until the configuration is read
                       (default: {error_log})
  -c filename          configuration file (default: {conf})
  -g directives        additional directives of the main level
  --allow-unsupported  ignore unsupported directives with a warning, unless they
                       restrict access; content handlers answer 501
  --jwt-dialect name   dialect of the auth_jwt directives (default: detected)

       pyngx help [COMMAND]                        print the help of a command
       pyngx lint [-h] [OPTION ...] [PATH ...]     find errors and security problems
       pyngx explain [-h] [OPTION ...] URL         show how a request would be handled
       pyngx token [-h] [OPTION ...]               create or explain a token
       pyngx dump [-h] [--format json|conf] FILE   print as JSON or formatted
       pyngx --check [URL]                         ask a server if it is ready

"""


class UsageError(Exception):
    """A command line that nginx refuses, in its words."""


class Arguments:
    """The words of a command line: flags by letter or name, values by letter or name."""

    __slots__ = ("flags", "values")

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.values: dict[str, str] = {}


def main() -> int:
    """Runs the command of ``sys.argv`` and returns the exit status."""
    open_standard_files()
    words = [os.fsencode(word).decode("latin-1") for word in sys.argv[1:]]
    if words and words[0] == "help":
        words = [*words[1:], "--help"]
    if words and words[0] in COMMANDS:
        return run_command(COMMANDS[words[0]], words[1:])
    try:
        arguments = parse(words)
    except UsageError as error:
        say(f"nginx: {error}\n")
        return 1
    if arguments.flags & {"help", "version"}:
        return print_version("help" in arguments.flags)
    if arguments.flags & set("?hvV"):
        show_version(arguments.flags)
        if not arguments.flags & set("tT"):
            return 0
    return run_server(arguments)


def open_standard_files() -> None:
    """Opens /dev/null for the missing ones of 0, 1 and 2.

    Otherwise a connection could get such a number, and the output for stderr.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def say(text: str) -> None:
    """Writes to stderr; a closed pipe there is not an error."""
    try:
        os.write(2, text.encode("latin-1", "backslashreplace"))
    except OSError:
        return


def parse(words: list[str]) -> Arguments:
    """The options of ``words``; raises UsageError (ngx_get_options)."""
    arguments = Arguments()
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            raise UsageError(f'invalid option: "{word}"{_meant(word, words)}')
        if word.startswith("--") and _long_option(word[2:], rest, arguments):
            continue
        _letters(word[1:], rest, arguments)
    return arguments


def _meant(word: str, words: list[str]) -> str:
    """The command whose name a first word resembles."""
    if word != words[0] or word in COMMANDS:
        return ""
    from difflib import get_close_matches

    close = get_close_matches(word, COMMANDS, 1, 0.6)
    return f', did you mean "pyngx {close[0]}"?' if close else ""


def _letters(letters: str, rest: Iterator[str], arguments: Arguments) -> None:
    """One word of options: flags, then at most one option with the rest as its value."""
    for at, letter in enumerate(letters, 1):
        if letter in FLAGS:
            arguments.flags.add(letter)
        elif letter in VALUES:
            value = letters[at:] or next(rest, None)
            if value is None:
                raise UsageError(f'option "-{letter}" requires {VALUES[letter]}')
            if letter == "s" and value not in SIGNALS:
                raise UsageError(f'invalid option: "-s {value}"')
            arguments.values[letter] = value
            return
        else:
            raise UsageError(f'invalid option: "{letter}"')


def _long_option(word: str, rest: Iterator[str], arguments: Arguments) -> bool:
    """Takes ``--name``, ``--name value`` or ``--name=value`` if it is an option of pyngx."""
    name, sign, value = word.partition("=")
    if name in LONG_FLAGS and not sign:
        arguments.flags.add(name)
        return True
    if name not in LONG_VALUES:
        return False
    argument = value if sign else next(rest, None)
    if argument is None:
        raise UsageError(f'option "--{name}" requires {LONG_VALUES[name]}')
    arguments.values[name] = argument
    return True


def show_version(flags: set[str]) -> None:
    """Prints -v, -V and -h to stderr, as nginx does."""
    lines = [f"nginx version: nginx/{NGINX_VERSION}"]
    if flags & set("?h"):
        lines.append(_help())
    if "V" in flags:
        lines += _build()
    say("\n".join(lines) + "\n")


def print_version(with_help: bool) -> int:
    """Prints --version or --help to stdout; returns the exit status."""
    end_at_closed_pipe()
    text = f"pyngx {__version__} (nginx/{NGINX_VERSION})\n"
    os.write(1, (_help() if with_help else text).encode())
    return 0


def end_at_closed_pipe() -> None:
    """Has the process end when nothing reads its output, as nginx does before it starts."""
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _help() -> str:
    from .features import PATHS, PREFIX

    return HELP.format(prefix=PREFIX, error_log=PATHS["error-log"], conf=PATHS["conf"])


def _build() -> list[str]:
    from _ssl import OPENSSL_VERSION  # "ssl" itself takes as long as all the rest

    from .features import configure_arguments, is_compiled, python_build

    return [
        f"built with {OPENSSL_VERSION}",
        "TLS SNI support enabled",
        f"configure arguments: {configure_arguments()}",
        f"pyngx version: {__version__}",
        f"compiled: {'by mypyc' if is_compiled() else 'no'}",
        f"Python: {python_build()}",
    ]


def run_command(module: str, words: list[str]) -> int:
    """Runs ``main`` of one of our commands."""
    if words == ["--version"]:
        return print_version(False)
    import gc
    from importlib import import_module

    end_at_closed_pipe()
    gc.disable()  # almost all objects of such a short-lived process live to its end
    status: int = import_module(f".{module}", __package__).main(words)
    return status


def run_server(arguments: Arguments) -> int:
    """Tests, signals or starts a server."""
    import gc

    gc.disable()  # what is imported stays, and looking for garbage in it takes a while
    from .compile import Cycle, load
    from .process import run
    from .server.negotiate import preload
    from .server.serve import serve

    gc.freeze()
    gc.enable()

    def load_all(options: Options, log: Log) -> Cycle:
        cycle = load(options, log)
        preload(cycle.ports.values())
        return cycle

    return run(server_options(arguments), load_all, serve)


def server_options(arguments: Arguments) -> Options:
    """The options of a server, every path resolved."""
    from .options import Options, resolve_options

    flags, values = arguments.flags, arguments.values
    prefix, conf_file, error_log, layout = resolve_options(
        values.get("p"), values.get("c"), values.get("e")
    )
    return Options(
        prefix,
        conf_file,
        error_log,
        layout,
        directives=values.get("g", ""),
        test=bool(flags & set("tT")),
        dump="T" in flags,
        quiet="q" in flags,
        verbose=bool(flags & set("vV")),
        signal=values.get("s", ""),
        # A signal needs only the pid: the master is running already.
        allow_unsupported="allow-unsupported" in flags or "s" in values,
        jwt_dialect=values.get("jwt-dialect", ""),
    )
