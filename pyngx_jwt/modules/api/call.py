"""Answers the requests to the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from ...conf.scope import Scope
from ...core.logs import Logs
from ...gateway.groups import Upstreams
from ...http.request import Request, Status
from ...stream.level import stream_shared
from ...stream.ports import StreamBuilt
from ...zones import ZoneStore
from ..keyval import KeyvalZones
from . import keyvals
from .answers import Answer, ApiError, Value, method_disabled, not_found
from .servers import Servers
from .snapshot import Snapshot
from .stream_tree import STREAM
from .text import hidden, shown
from .tree import HTTP, TOP, Resource, member

VERSIONS = range(1, 10)
READS = ("GET", "HEAD")
WRITES = ("POST", "PATCH", "DELETE")


def answer_call(r: Request, scope: Scope, body: bytes, *, writes: bool) -> Status:
    """Does what a request asks for and sends the result; with `writes`, also changes."""
    return _send(r, _answer_or_error(r, scope, body, writes=writes))


def _answer_or_error(r: Request, scope: Scope, body: bytes, *, writes: bool) -> Answer:
    call = Call(r, scope, body)
    try:
        if r.method not in READS and (r.method not in WRITES or not writes):
            raise method_disabled(r.method)
        return call.answer()
    except ApiError as error:
        request_id = r.location.core.level.variables.resolve("request_id")(r) or ""
        return Answer(error.status, error.body(request_id, call.version))


def _send(r: Request, answer: Answer) -> Status:
    if answer.location:
        r.add_header("Location", answer.location)
    if answer.value is None:
        return r.respond(answer.status, b"", "application/json")
    text = json.dumps(answer.value, ensure_ascii=False, separators=(",", ":"))
    return r.respond(answer.status, text.encode(), "application/json")


class Call:
    """One request."""

    def __init__(self, r: Request, scope: Scope, body: bytes) -> None:
        self.method, self.scope, self.body = r.method, scope, body
        self.path = r.uri.rstrip("/")
        prefix = r.location.core.name if not r.location.core.regex else ""
        self.words = [shown(word) for word in r.uri[len(prefix) :].split("/") if word]
        self.version = VERSIONS[-1]  # unless the path says so
        self.arguments = _arguments(r.args)
        self.snapshot = Snapshot(scope, r.connection.server_addr)

    def answer(self) -> Answer:
        """Raises ApiError."""
        if not self.words:
            return self._listed(list(VERSIONS))
        version, *words = self.words
        if version not in map(str, VERSIONS):
            raise not_found("UnknownVersion", "unknown version")
        self.version = int(version)
        if not words:
            branches = ["http", "stream"] if has_stream(self.scope) else ["http"]
            return self._listed(self._known("", [*TOP_FIRST, *branches, *TOP_LATER]))
        if words[0] == "http":
            groups = self.scope.shared(Upstreams)
            return self._branch(HTTP, groups, words[1:], is_stream=False)
        if words[0] == "stream" and has_stream(self.scope):
            groups = stream_shared(self.scope, Upstreams)
            return self._branch(STREAM, groups, words[1:], is_stream=True)
        if words[0] not in self._known("", [*TOP]):
            raise not_found()
        return self._resource(TOP[words[0]], words[1:])

    def _known(self, branch: str, names: list[str]) -> list[str]:
        """Those that the version has."""
        return [name for name in names if SINCE.get((branch, name), 1) <= self.version]

    def _listed(self, names: Sequence[Value]) -> Answer:
        if self.method not in READS:
            raise method_disabled(self.method)
        return Answer(200, names)

    def _branch(
        self,
        resources: Mapping[str, Resource],
        groups: Upstreams,
        words: list[str],
        *,
        is_stream: bool,
    ) -> Answer:
        """What is below "http" or "stream"."""
        branch = "stream" if is_stream else "http"
        known = self._known(branch, [*resources, "keyvals"])
        if not words:
            return self._listed(known)
        if words[0] not in known:
            raise not_found()
        if words[0] == "keyvals":
            return self._keyvals(words[1:], is_stream=is_stream)
        if words[0] == "upstreams" and len(words) > 2:
            if words[2] != "servers":
                raise not_found()
            return self._servers(groups, words[1], words[3:], is_stream=is_stream)
        return self._resource(resources[words[0]], words[1:])

    def _resource(self, resource: Resource, names: list[str]) -> Answer:
        if len(names) > (1 if resource.missing else 0):
            raise not_found()
        snapshot = self.snapshot
        value = member(resource, snapshot, names[0]) if names else resource.show(snapshot)
        if self.method in READS:
            return Answer(200, self._chosen(value, is_list=bool(resource.missing and not names)))
        if self.method != "DELETE" or resource.reset is None or not resource.can_reset(names):
            raise method_disabled(self.method)
        resource.reset(snapshot, tuple(hidden(name) for name in names))
        return Answer(204)

    def _chosen(self, value: Value, *, is_list: bool) -> Value:
        """The fields that the client wants, all if it does not say so."""
        fields = self.arguments.get("fields")
        if fields is None or not isinstance(value, Mapping):
            return value
        names = fields.split(",") if fields else []
        if is_list and not fields:
            return list(value)
        if is_list:
            return {key: _part(thing, names) for key, thing in value.items()}
        return _part(value, names)

    def _servers(self, groups: Upstreams, name: str, ids: list[str], *, is_stream: bool) -> Answer:
        conf = groups.declared.get(hidden(name).lower())
        group = groups.get(hidden(name))
        if group is None or conf is None:
            raise not_found("UpstreamNotFound", "upstream not found")
        state = self.scope.full_name(conf.state_file) if conf.state_file else ""
        servers = Servers(group, state, self.scope.shared(Logs).main, is_stream=is_stream)
        base = self.path.removesuffix(f"/{ids[-1]}") if ids else self.path
        return servers.answer(self.method, ids, self.body, base)

    def _keyvals(self, words: list[str], *, is_stream: bool) -> Answer:
        every = self.scope.shared(KeyvalZones).by_name
        zones = {name: one for name, one in every.items() if one.is_stream == is_stream}
        if not words:
            if self.method not in READS:
                raise method_disabled(self.method)
            return Answer(200, {shown(name): keyvals.contents(one) for name, one in zones.items()})
        zone = zones.get(hidden(words[0]))
        if zone is None or len(words) > 1:
            raise not_found("KeyvalNotFound", "keyval not found")
        key = self.arguments.get("key")
        return keyvals.answer(zone, self.method, key, self.body, self.path)


# The versions of the API that resources were added in.
SINCE = {
    ("", "resolvers"): 5,
    ("", "workers"): 9,
    ("http", "location_zones"): 5,
    ("http", "limit_reqs"): 6,
    ("http", "limit_conns"): 6,
    ("stream", "keyvals"): 2,
    ("stream", "limit_conns"): 6,
    ("stream", "zone_sync"): 3,
}
TOP_FIRST = ("nginx", "processes", "connections", "slabs")
TOP_LATER = ("resolvers", "ssl", "workers")


def has_stream(scope: Scope) -> bool:
    """Whether there is anything in "stream" to report."""
    groups = stream_shared(scope, Upstreams).declared
    return bool(scope.shared(StreamBuilt).servers or groups or scope.shared(ZoneStore).wanted)


def _part(value: Value, names: list[str]) -> Value:
    if not isinstance(value, Mapping):
        return value
    return {name: value[name] for name in names if name in value}


def _arguments(args: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in args.split("&") if pair]
    return {name: unquote(value, errors="replace") for name, _, value in pairs}
