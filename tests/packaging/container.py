"""Runs the image without an engine: its files in a directory, as the root of a container.

The instructions of the Dockerfile that place files are followed, and its script that lays them out
is run.  Programs, libraries and Python are those of this machine, read only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
COMPILED = tuple(ROOT.glob("*.so"))
DOCKERFILE = ROOT / "packaging/Dockerfile"
NAMESPACES = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child"]
DEADLINE = 30.0  # seconds
# Where a container has what belongs to the machine.
MACHINE = (
    *("bin", "etc/alternatives", "lib", "lib32", "lib64", "libx32", "sbin", "usr/bin", "usr/lib"),
    *("usr/lib32", "usr/lib64", "usr/libexec", "usr/local/bin", "usr/local/lib", "sys"),
)
DIRECTORIES = (
    *("dev/shm", "etc", "opt", "proc", "root", "run", "tmp", "usr/local/share", "usr/sbin"),
    *("usr/share/nginx", "var/cache", "var/log"),
)
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
nginx:x:101:101::/nonexistent:/usr/sbin/nologin
www-data:x:33:33::/var/www:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nnginx:x:101:\nwww-data:x:33:\n"
ENTER = """\
set -e
root=$1 shared=$2; shift 2
ip link set lo up
mount --make-rprivate /
mount --bind "$root" "$root"
for name in $WRITABLE; do
    mkdir -p "$shared/$name"
    chmod 1777 "$shared/$name"
    mount --bind "$shared/$name" "$root/$name"
done
while read -r path; do
    [ -e "$root$path" ] || mkdir -p "$root$path"  # below what is writable
    mount --rbind "$path" "$root$path"
    mount -o remount,bind,ro "$root$path"
done < "$root/mounts"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev/shm"
[ -z "$WRITABLE" ] || mount -o remount,bind,ro "$root" "$root"
exec chroot $CHROOT_USER "$root" "$@"
"""
GET = """\
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=30)
connection.request("GET", sys.argv[3])
response = connection.getresponse()
sys.stdout.buffer.write(b"%d %s" % (response.status, response.read()))
"""


def why_not() -> str:
    """Why no container can be run here, "" if one can."""
    if sys.platform != "linux":
        return "namespaces are Linux's"
    if os.geteuid() != 0:
        return "a container needs users, which only root can have"
    for name in ("unshare", "nsenter", "ip", "chroot", "envsubst"):
        if shutil.which(name) is None:
            return f"no {name}"
    ended = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)
    return f"namespaces are not permitted: {ended.stderr.strip()}" if ended.returncode else ""


class Instructions:
    """What the Dockerfile says of one of its targets."""

    def __init__(self, target: str) -> None:
        stages: dict[str, tuple[str, list[list[str]]]] = {}
        current: list[list[str]] = []
        for line in DOCKERFILE.read_text().replace("\\\n", " ").splitlines():
            words = line.split()
            if line.startswith("FROM"):
                current = []
                stages[words[3]] = words[1], current
            elif words and not line.startswith("#"):
                current.append(words)
        self.lines: list[list[str]] = []
        while target in stages:
            target, lines = stages[target]
            self.lines = lines + self.lines

    def of(self, name: str) -> list[list[str]]:
        return [words[1:] for words in self.lines if words[0] == name]


class Container:
    """One container; ``environ`` is what ``docker run -e`` would say."""

    def __init__(self, root: Path, target: str = "pyngx", *, read_only: bool = False) -> None:
        self.root, self.read_only = root, False  # while it is built
        self.shared = root.parent / "writable"  # where what is written is, if the root is not
        self.environ: dict[str, str] = {}
        self.writable = {"tmp", "run", "var/cache/nginx"}
        self.instructions = Instructions(target)
        self.process: subprocess.Popen[bytes] | None = None
        self.user = (self.instructions.of("USER") or [["0"]])[0][0]
        self._place_machine()
        for source, target_path in (
            words for words in self.instructions.of("COPY") if not words[0].startswith("--")
        ):
            self.copy(ROOT / source, target_path)
        (layout,) = [x for x in self.instructions.of("RUN") if "layout.sh" in " ".join(x)]
        ended = self.run(*layout, user="0")
        assert ended.returncode == 0, ended.stdout
        self.read_only = read_only

    def _place_machine(self) -> None:
        root = self.root
        for name in DIRECTORIES:
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "tmp").chmod(0o1777)
        (root / "etc/passwd").write_text(PASSWD)
        (root / "etc/group").write_text(GROUP)
        (root / "etc/resolv.conf").write_text("nameserver 127.0.0.53\nnameserver ::1\n")
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            (root / f"dev/{name}").symlink_to(f"/proc/self/fd/{number}")
        (root / "opt/pyngx").symlink_to(sys.prefix)
        python = [Path(sys.prefix), Path(sys.base_prefix), ROOT / "pyngx_jwt"]
        mounts = [str(path) for path in python if not path.is_relative_to("/usr")]
        for name in MACHINE:
            machines = Path("/") / name
            if machines.is_symlink():
                (root / name).symlink_to(os.readlink(machines))
            elif machines.is_dir():
                mounts.append(str(machines))
        for path in mounts:
            (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for name in ("/dev/null", "/dev/urandom", *map(str, COMPILED)):
            (root / name.lstrip("/")).touch()
            mounts.append(name)
        (root / "mounts").write_text("".join(f"{path}\n" for path in mounts))

    def copy(self, source: Path, name: str) -> None:
        target = self.root / name.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)

    def write(self, name: str, text: str) -> None:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def empty(self, name: str) -> None:
        """An empty directory that can be written to even if the root cannot."""
        path = self.root / name.lstrip("/")
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        self.writable.add(name.strip("/"))

    def read(self, name: str) -> str:
        name = name.lstrip("/")
        inside = any(name.startswith(f"{writable}/") for writable in self.writable)
        return ((self.shared if inside and self.read_only else self.root) / name).read_text()

    def _command(self, command: Sequence[str]) -> list[str]:
        return [*NAMESPACES, "sh", "-c", ENTER, "enter", str(self.root), str(self.shared), *command]

    def _environ(self, user: str) -> dict[str, str]:
        return {
            "PATH": "/opt/pyngx/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "WRITABLE": " ".join(sorted(self.writable)) if self.read_only else "",
            "CHROOT_USER": "" if user == "0" else f"--userspec={user}:0",
            # a compiled tree is not the one that is installed
            **({"PYTHONPATH": str(ROOT)} if COMPILED else {}),
            **self.environ,
        }

    def run(self, *command: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """Runs one command to its end, without the entrypoint."""
        return subprocess.run(
            self._command(command),
            env=self._environ(user or self.user),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
        )

    def start(self, *command: str) -> None:
        """Runs the entrypoint with the command of the image, or another one."""
        entrypoint = json.loads(" ".join(self.instructions.of("ENTRYPOINT")[0]))
        default = json.loads(" ".join(self.instructions.of("CMD")[0]))
        with (
            (self.root.parent / "out").open("a") as out,
            (self.root.parent / "err").open("a") as err,
        ):
            for file in (out, err):  # an engine gives them to the user
                os.fchown(file.fileno(), int(self.user), 0)
            self.process = subprocess.Popen(
                self._command([*entrypoint, *(command or default)]),
                env=self._environ(self.user),
                stdout=out,
                stderr=err,
            )

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What ``docker exec`` does."""
        enter = ["nsenter", f"--target={self.pid()}", "--mount", "--net", "--pid", "--root"]
        return subprocess.run(
            [*enter, *command],
            env=self._environ(self.user),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
        )

    def output(self, name: str = "out") -> str:
        return (self.root.parent / name).read_text()

    def pid(self) -> int:
        """Of the process that is 1 inside."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def get(self, uri: str, port: int = 80, host: str = "127.0.0.1") -> str:
        """Status and body, once the server is there."""
        until = time.monotonic() + DEADLINE
        while True:
            assert self.process
            assert self.process.poll() is None, self.output() + self.output("err")
            said = ""
            try:
                network = f"--net=/proc/{self.pid()}/ns/net"
                command = ["nsenter", network, sys.executable, "-c", GET, host, str(port), uri]
                ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
                if ended.returncode == 0:
                    return ended.stdout
                said = ended.stderr
            except (IndexError, FileNotFoundError):
                pass
            assert time.monotonic() < until, said + self.output("err")
            time.sleep(0.05)

    def wait(self) -> int:
        assert self.process
        return self.process.wait(DEADLINE)

    def stop(self) -> None:
        """With process 1 all end; --kill-child does not reach one that has changed its user."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(IndexError, FileNotFoundError, ProcessLookupError):
                os.kill(self.pid(), signal.SIGKILL)
            self.process.kill()
            self.process.wait(DEADLINE)
