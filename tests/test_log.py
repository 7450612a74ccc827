"""error_log, the files of logs, syslog."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import socket
import ssl
from pathlib import Path

import pytest

from pyngx_jwt.errors import ConfError
from pyngx_jwt.log import (
    Buffer,
    FileTarget,
    Log,
    MemoryTarget,
    OpenFile,
    OpenFiles,
    Severity,
    SyslogPeer,
    SyslogServer,
    SyslogTarget,
    errno_text,
    fault_text,
    initial_log,
    parse_levels,
    parse_syslog,
)

LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(\w+)\] (\d+)#\2: (.*)")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "error.log")


def opened(path: str) -> tuple[OpenFiles, OpenFile]:
    files = OpenFiles()
    file = files.add(path)
    files.open()
    return files, file


def messages(path: str) -> list[tuple[str, str]]:
    found = [LINE.fullmatch(line) for line in Path(path).read_text("latin-1").splitlines()]
    assert all(found)
    return [(x[1], x[3]) for x in found if x]


def test_line_has_nginx_form(path: str) -> None:
    _, file = opened(path)
    Log(FileTarget(file, Severity.ERR)).write(Severity.ERR, 'message, server: ""', 3)
    line = LINE.fullmatch(Path(path).read_text().rstrip("\n"))
    assert line
    assert (line[1], int(line[2]), line[3]) == ("error", os.getpid(), '*3 message, server: ""')


def test_every_target_takes_its_level_and_less(tmp_path: Path) -> None:
    files = OpenFiles()
    log = Log()
    for name, level in (("info", Severity.INFO), ("crit", Severity.CRIT), ("crit2", Severity.CRIT)):
        log.add(FileTarget(files.add(str(tmp_path / name)), level))
    files.open()
    assert log.level == Severity.INFO
    for level in list(Severity)[1:]:
        log.write(level, level.name)
    told = [[text for _, text in messages(str(tmp_path / x))] for x in ("info", "crit", "crit2")]
    assert told[0] == ["EMERG", "ALERT", "CRIT", "ERR", "WARN", "NOTICE", "INFO"]
    assert told[1] == told[2] == ["EMERG", "ALERT", "CRIT"]


def test_one_target_twice_writes_twice(path: str) -> None:
    files, file = opened(path)
    assert files.add(path) is file
    Log(FileTarget(file, Severity.ERR), FileTarget(file, Severity.ERR)).write(Severity.ERR, "x")
    assert messages(path) == [("error", "x")] * 2


def test_bytes_pass_and_long_lines_are_cut(path: str) -> None:
    _, file = opened(path)
    log = Log(FileTarget(file, Severity.ERR))
    log.write(Severity.ERR, "\xe9\x80 \u20ac")
    log.write(Severity.ERR, "x" * 4000)
    first, second = Path(path).read_bytes().splitlines()
    assert first.endswith(b": \xe9\x80 \\u20ac")
    assert len(second) == 2047


def test_debug_for_one_client(path: str) -> None:
    _, file = opened(path)
    log = Log(FileTarget(file, Severity.ERR))
    log.with_debug().write(Severity.DEBUG, "seen", 1)
    log.write(Severity.DEBUG, "not seen", 2)
    assert messages(path) == [("debug", "*1 seen")]


def test_console_hears_warnings_until_the_start(
    path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _, file = opened(path)
    log = Log(FileTarget(file, Severity.NOTICE), console=True)
    log.write(Severity.NOTICE, "a notice")
    log.write(Severity.WARN, "a warning", 7)
    log.console = False
    log.write(Severity.EMERG, "later")
    assert capfd.readouterr().err == "nginx: [warn] a warning\n"
    assert [text for _, text in messages(path)] == ["a notice", "*7 a warning", "later"]


def test_a_log_on_stderr_is_not_said_twice(capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(FileTarget(OpenFile(""), Severity.NOTICE), console=True)
    log.write(Severity.EMERG, "once")
    assert LINE.fullmatch(capfd.readouterr().err.rstrip("\n"))


def test_initial_log_falls_back_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log, file = initial_log(f"{tmp_path}/none/error.log")
    log.write(Severity.EMERG, "x")
    first, second = capfd.readouterr().err.splitlines()
    reason = f'open() "{tmp_path}/none/error.log" failed (2: No such file or directory)'
    assert first == f"nginx: [alert] could not open error log file: {reason}"
    assert LINE.fullmatch(second)
    assert file.name == ""


def test_default_file_only_when_no_line_names_one(tmp_path: Path) -> None:
    files, default = OpenFiles(), str(tmp_path / "default")
    named, unnamed = (
        Log(FileTarget(files.add("/x"), Severity.WARN)),
        Log(MemoryTarget(Severity.DEBUG)),
    )
    named.open_default(files, default)
    unnamed.open_default(files, default)
    assert [x.name for x in files] == ["/x", default]
    assert (unnamed.level, unnamed.targets[1].level) == (Severity.DEBUG, Severity.ERR)


def test_files_that_do_not_open_leave_none_open(tmp_path: Path) -> None:
    files = OpenFiles()
    good = files.add(str(tmp_path / "good"))
    files.add(f"{tmp_path}/none/x")
    with pytest.raises(ConfError) as caught:
        files.open()
    reason = "failed (2: No such file or directory)"
    assert str(caught.value.at("nginx.conf", 1)) == f'open() "{tmp_path}/none/x" {reason}'
    assert good.fd == -1


def test_reopen_follows_a_rename(path: str) -> None:
    files, file = opened(path)
    log = Log(FileTarget(file, Severity.NOTICE))
    log.write(Severity.NOTICE, "old")
    os.rename(path, path + ".1")
    files.reopen(log)
    log.write(Severity.NOTICE, "new")
    assert messages(path + ".1") == [("notice", "old")]
    assert messages(path) == [("notice", "new")]


def test_reopen_keeps_the_file_when_it_cannot(path: str) -> None:
    files, file = opened(path)
    log = Log(FileTarget(file, Severity.NOTICE))
    os.rename(path, path + ".1")
    os.mkdir(path)
    files.reopen(log)
    log.write(Severity.NOTICE, "still here")
    told = messages(path + ".1")
    assert told == [
        ("emerg", f'open() "{path}" failed (21: Is a directory)'),
        ("notice", "still here"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_reopen_gives_the_file_to_the_workers_user(path: str) -> None:
    files, file = opened(path)
    os.chmod(path, 0o400)
    files.reopen(Log(FileTarget(file, Severity.ERR)), user=65534)
    info = os.stat(path)
    assert (info.st_uid, info.st_mode & 0o777) == (65534, 0o600)


def test_access_lines_wait_for_the_buffer(path: str) -> None:
    files, file = opened(path)
    log = Log()
    file.set_buffer(Buffer(10), "error.log")
    sizes = []
    for line in (b"12345\n", b"678\n", b"9\n", b"longer than the buffer\n"):
        file.write(line, log)
        sizes.append(os.path.getsize(path))
    assert sizes == [0, 0, 10, 35]
    file.write(b"end\n", log)
    files.flush(log)
    assert Path(path).read_bytes() == b"12345\n678\n9\nlonger than the buffer\nend\n"


def test_access_lines_wait_no_longer_than_flush(path: str) -> None:
    _, file = opened(path)
    file.set_buffer(Buffer(4096, flush=0.05), "error.log")

    async def write_and_wait() -> None:
        file.write(b"one\n", Log())
        assert os.path.getsize(path) == 0
        for _ in range(1000):
            if os.path.getsize(path):
                return
            await asyncio.sleep(0.02)

    asyncio.run(write_and_wait())
    assert Path(path).read_bytes() == b"one\n"


def test_gzipped_buffers_are_members_of_one_file(path: str) -> None:
    files, file = opened(path)
    file.set_buffer(Buffer(4, gzip=1), "error.log")
    for line in (b"one\n", b"two\n"):
        file.write(line, Log())
    files.flush(Log())
    assert gzip.decompress(Path(path).read_bytes()) == b"one\ntwo\n"


def test_one_file_has_one_buffer() -> None:
    file = OpenFile("/x")
    file.set_buffer(Buffer(10, flush=1), "x")
    file.set_buffer(Buffer(10, flush=1), "x")
    with pytest.raises(ConfError, match="already defined with conflicting parameters"):
        file.set_buffer(Buffer(20, flush=1), "x")


def test_failed_write_is_told_once_a_minute(path: str) -> None:
    _, file = opened(path)
    broken = OpenFile("/pipe")
    reader, broken.fd = os.pipe()
    os.close(reader)
    log = Log(FileTarget(file, Severity.ALERT))
    for _ in range(3):
        broken.write(b"x\n", log)
    broken.close()
    assert messages(path) == [("alert", 'write() to "/pipe" failed (32: Broken pipe)')]


def test_full_disk_is_left_alone_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    full = OpenFile("/dev/full")
    full.open()
    monkeypatch.setattr("time.time", lambda: 100.5)
    assert full.append(b"x")
    assert full.append(b"x") is None
    monkeypatch.setattr("time.time", lambda: 101.0)
    assert full.append(b"x")
    full.close()


@pytest.mark.parametrize(
    ("words", "level"),
    [
        ((), Severity.ERR),
        (("debug",), Severity.DEBUG),
        (("debug_http", "debug_core"), Severity.DEBUG),
        (("error",), Severity.ERR),
    ],
)
def test_levels(words: tuple[str, ...], level: Severity) -> None:
    assert parse_levels(words) == level


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("err",), 'invalid log level "err"'),
        (("info", "warn"), 'duplicate log level "warn"'),
        (("info", "debug_http"), 'invalid log level "debug_http"'),
    ],
)
def test_levels_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfError) as caught:
        parse_levels(words)
    assert str(caught.value) == message


def test_errno_text() -> None:
    with pytest.raises(OSError) as caught:
        os.open("/none/x", os.O_RDONLY)
    assert errno_text(caught.value) == "(2: No such file or directory)"
    assert fault_text(caught.value) == "(2: No such file or directory)"


def test_fault_text() -> None:
    """A library may number its own errors, or none."""
    for error in (
        ValueError("of a library"),
        OSError("of a library"),
        ssl.SSLError(1, "of a library"),
    ):
        assert "of a library" in fault_text(error)


# syslog


def test_syslog_datagram(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        peer = SyslogPeer(SyslogServer(socket.AF_UNIX, path, f"unix:{path}"), 23, 6, "tag", "host")
        Log(SyslogTarget(peer, Severity.ERR)).write(Severity.CRIT, "bad", 1)
        assert peer.send(b"GET /")
        error, access = daemon.recv(4096).decode(), daemon.recv(4096).decode()
        peer.close()
    when = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"<186>{when} host tag: \d{{4}}/.* \[crit\] .*: \*1 bad", error)
    assert re.fullmatch(rf"<190>{when} host tag: GET /", access)


def test_syslog_trouble_is_told_elsewhere(path: str) -> None:
    _, file = opened(path)
    peer = SyslogPeer(SyslogServer(socket.AF_UNIX, "/none", "unix:/none"), 23, 6, "nginx", "")
    log = peer.log = Log(SyslogTarget(peer, Severity.ERR), FileTarget(file, Severity.ERR))
    log.write(Severity.ERR, "x")
    reason = "(2: No such file or directory) while logging to syslog, server: unix:/none"
    assert messages(path) == [("alert", f"connect() failed {reason}"), ("error", "x")]


def server(text: str) -> SyslogServer:
    if text == "bad":
        raise ConfError("invalid port")
    return SyslogServer(socket.AF_INET, ("127.0.0.1", 514), text)


def test_syslog_parameters() -> None:
    peer = parse_syslog("server=x,facility=mail,severity=error,tag=a_1", "Host", server)
    assert (peer.server.name, peer.facility, peer.severity) == ("x", 2, 3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("server=bad", 'invalid port in syslog server "bad"'),
        ("server=x,server=y", 'duplicate syslog "server"'),
        ("server=x,facility=none", 'unknown syslog facility "none"'),
        ("server=x,severity=err", 'unknown syslog severity "err"'),
        ("server=x,tag=a-b", 'syslog "tag" only allows alphanumeric characters and underscore'),
        (f"server=x,tag={'a' * 33}", "syslog tag length exceeds 32"),
        ("server=x,other", 'unknown syslog parameter "other"'),
        ("facility=mail", "no syslog server specified"),
    ],
)
def test_syslog_parameters_refused(parameters: str, message: str) -> None:
    with pytest.raises(ConfError) as caught:
        parse_syslog(parameters, "host", server)
    assert str(caught.value) == message
