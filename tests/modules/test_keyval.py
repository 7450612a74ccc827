"""keyval: variables with values from a database that all workers share."""

from __future__ import annotations

import grp
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pyngx_jwt.core.state_file import replace_state

from ..nginx import Nginx

pytestmark = pytest.mark.pyngx_only("NGINX Plus and kjdev/nginx-keyval have it")
LOCATIONS = """
    location /get { return 200 "[$value]"; }
    location /set { set $value $arg_v; return 200 "[$value]"; }
    """


def test_values_are_set_and_read(nginx: Nginx) -> None:
    nginx(
        LOCATIONS,
        http="keyval_zone zone=one:64k; keyval $arg_k $value zone=one;",
        main="worker_processes 2;",
    )
    nginx.exchange("""
        > GET /get?k=a
        < 200
        <
        < []

        > GET /set?k=a&v=1
        < 200
        <
        < [1]

        > GET /get?k=a
        < 200
        <
        < [1]

        > GET /get?k=A
        < 200
        <
        < []

        > GET /set?v=2
        < 200
        <
        < []
        """)


def test_state_file(nginx: Nginx) -> None:
    """It is read at the start and written after changes."""
    state = nginx.write("one.json", '{"a": "1", "b": {"value": "2", "expire": 5}}')
    nginx(LOCATIONS, http="keyval_zone zone=one:64k state=one.json; keyval $arg_k $value zone=one;")
    assert nginx.request("GET /get?k=a").text == "[1]"
    assert nginx.request("GET /get?k=b").text == "[2]"
    assert nginx.request("GET /set?k=c&v=3").text == "[3]"
    nginx.stop()
    assert json.loads(state.read_text()) == {"a": "1", "b": "2", "c": "3"}


def test_a_state_file_keeps_octets(nginx: Nginx) -> None:
    """Keys that are not UTF-8 remain different keys."""
    state = nginx.write("one.json", "")
    state.write_bytes(b'{"\xff": "255", "\xfe": "254"}')
    nginx(LOCATIONS, http="keyval_zone zone=one:64k state=one.json; keyval $arg_k $value zone=one;")
    for key in "\xff\xfe":
        assert nginx.request(f"GET /get?k={key}").text == f"[{ord(key)}]"
    assert nginx.request("GET /set?k=\xfd&v=253").status == 200
    nginx.stop()
    kept = json.loads(state.read_bytes().decode("latin-1"))
    assert kept == {"\xff": "255", "\xfe": "254", "\xfd": "253"}


BAD_STATES = [
    ("", "it is empty; remove it to begin without values"),
    ('{"a": "1", "b": "2', "Unterminated string starting at: line 1 column 17 (char 16)"),
    ("[1]", "it is no JSON object"),
    ('{"a": null}', 'the value of "a" is no string'),
    ('{"a": 1}', 'the value of "a" is no string'),
    ('{"a": {"expire": 5}}', 'the value of "a" is no string'),
    ('{"a": "1", "a": "2"}', "a name is there twice"),
    ('{"": "1"}', 'the key "" is not of the type "string"'),
]
ZONE = "keyval_zone zone=one:64k state=one.json; keyval $arg_k $value zone=one;"


@pytest.mark.parametrize(("text", "why"), BAD_STATES)
def test_a_state_file_that_cannot_be_understood(nginx: Nginx, text: str, why: str) -> None:
    """The server does not start without the values in it, and leaves it as it is."""
    state = nginx.write("one.json", text)
    path = "%%DIR%%/one.json"
    nginx.rejects(http=ZONE, message=f'the state file "{path}" cannot be understood: {why}', line=1)
    assert state.read_text() == text


@pytest.mark.parametrize("text", ["[" * 100_000, r'{"a": "1", "\ud800": "2"}', "9" * 5000])
def test_a_state_file_that_is_beyond_json(nginx: Nginx, text: str) -> None:
    state = nginx.write("one.json", text)
    assert 'one.json" cannot be understood: ' in nginx.refused(http=ZONE)
    assert state.read_text() == text


def test_a_state_file_that_is_no_file(nginx: Nginx) -> None:
    os.mkfifo(nginx.prefix / "one.json")
    assert 'one.json" cannot be read: not a regular file' in nginx.refused(http=ZONE)


def test_a_key_of_another_type(nginx: Nginx) -> None:
    nginx.write("one.json", '{"x": "1"}')
    zone = ZONE.replace("state", "type=ip state")
    assert 'the key "x" is not of the type "ip"' in nginx.refused(http=zone)


@pytest.mark.trouble
def test_a_reload_with_a_state_file_that_cannot_be_understood(nginx: Nginx) -> None:
    """The old configuration stays, and its values."""
    state = nginx.write("one.json", '{"a": "1"}')
    nginx(LOCATIONS, http=ZONE)
    state.write_text('{"a"')
    nginx.send_signal(signal.SIGHUP)
    nginx.wait_for_log(r'\[emerg\] .*one\.json" cannot be understood: ')
    assert nginx.request("GET /get?k=a").text == "[1]"
    assert state.read_text() == '{"a"'


@pytest.mark.trouble
def test_a_state_file_with_more_than_there_is_room_for(nginx: Nginx) -> None:
    """A part of it would take its place."""
    values = {f"{n:0200}": "1" for n in range(6000)}
    state = nginx.write("one.json", json.dumps(values))
    nginx("")
    with pytest.raises(AssertionError, match=r'one\.json" has more than the zone "one" has room'):
        nginx.reload(LOCATIONS, http=ZONE)
    assert json.loads(state.read_text()) == values
    state.write_text('{"a": "1"}')
    nginx.reload(LOCATIONS, http=ZONE)
    assert nginx.request("GET /get?k=a").text == "[1]"
    assert nginx.request(f"GET /get?k={0:0200}").text == "[]"


def test_a_zone_whose_values_have_grown_is_restored(nginx: Nginx) -> None:
    """It is full when they no longer fit, as it is for new ones."""
    http = f"{ZONE} client_header_buffer_size 8k;"
    state, long = nginx.prefix / "one.json", "x" * 3000
    nginx(LOCATIONS, http=http)
    for value in ("small", long):
        for number in range(40):
            assert nginx.request(f"GET /set?k={number}&v={value}").status == 200
    nginx.wait_for_log('could not store the key "39" in keyval_zone "one"')
    nginx.stop()
    values = json.loads(state.read_text())
    assert len(values) == 40 and {*values.values()} == {"small", long}
    nginx.accepts(LOCATIONS, http=http)
    nginx(LOCATIONS, http=http)
    for number, value in values.items():
        assert nginx.request(f"GET /get?k={number}").text == f"[{value}]"


def test_a_state_file_of_a_larger_zone(nginx: Nginx) -> None:
    """What "-t" refuses is what the start refuses."""
    values = {f"{n:0200}": "1" for n in range(6000)}
    state = nginx.write("one.json", json.dumps(values))
    path = "%%DIR%%/one.json"
    message = f'the state file "{path}" has more than the zone "one" has room for'
    nginx.rejects(http=ZONE, message=message)
    nginx.accepts(http=ZONE.replace("64k", "2m"))
    assert json.loads(state.read_text()) == values


def test_a_new_state_file_is_private(nginx: Nginx) -> None:
    """It is made beside the old one, under a name that cannot be foreseen."""
    state = nginx.write("one.json", '{"a": "1"}')
    state.chmod(0o644)
    nginx(LOCATIONS, http=ZONE)
    assert nginx.request("GET /set?k=b&v=2").status == 200
    nginx.stop()
    assert json.loads(state.read_text()) == {"a": "1", "b": "2"}
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [*nginx.prefix.glob("one.json*")] == [state]


@pytest.mark.skipif(os.geteuid() != 0, reason="changes users")
def test_a_state_file_that_workers_cannot_read() -> None:
    """Root reads it with their rights only: they may have put a link in its place."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "one.json").write_text('{"a": "1"}')
        group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
        conf = folder / "nginx.conf"
        conf.write_text(f"user nobody {group}; error_log e; pid p; events {{}} http {{ {ZONE} }}")
        command = [sys.executable, "-m", "pyngx_jwt", "-t", "-p", name, "-c", str(conf)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        (folder / "one.json").chmod(0o600)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'one.json" cannot be read: Permission denied' in done.stderr


def test_what_is_in_the_way_of_a_state_file_stays(tmp_path: Path) -> None:
    """Neither the file of a link nor the rest of a process that was killed is written to."""
    path, other = tmp_path / "state", tmp_path / "other"
    other.write_text("other")
    path.symlink_to(other)
    (tmp_path / f"state.{os.getpid()}").symlink_to(other)
    replace_state(str(path), b"new")
    assert (path.read_text(), path.is_symlink(), other.read_text()) == ("new", False, "other")
    with pytest.raises(OSError):
        replace_state(str(tmp_path / "state" / "x"), b"")
    directory = tmp_path / "directory"
    directory.mkdir()
    with pytest.raises(OSError):
        replace_state(str(directory), b"")
    assert {x.name for x in tmp_path.iterdir()} == {
        *("state", "other", "directory", f"state.{os.getpid()}")
    }


def test_networks(nginx: Nginx) -> None:
    nginx.write("ip.json", '{"10.0.0.0/8": "ten", "10.1.2.3": "one", "2001:db8::/32": "six"}')
    nginx(
        LOCATIONS,
        http="keyval_zone zone=ip:64k type=ip state=ip.json; keyval $arg_k $value zone=ip;",
    )
    keys = ("10.2.3.4", "10.1.2.3", "11.0.0.1", "2001:db8::1", "x", "")
    values = [nginx.request(f"GET /get?k={key}").text for key in keys]
    assert values == ["[ten]", "[one]", "[]", "[six]", "[]", "[]"]
    assert nginx.request("GET /set?k=x&v=1").text == "[]"
    assert 'could not store the key "x" in keyval_zone "ip"' in nginx.error_log()


def test_prefixes(nginx: Nginx) -> None:
    nginx.write("p.json", '{"/a": "short", "/a/b": "long"}')
    nginx(
        LOCATIONS,
        http="keyval_zone zone=p:64k type=prefix state=p.json; keyval $arg_k $value zone=p;",
    )
    values = [nginx.request(f"GET /get?k={key}").text for key in ("/a/x", "/a/b/c", "/b")]
    assert values == ["[short]", "[long]", "[]"]


def test_values_expire(nginx: Nginx) -> None:
    nginx(LOCATIONS, http="keyval_zone zone=one:64k timeout=1s; keyval $arg_k $value zone=one;")
    assert nginx.request("GET /set?k=a&v=1").text == "[1]"
    while nginx.request("GET /get?k=a").text != "[]":
        pass


@pytest.mark.parametrize(
    ("http", "message"),
    [
        ("keyval $arg_k $v zone=no;", 'zone "no" is unknown'),
        ("keyval $arg_k v zone=no;", 'zone "no" is unknown'),
        ("keyval $arg_k $v no;", 'invalid parameter "no"'),
        ("keyval_zone zone=a:64k; keyval $arg_k v zone=a;", 'invalid variable name "v"'),
        ("keyval_zone zone=a;", 'invalid zone size "zone=a"'),
        ("keyval_zone zone=a:1;", 'zone "zone=a:1" is too small'),
        ("keyval_zone timeout=1;", '"keyval_zone" must have "zone" parameter'),
        ("keyval_zone zone=a:64k type=x;", 'invalid parameter "type=x"'),
        ("keyval_zone zone=a:64k timeout=x;", 'invalid parameter "timeout=x"'),
        (
            "keyval_zone zone=a:64k sync;",
            'the parameter "sync" of the zone "a" needs a Redis or Valkey server: add '
            '"pyngx_zone_store redis://HOST;" to the "http" block',
        ),
        ("keyval_zone zone=a:64k; keyval_zone zone=a:64k;", 'zone "a" is duplicate'),
    ],
)
def test_rejected(nginx: Nginx, http: str, message: str) -> None:
    nginx.rejects(http=http, message=message)
