"""The image: its files, run as those of a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from .conftest import Make
from .container import Container, Instructions

GREETING = "<h1>pyngx is running</h1>"
SAYS = "server {{ listen 80; location = /says {{ return 200 '{0}'; }} }}"
TUNE = "/docker-entrypoint.d/30-tune-worker-processes.sh"


def test_it_is_run_as_nginx_is(make: Make) -> None:
    container = make()
    container.start()
    assert GREETING in container.get("/")
    assert GREETING in container.get("/", host="::1")
    title = Path(f"/proc/{container.pid()}/cmdline").read_bytes().rstrip(b"\0").decode()
    assert title == "nginx: master process /usr/sbin/nginx -g daemon off;"
    workers = Path(f"/proc/{container.pid()}/task/{container.pid()}/children").read_text().split()
    assert "Uid:\t101\t" in Path(f"/proc/{workers[0]}/status").read_text()
    assert '"GET / HTTP/1.1" 200' in container.output()
    assert "start worker process" in container.output("err")
    tested = container.execute("nginx", "-t")
    assert (tested.returncode, "test is successful" in tested.stdout) == (0, True)
    container.write("/etc/nginx/conf.d/default.conf", SAYS.format("new"))
    assert container.execute("nginx", "-s", "reload").returncode == 0
    while "404" in container.get("/says"):
        pass
    assert container.get("/says") == "200 new"
    (stop,) = Instructions("pyngx").of("STOPSIGNAL")
    os.kill(container.pid(), signal.Signals[stop[0]])
    assert container.wait() == 0


def test_unprivileged(make: Make) -> None:
    container = make("unprivileged")
    container.start()
    assert GREETING in container.get("/", 8080)
    assert "Uid:\t101\t101" in Path(f"/proc/{container.pid()}/status").read_text()
    assert container.execute("cat", "/tmp/nginx.pid").stdout == "1\n"
    assert '"GET / HTTP/1.1" 200' in container.output()
    os.kill(container.pid(), signal.SIGQUIT)
    assert container.wait() == 0


@pytest.mark.parametrize(("target", "port"), [("pyngx", 80), ("unprivileged", 8080)])
def test_read_only_root(make: Make, target: str, port: int) -> None:
    container = make(target, read_only=True)
    container.environ["NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE"] = "1"
    container.write("/etc/nginx/templates/x.conf.template", "")
    container.start()
    assert GREETING in container.get("/", port)
    assert "default.conf cannot be changed" in container.output()
    assert "/etc/nginx/conf.d is not writable" in container.output()
    assert "nginx.conf cannot be changed" in container.output("err")


def test_templates(make: Make) -> None:
    container = make()
    container.environ |= {"GREETING": "hello", "OTHER": "other"}
    text = SAYS.format("${GREETING} $OTHER $host")
    container.write("/etc/nginx/templates/default.conf.template", text)
    container.write("/etc/nginx/templates/a/b.conf.template", "$NONE ${GREETING}")
    container.write("/etc/nginx/templates/c.conf", "$GREETING")
    container.start()
    assert container.get("/says") == "200 hello other 127.0.0.1"
    assert container.read("/etc/nginx/conf.d/a/b.conf") == "$NONE hello"
    assert not (container.root / "etc/nginx/conf.d/c.conf").exists()


def test_variables_of_templates(make: Make) -> None:
    container = make()
    container.environ |= {
        "NGINX_ENVSUBST_TEMPLATE_DIR": "/srv/in",
        "NGINX_ENVSUBST_TEMPLATE_SUFFIX": ".tpl",
        "NGINX_ENVSUBST_OUTPUT_DIR": "/srv/out",
        "NGINX_ENVSUBST_FILTER": "^MY_",
        "MY_PORT": "80",
        "host": "not this one",
    }
    container.write("/srv/in/a.conf.tpl", "${MY_PORT} $host")
    container.write("/srv/out/.keep", "")
    said = container.run("/docker-entrypoint.d/20-envsubst-on-templates.sh").stdout
    assert said.endswith("writing /srv/out/a.conf from /srv/in/a.conf.tpl\n")
    assert container.read("/srv/out/a.conf") == "80 $host"


def test_templates_of_streams(make: Make) -> None:
    container = make()
    container.environ["BACKEND"] = "db:5432"
    container.write(
        "/etc/nginx/templates/db.conf.stream-template", "server { proxy_pass $BACKEND; }"
    )
    for expected in (
        "nginx.conf includes /etc/nginx/stream-conf.d/*.conf",
        "nginx.conf has a stream block, which must include /etc/nginx/stream-conf.d/*.conf",
    ):
        said = container.run("/docker-entrypoint.d/20-envsubst-on-templates.sh").stdout
        assert expected in said
    assert container.read("/etc/nginx/stream-conf.d/db.conf") == "server { proxy_pass db:5432; }"
    block = "stream {\n    include /etc/nginx/stream-conf.d/*.conf;\n}\n"
    assert container.read("/etc/nginx/nginx.conf").count(block) == 1


def test_own_scripts(make: Make) -> None:
    container = make()
    scripts = {
        "5-first.envsh": "FIRST=1; export FIRST",
        "40-second.sh": '#!/bin/sh\necho "second after $FIRST"',
        "50-not.sh": "#!/bin/sh\necho never",
        "60-readme.txt": "",
    }
    for name, text in scripts.items():
        container.write(f"/docker-entrypoint.d/{name}", text)
        mode = 0o644 if "not" in name else 0o755
        (container.root / "docker-entrypoint.d" / name).chmod(mode)
    container.start("nginx", "-t")
    assert container.wait() == 0
    said = container.output()
    assert said.index("5-first.envsh") < said.index("10-listen") < said.index("second after 1")
    assert "ignoring /docker-entrypoint.d/50-not.sh, it is not executable" in said
    assert "ignoring /docker-entrypoint.d/60-readme.txt" in said
    assert "never" not in said


def test_a_script_that_fails_ends_the_start(make: Make) -> None:
    container = make()
    container.write("/docker-entrypoint.d/40-x.sh", "#!/bin/sh\nexit 3\n")
    (container.root / "docker-entrypoint.d/40-x.sh").chmod(0o755)
    container.start()
    assert container.wait() == 3


def test_other_commands_are_run_as_they_are(make: Make) -> None:
    container = make()
    container.start("sh", "-c", "echo only this")
    assert container.wait() == 0
    assert container.output() == "only this\n"


def test_quiet(make: Make) -> None:
    container = make()
    container.environ["NGINX_ENTRYPOINT_QUIET_LOGS"] = "1"
    container.start("nginx", "-t", "-q")
    assert container.wait() == 0
    assert container.output() == container.output("err") == ""


def test_resolvers(make: Make) -> None:
    container = make()
    container.environ["NGINX_ENTRYPOINT_LOCAL_RESOLVERS"] = "yes"
    container.write("/etc/nginx/templates/r.template", "resolver ${NGINX_LOCAL_RESOLVERS};")
    container.start("nginx", "-t")
    assert container.wait() == 0
    assert container.read("/etc/nginx/conf.d/r") == "resolver 127.0.0.53 [::1];"


def tuned(container: Container, files: dict[str, str], own: str) -> str:
    """The line of nginx.conf where the groups of processes have these files."""
    for name, text in files.items():
        container.write(f"/groups/{name}", text)
    container.write("/own", own)
    text = container.read(TUNE).replace("/sys/fs/cgroup", "/groups")
    container.write(TUNE, text.replace("/proc/self/cgroup", "/own").replace("nproc", "echo 8"))
    container.environ["NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE"] = "1"
    ended = container.run(TUNE)
    assert ended.stdout == ""
    lines = container.read("/etc/nginx/nginx.conf").splitlines()
    return next(line for line in lines if line.startswith("worker_processes"))


@pytest.mark.parametrize(
    ("files", "own", "workers"),
    [
        ({}, "0::/\n", 8),
        ({"cpu.max": "max 100000\n"}, "0::/\n", 8),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
        ({"cpu.max": "1000 100000\n"}, "0::/\n", 1),
        ({"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, "0::/a/b\n", 3),
        ({"cpu.max": "400000 100000\n"}, "0::/docker/1234\n", 4),  # the path is the host's
        (
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            "4:memory:/\n3:cpu,cpuacct:/\n0::/\n",
            3,
        ),
        (
            {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            "1:cpu:/a\n",
            8,
        ),
    ],
)
def test_tuned_workers(make: Make, files: dict[str, str], own: str, workers: int) -> None:
    assert tuned(make(), files, own) == f"worker_processes {workers};"


def debian(container: Container, tmp_path: Path) -> None:
    """Replaces the configuration by that of Debian's package, or skips the test."""
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get")
    folder = tmp_path / "debian"
    folder.mkdir()
    command = ["apt-get", "download", "-qq", "nginx-common"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    packages = list(folder.glob("*.deb"))
    if not packages:
        pytest.skip(f"nginx-common cannot be downloaded: {ended.stderr.strip()}")
    subprocess.run(["dpkg", "-x", str(packages[0]), str(folder / "files")], check=True)
    shutil.rmtree(container.root / "etc/nginx")
    shutil.copytree(folder / "files/etc/nginx", container.root / "etc/nginx", symlinks=True)
    enabled = container.root / "etc/nginx/sites-enabled/default"
    enabled.parent.mkdir(exist_ok=True)
    enabled.symlink_to("/etc/nginx/sites-available/default")  # as its installation does
    (container.root / "etc/nginx/modules-enabled").mkdir(exist_ok=True)
    container.write("/var/www/html/index.html", "of Debian")


def test_configuration_of_debian(make: Make, tmp_path: Path) -> None:
    container = make()
    debian(container, tmp_path)
    container.start()
    assert container.get("/") == "200 of Debian"
    assert container.get("/", host="::1") == "200 of Debian"
    assert container.get("/none").startswith("404 ")
    tested = container.execute("nginx", "-t")
    assert tested.returncode == 0, tested.stdout


def test_files_that_configurations_include(make: Make) -> None:
    container = make()
    container.write(
        "/etc/nginx/conf.d/default.conf",
        """
        fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
        server {
            listen 80;
            location /fastcgi/ { include fastcgi_params; fastcgi_pass 127.0.0.1:1; }
            location /php/ { include fastcgi.conf; fastcgi_pass 127.0.0.1:1; }
            location /uwsgi/ { include uwsgi_params; uwsgi_pass 127.0.0.1:1; }
            location /scgi/ { include scgi_params; scgi_pass 127.0.0.1:1; }
            location /proxy/ { include proxy_params; proxy_pass http://127.0.0.1:1; }
        }
        """,
    )
    container.start("nginx", "-t")
    assert container.wait() == 0, container.output("err")
