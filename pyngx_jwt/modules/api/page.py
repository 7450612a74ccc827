"""The page of pyngx_dashboard: it asks the API, and needs nothing from anywhere else."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #cf222e; --warn: #9a6700 }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem }
body { padding: 0 1rem; box-sizing: border-box }
h1 { font-size: 1.3rem; margin: 0 } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap }
#state { color: var(--bad) } #about { opacity: .7 }
#tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .6rem }
#tiles div { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .7rem }
#tiles b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere }
th { font-weight: 600; opacity: .75 }
.up { color: var(--good) } .unavail, .unhealthy, .down { color: var(--bad) }
.checking, .draining { color: var(--warn) }
"""

SCRIPT = """
"use strict";
const api = document.body.dataset.api, every = 2000;
let before = null;

const number = value => Number(value ?? 0).toLocaleString("en");
const octets = value => {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  for (value = Number(value ?? 0); value >= 1024 && at < 4; at++) value /= 1024;
  return (at ? value.toFixed(1) : value) + " " + units[at];
};
const rate = (now, name) => before && now.at > before.at
  ? Math.max(0, 1000 * (now.count[name] - (before.count[name] ?? 0)) / (now.at - before.at)) : 0;
const cell = (kind, text, look) => {
  const made = document.createElement(kind);
  made.textContent = text;
  if (look) made.className = look;
  return made;
};

function tiles(pairs) {
  document.getElementById("tiles").replaceChildren(...pairs.map(([name, value]) => {
    const made = cell("div", name);
    made.prepend(cell("b", value));
    return made;
  }));
}

function table(id, head, rows) {
  const section = document.getElementById(id);
  section.hidden = !rows.length;
  const made = document.createElement("table"), top = made.insertRow();
  top.append(...head.map(text => cell("th", text)));
  for (const row of rows) {
    made.insertRow().append(...row.map(value =>
      Array.isArray(value) ? cell("td", value[0], value[1]) : cell("td", value)));
  }
  section.querySelector("table").replaceWith(made);
}

const classes = one => ["1xx", "2xx", "3xx", "4xx", "5xx"].map(name => number(one.responses[name]));
const get = async path => {
  const answer = await fetch(api + "9/" + path, {cache: "no-store"});
  if (!answer.ok) throw new Error(path + ": " + answer.status);
  return answer.json();
};

const checks = one => [one.fails + " / " + one.checks,
  one.last_passed === undefined ? "" : one.last_passed ? "up" : "unhealthy"];
const sessions = one => ["2xx", "4xx", "5xx"].map(name => number(one.sessions[name]));

async function look() {
  const paths = ["nginx", "connections", "http/requests", "http/server_zones",
    "http/location_zones", "http/upstreams", "http/caches", "workers/", "ssl", ""];
  const [nginx, clients, requests, servers, locations, groups, caches, workers, tls, top] =
    await Promise.all(paths.map(get));
  const streams = top.includes("stream") ? await Promise.all(
    ["server_zones", "upstreams", "zone_sync"].map(name => get("stream/" + name))) : [{}, {}, {}];
  const now = {at: Date.now(), count: {all: requests.total}};
  for (const [name, one] of Object.entries(streams[0])) now.count["t " + name] = one.connections;
  for (const [name, one] of Object.entries(servers)) now.count["s " + name] = one.requests;
  document.getElementById("about").textContent =
    "nginx " + nginx.version + ", " + nginx.build + ", loaded " + nginx.load_timestamp;
  tiles([
    ["requests/s", rate(now, "all").toFixed(1)], ["requests", number(requests.total)],
    ["current", number(requests.current)], ["connections", number(clients.active + clients.idle)],
    ["accepted", number(clients.accepted)], ["TLS handshakes", number(tls.handshakes)],
    ["TLS failures", number(tls.handshakes_failed)],
  ]);
  table("servers", ["server zone", "req/s", "requests", "1xx", "2xx", "3xx", "4xx", "5xx",
    "received", "sent"], Object.entries(servers).map(([name, one]) => [name,
    rate(now, "s " + name).toFixed(1), number(one.requests), ...classes(one),
    octets(one.received), octets(one.sent)]));
  table("locations", ["location zone", "requests", "1xx", "2xx", "3xx", "4xx", "5xx", "received",
    "sent"], Object.entries(locations).map(([name, one]) => [name, number(one.requests),
    ...classes(one), octets(one.received), octets(one.sent)]));
  table("groups", ["server", "state", "active", "requests", "1xx", "2xx", "3xx", "4xx", "5xx",
    "fails", "TLS fails", "checks fail", "response"],
    Object.entries(groups).flatMap(([name, group]) => group.peers.map(one => [
    name + " / " + one.server + (one.backup ? " (backup)" : ""), [one.state, one.state],
    number(one.active), number(one.requests), ...classes(one), number(one.fails),
    number(one.ssl.handshakes_failed), checks(one.health_checks), one.response_time + " ms"])));
  table("queues", ["group", "idle connections", "waiting", "of", "refused", "removed in use"],
    Object.entries(groups).map(([name, one]) => [name, number(one.keepalive),
    number(one.queue?.size), number(one.queue?.max_size), number(one.queue?.overflows),
    number(one.zombies)]));
  table("streams", ["server zone of stream", "conn/s", "connections", "current", "2xx", "4xx",
    "5xx", "received", "sent"], Object.entries(streams[0]).map(([name, one]) => [name,
    rate(now, "t " + name).toFixed(1), number(one.connections), number(one.processing),
    ...sessions(one), octets(one.received), octets(one.sent)]));
  table("streamgroups", ["server of stream", "state", "active", "connections", "fails",
    "received", "sent", "connect"], Object.entries(streams[1]).flatMap(([name, group]) =>
    group.peers.map(one => [name + " / " + one.server + (one.backup ? " (backup)" : ""),
    [one.state, one.state], number(one.active), number(one.connections), number(one.fails),
    octets(one.received), octets(one.sent), one.connect_time + " ms"])));
  const shared = Object.entries(streams[2].zones ?? {}), store = streams[2].status ?? {};
  table("shared", ["shared zone", "records", "pending", "store"], shared.map(([name, one]) => [
    name, number(one.records_total), number(one.records_pending),
    store.nodes_online ? ["up", "up"] : ["down", "down"]]));
  table("caches", ["cache", "size", "hit", "miss", "expired", "stale", "bypass"],
    Object.entries(caches).map(([name, one]) => [name, octets(one.size),
    ...["hit", "miss", "expired", "stale", "bypass"].map(kind => number(one[kind].responses))]));
  table("workers", ["worker", "process", "connections", "requests", "current"],
    workers.map(one => [String(one.id), String(one.pid), number(one.connections.active +
    one.connections.idle), number(one.http.requests.total), number(one.http.requests.current)]));
  before = now;
}

async function run() {
  const state = document.getElementById("state");
  try {
    await look();
    state.textContent = "";
  } catch (error) {
    state.textContent = "no answer of the API: " + error.message;
  }
  setTimeout(run, every);
}
run();
"""

BODY = """
<header><h1>pyngx</h1><span id="about"></span><span id="state" role="status"></span></header>
<h2>Clients</h2><div id="tiles"></div>
<section id="servers" hidden><h2>Virtual servers</h2><table></table></section>
<section id="locations" hidden><h2>Locations</h2><table></table></section>
<section id="groups" hidden><h2>Groups of servers</h2><table></table></section>
<section id="queues" hidden><h2>Queues</h2><table></table></section>
<section id="streams" hidden><h2>Servers of stream</h2><table></table></section>
<section id="streamgroups" hidden><h2>Groups of stream</h2><table></table></section>
<section id="shared" hidden><h2>Zones of several machines</h2><table></table></section>
<section id="caches" hidden><h2>Caches</h2><table></table></section>
<section id="workers" hidden><h2>Workers</h2><table></table></section>
"""
