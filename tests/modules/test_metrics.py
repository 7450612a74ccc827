"""pyngx_metrics and status_zone: what all workers count, as Prometheus reads it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from ..nginx import Nginx
from ..redis_server import redis_server
from ..wire import DEADLINE
from .tokens import FILES, KEYS, OTHER, Issuer, bearer

pytestmark = pytest.mark.pyngx_only("directives of NGINX Plus, and of our own")
METRICS = "location = /metrics { pyngx_metrics; }"
WORKERS = "master_process on; worker_processes 3;"
Samples = dict[str, float]


def scrape(nginx: Nginx, uri: str = "/metrics") -> Samples:
    """The samples by name and labels, as {name a="b"}."""
    answer = nginx.request(f"GET {uri}")
    assert answer.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    found: Samples = {}
    names = set(re.findall(r"^(\w+)", answer.text, re.M))
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = " ".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            # The parser gives all counters the name that OpenMetrics wants.
            name = sample.name if sample.name in names else sample.name.removesuffix("_total")
            key = f"{name} {labels}".strip()
            assert key not in found
            found[key] = sample.value
    return found


def wait_for(nginx: Nginx, fits: Callable[[Samples], bool]) -> Samples:
    """Scrapes until other workers have reported."""
    deadline = time.monotonic() + DEADLINE
    while not fits(found := scrape(nginx)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_the_names_of_the_exporter_for_nginx(nginx: Nginx) -> None:
    nginx(METRICS)
    nginx.request("GET /")
    found = scrape(nginx)
    assert found["nginx_up"] == 1
    assert found["nginx_connections_active"] == 1
    assert found["nginx_connections_writing"] == 1
    assert found["nginx_connections_reading"] == found["nginx_connections_waiting"] == 0
    assert found["nginx_connections_accepted"] == found["nginx_connections_handled"] >= 2
    before = found["nginx_http_requests_total"]
    assert scrape(nginx)["nginx_http_requests_total"] == before + 1


def test_requests_of_zones(nginx: Nginx) -> None:
    nginx(
        f"""
        status_zone site;
        location /ok {{ status_zone pages; return 200 12345; location /ok/off {{
            status_zone off; return 200 1; }} location /ok/in {{ return 404; }} }}
        location /cut {{ return 444; }}
        {METRICS}
        """,
    )
    for uri, status in (("/ok", 200), ("/ok/off", 200), ("/ok/in", 404), ("/none", 404)):
        assert nginx.request(f"GET {uri}").status == status
    assert nginx.raw(b"GET /cut HTTP/1.0\r\n\r\n") == b""
    found = scrape(nginx)
    assert found['nginxplus_server_zone_requests server_zone="site"'] == 6  # with the scrape
    assert found['nginxplus_server_zone_processing server_zone="site"'] == 1
    assert found['nginxplus_server_zone_discarded server_zone="site"'] == 1
    assert found['nginxplus_server_zone_responses code="2xx" server_zone="site"'] == 2
    assert found['nginxplus_server_zone_responses_codes code="404" server_zone="site"'] == 2
    assert found['nginxplus_server_zone_received server_zone="site"'] > 5 * 20
    assert found['nginxplus_location_zone_requests location_zone="pages"'] == 2
    assert found['nginxplus_location_zone_responses code="4xx" location_zone="pages"'] == 1
    assert found['nginxplus_location_zone_responses code="2xx" location_zone="pages"'] == 1
    assert found['nginx_vts_server_requests_total code="2xx" host="_"'] == 2
    assert found['nginx_vts_server_request_duration_seconds_bucket host="_" le="+Inf"'] == 5
    assert found['nginx_vts_server_request_duration_seconds_count host="_"'] == 5


def test_any_worker_reports_all(nginx: Nginx) -> None:
    nginx(f"status_zone site; location / {{ return 200 ok; }} {METRICS}", main=WORKERS)
    pids = {nginx.request("GET /").status for _ in range(3)}
    for _ in range(57):
        pids.add(nginx.request("GET /").status)
    assert pids == {200}
    name = 'nginxplus_server_zone_responses code="2xx" server_zone="site"'
    memory = "pyngx_worker_resident_memory_bytes"

    def workers(found: Samples) -> list[float]:
        return [value for key, value in found.items() if key.startswith(memory)]

    found = wait_for(nginx, lambda found: found[name] >= 60 and len(workers(found)) == 3)
    assert all(size > 1e6 for size in workers(found))


def test_counts_survive_a_reload_and_the_end_of_a_worker(nginx: Nginx) -> None:
    inside = f"status_zone site; location / {{ return 200 ok; }} {METRICS}"
    nginx(inside, main=WORKERS)
    for _ in range(10):
        nginx.request("GET /")
    name = 'nginxplus_server_zone_responses_codes code="200" server_zone="site"'
    before = wait_for(nginx, lambda found: found.get(name, 0) >= 10)
    assert before["pyngx_config_last_reload_successful"] == 1
    assert before['pyngx_config_reloads_total result="success"'] == 0
    nginx.reload(inside + " location /more { return 204; }", main=WORKERS)
    after = wait_for(nginx, lambda found: found['pyngx_config_reloads_total result="success"'] == 1)
    assert after[name] >= before[name]
    assert after["pyngx_config_hash"] != before["pyngx_config_hash"]
    victim = next(key for key in after if key.startswith("pyngx_worker_start_time_seconds"))
    os.kill(int(re.findall(r'pid="(\d+)"', victim)[0]), signal.SIGKILL)
    nginx.trouble_is_expected = True
    ended = wait_for(nginx, lambda found: found["pyngx_worker_restarts_total"] == 1)
    assert ended[name] >= after[name]


def test_a_configuration_that_is_wrong(nginx: Nginx) -> None:
    nginx(METRICS, main=WORKERS)
    good = scrape(nginx)
    nginx.write("nginx.conf", "nonsense;")
    nginx.trouble_is_expected = True
    nginx.send_signal(signal.SIGHUP)
    bad = wait_for(nginx, lambda found: found["pyngx_config_last_reload_successful"] == 0)
    assert bad['pyngx_config_reloads_total result="failure"'] == 1
    assert bad["pyngx_config_hash"] == good["pyngx_config_hash"]
    name = "pyngx_config_last_reload_successful_timestamp_seconds"
    assert bad[name] == good[name] <= bad["pyngx_config_last_reload_timestamp_seconds"]


def test_servers_of_groups(nginx: Nginx) -> None:
    nginx(
        f"""
        location / {{ proxy_pass http://backend; }}
        location /alone {{ proxy_pass http://127.0.0.1:%%PORT_up%%; }}
        location /made {{ proxy_pass http://$arg_host; }}
        {METRICS}
        """,
        http="""
            upstream backend {
                zone backend 64k;
                server 127.0.0.1:%%PORT_up%%;
                server 127.0.0.1:%%PORT_none%% backup max_conns=7;
            }
            """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 201 hello;"],
    )
    assert nginx.request("GET /").status == 201
    assert nginx.request("GET /alone").status == 201
    assert nginx.request("GET /made?host=127.0.0.1:%%PORT_up%%").status == 201
    found = scrape(nginx)
    up = nginx.filled('server="127.0.0.1:%%PORT_up%%" upstream="backend"')
    none = nginx.filled('server="127.0.0.1:%%PORT_none%%" upstream="backend"')
    assert found[f"nginxplus_upstream_server_requests {up}"] == 1
    assert found[f'nginxplus_upstream_server_responses code="2xx" {up}'] == 1
    assert found[f'nginxplus_upstream_server_responses_codes code="201" {up}'] == 1
    assert found[f"nginxplus_upstream_server_state {up}"] == 1
    assert found[f"nginxplus_upstream_server_limit {none}"] == 7
    assert found[f"nginxplus_upstream_server_received {up}"] > 20
    backend = nginx.filled('backend="127.0.0.1:%%PORT_up%%"')
    times = "nginx_vts_upstream_request_duration_seconds_count"
    assert found[f'{times} {backend} upstream="backend"'] == 1
    # What a client has named is not a label, though its address may be one already.
    assert found[f'{times} {backend} upstream="::nogroups"'] == 2
    assert not any("made" in key for key in found)


def test_clients_cannot_make_labels(nginx: Nginx) -> None:
    nginx(
        f"location / {{ proxy_pass http://$arg_host; }} {METRICS}",
        servers=["listen 127.0.0.1:%%PORT_up%%; return 201 hello;"],
    )
    before = len(scrape(nginx))
    for host in ("one", "two", "three"):
        line = f"GET /?host=127.0.0.1:%%PORT_up%%/{host}"
        assert nginx.request(line, f"Host: {host}.example").status == 201
    after = scrape(nginx)
    made = re.compile(f"one|two|three|{nginx.port('up')}")
    assert not any(made.search(key) for key in after)
    assert len(after) == before


def test_failures_of_servers(nginx: Nginx) -> None:
    nginx(
        f"location / {{ proxy_pass http://backend; }} {METRICS}",
        http="""
            upstream backend {
                zone backend 64k;
                server 127.0.0.1:%%PORT_none%% fail_timeout=1h;
                server 127.0.0.1:%%PORT_other%% fail_timeout=1h;
            }
            """,
    )
    assert nginx.request("GET /").status == 502
    found = scrape(nginx)
    none = nginx.filled('server="127.0.0.1:%%PORT_none%%" upstream="backend"')
    assert found[f"nginxplus_upstream_server_fails {none}"] == 1
    assert found[f"nginxplus_upstream_server_unavail {none}"] == 1
    assert found[f"nginxplus_upstream_server_state {none}"] == 4


def test_health_checks(nginx: Nginx) -> None:
    nginx(
        f"location / {{ proxy_pass http://backend; health_check interval=50ms; }} {METRICS}",
        http="""
            upstream backend {
                zone backend 64k;
                server 127.0.0.1:%%PORT_up%%;
                server 127.0.0.1:%%PORT_none%%;
            }
            """,
        servers=["listen 127.0.0.1:%%PORT_up%%; return 200 hello;"],
    )
    up = nginx.filled('server="127.0.0.1:%%PORT_up%%" upstream="backend"')
    none = nginx.filled('server="127.0.0.1:%%PORT_none%%" upstream="backend"')
    prefix = "nginxplus_upstream_server"
    found = wait_for(nginx, lambda found: found[f"{prefix}_state {none}"] == 6)
    assert found[f"nginxplus_upstream_server_health_checks_checks {up}"] >= 1
    assert found[f"nginxplus_upstream_server_health_checks_fails {up}"] == 0
    assert found[f"{prefix}_health_checks_fails {none}"] >= 1
    assert found[f"nginxplus_upstream_server_health_checks_unhealthy {none}"] == 1
    assert found[f"{prefix}_requests {up}"] == 0  # checks are not requests of clients


def test_caches(nginx: Nginx) -> None:
    nginx(
        f"""
        location / {{
            proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_cache one; proxy_cache_valid 1m;
        }}
        location /sub {{ auth_request /auth; root html; }}
        location = /auth {{
            proxy_pass http://127.0.0.1:%%PORT_up%%; proxy_cache one; proxy_cache_valid 1m;
        }}
        {METRICS}
        """,
        http="proxy_cache_path %%DIR%%/cache keys_zone=one:1m max_size=10m;",
        servers=["listen 127.0.0.1:%%PORT_up%%; return 200 0123456789;"],
        files={"html/sub": "content"},
    )
    for uri in ("/a", "/a", "/a", "/sub", "/sub"):
        assert nginx.request(f"GET {uri}").status == 200
    found = scrape(nginx)
    assert found['nginxplus_cache_hit_responses zone="one"'] == 3
    assert found['nginxplus_cache_miss_responses zone="one"'] == 2
    assert found['nginxplus_cache_hit_bytes zone="one"'] >= 20
    assert found['nginxplus_cache_size zone="one"'] > 0
    assert found['nginxplus_cache_max_size zone="one"'] == 10 << 20
    assert found['nginx_vts_cache_requests_total cache_zone="one" status="hit"'] == 3


def test_limits(nginx: Nginx) -> None:
    nginx(
        f"""
        location /req {{ limit_req zone=req; return 200 never; }}
        location /a {{ limit_req zone=req; root html; }}
        location /conn {{ limit_conn conn 1; root html; }}
        {METRICS}
        """,
        http="""
            limit_req_zone all zone=req:64k rate=1r/m;
            limit_conn_zone all zone=conn:64k;
            """,
        files={"html/a": "a", "html/conn": "b"},
    )
    assert [nginx.request("GET /a").status for _ in range(3)] == [200, 503, 503]
    assert nginx.request("GET /conn").status == 200
    found = scrape(nginx)
    assert found['nginxplus_limit_request_passed zone="req"'] == 1
    assert found['nginxplus_limit_request_rejected zone="req"'] == 2
    assert found['nginxplus_limit_connection_passed zone="conn"'] == 1


@pytest.mark.needs("auth-jwt")
def test_tokens(nginx: Nginx) -> None:
    nginx(
        f"location / {{ auth_jwt A; {KEYS} root html; }} {METRICS}",
        http="pyngx_jwt_dialect plus;",
        files={**FILES, "html/a": "a"},
    )
    good = bearer()
    for line in (good, good, good, bearer(exp=5), bearer(OTHER), "A: b"):
        nginx.request("GET /a", line)
    found = scrape(nginx)
    name = 'pyngx_jwt_verifications_total dialect="plus" outcome="{}" reason="{}"'
    assert found[name.format("accepted", "")] == 3
    for reason in ("expired", "unknown_kid", "missing"):
        assert found[name.format("refused", reason)] == 1
    assert found["pyngx_jwt_cache_hits_total"] == 1  # what is seen twice is remembered
    source = nginx.filled('source="%%DIR%%/jwks.json"')
    assert found[f"pyngx_jwks_keys {source}"] == 1
    assert 0 <= found[f"pyngx_jwks_age_seconds {source}"] < 60


@pytest.mark.needs("auth-jwt")
def test_the_age_of_a_file_that_does_not_change(nginx: Nginx) -> None:
    """It is the time since the file was last looked at, without any request with a token."""
    nginx(
        f"location / {{ auth_jwt A; {KEYS} }} {METRICS}",
        http="pyngx_jwt_dialect plus;",
        files=FILES,
    )
    name = nginx.filled('pyngx_jwks_age_seconds source="%%DIR%%/jwks.json"')
    ages, deadline = [scrape(nginx)[name]], time.monotonic() + DEADLINE
    while ages[-1] >= max(ages[:-1], default=0):  # it only ever grows otherwise
        assert time.monotonic() < deadline, ages
        time.sleep(0.05)
        ages.append(scrape(nginx)[name])


@pytest.mark.needs("auth-jwt")
def test_keys_that_are_fetched(nginx: Nginx) -> None:
    issuer = Issuer()
    nginx.backend("issuer", issuer)
    nginx(
        f"""
        location / {{ auth_jwt A; auth_jwt_key_request /keys; auth_jwt_key_cache 1h; root html; }}
        location = /keys {{ internal; proxy_pass http://127.0.0.1:%%PORT_issuer%%; }}
        {METRICS}
        """,
        http="pyngx_jwt_dialect plus;",
        files={"html/a": "a"},
    )
    assert nginx.request("GET /a", bearer()).status == 200
    issuer.status = "503 Service Unavailable"
    assert nginx.request("GET /a", bearer(OTHER)).status == 401  # keys are fetched again
    found = scrape(nginx)
    assert found['pyngx_jwks_fetches_total result="success" source="/keys"'] == 1
    assert found['pyngx_jwks_fetches_total result="failure" source="/keys"'] == 1
    assert found['pyngx_jwks_keys source="/keys"'] == 1


def test_openmetrics(nginx: Nginx) -> None:
    nginx(f"status_zone site; {METRICS}")
    nginx.request("GET /none")
    answer = nginx.request("GET /metrics", "Accept: application/openmetrics-text;version=1.0.0")
    assert str(answer.get("Content-Type")).startswith("application/openmetrics-text;")
    read: Callable[[str], Iterator[Metric]] = openmetrics.text_string_to_metric_families
    names = {family.name for family in read(answer.text)}
    assert "nginx_vts_server_request_seconds" in names  # the sum, as averages cannot be named
    assert {"nginx_http_requests", "nginxplus_server_zone_requests", "pyngx_info"} <= names


def test_vocabularies(nginx: Nginx) -> None:
    nginx(
        """
        location = /metrics { pyngx_metrics; }
        location = /nginx { pyngx_metrics nginx; }
        location = /two { pyngx_metrics vts pyngx; }
        """
    )
    prefixes = re.compile("nginx_vts|nginxplus|pyngx|nginx")

    def found(uri: str) -> set[str]:
        return {match[0] for key in scrape(nginx, uri) if (match := prefixes.match(key))}

    assert found("/metrics") == {"nginx", "nginxplus", "nginx_vts", "pyngx"}
    assert found("/nginx") == {"nginx"}
    assert found("/two") == {"nginx_vts", "pyngx"}
    assert nginx.request("POST /nginx").status == 405


def test_tls(nginx: Nginx) -> None:
    nginx(METRICS, listen="127.0.0.1:%%PORT%%")
    found = scrape(nginx)
    assert found["nginxplus_ssl_handshakes"] == found["nginxplus_ssl_handshakes_failed"] == 0


def test_rejected(nginx: Nginx) -> None:
    nginx.rejects("pyngx_metrics all;", 'invalid parameter "all"')
    nginx.rejects('status_zone "";', 'invalid zone name ""')
    nginx.rejects("status_zone a; status_zone b;", '"status_zone" directive is duplicate')


def test_the_store_of_zones(nginx: Nginx, tmp_path: Path) -> None:
    def is_up(found: Samples) -> bool:
        states = [value for name, value in found.items() if name.startswith(f"{store}_up ")]
        return states == [1]

    def is_down(found: Samples) -> bool:
        return not is_up(found) and found[f"{store}_failures_total"] > 0

    store = "pyngx_zone_store"
    locations = """
        location /one { limit_req zone=one burst=9 nodelay; empty_gif; }
        location /two { limit_conn two 2; empty_gif; }"""
    with redis_server(tmp_path / "redis") as server:
        http = f"""
            pyngx_zone_store {server.url} timeout=2s;
            limit_req_zone $uri zone=one:1m rate=1r/m sync;
            limit_conn_zone $uri zone=two:1m sync fallback=deny;"""
        nginx(METRICS + locations, http=http)
        before = wait_for(nginx, is_up)
        assert before[f"{store}_connections_total"] == 1
        for _ in range(5):
            assert nginx.request("GET /one").status == 200
            assert nginx.request("GET /two").status == 200
        found = scrape(nginx)
        exchanges = found[f"{store}_exchanges_total"]
        assert exchanges >= before[f"{store}_exchanges_total"] + 10
        assert found[f"{store}_steps_total"] >= exchanges
        assert found[f"{store}_exchange_seconds_count"] == exchanges
        assert found[f'{store}_exchange_seconds_bucket le="+Inf"'] == exchanges
        assert 0 < found[f"{store}_exchange_seconds_sum"] < 60
        assert not any(name.startswith(f"{store}_fallbacks_total") for name in found)
    wait_for(nginx, is_down)
    assert nginx.request("GET /one").status == 200
    assert nginx.request("GET /two").status == 503
    found = scrape(nginx)
    assert found[f'{store}_fallbacks_total fallback="local" zone="one"'] == 1
    assert found[f'{store}_fallbacks_total fallback="deny" zone="two"'] == 1


def test_without_shared_zones_there_is_no_store(nginx: Nginx) -> None:
    nginx(METRICS)
    assert not any(name.startswith("pyngx_zone_store") for name in scrape(nginx))
