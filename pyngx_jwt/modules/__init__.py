"""The modules in nginx's order: handlers and filters run from the last to the first."""

from __future__ import annotations

from ..core.main import main
from ..core.module import AnyModule
from .access import access, stream_access
from .addition import addition
from .api import API_MODULES, stream_status
from .auth_basic import auth_basic
from .auth_jwt import JWT_MODULES
from .auth_request import auth_request
from .auth_require import auth_require
from .autoindex import autoindex
from .brotli import brotli
from .browser import browser
from .charset import charset
from .core import core
from .core_variables import core_variables
from .dav import dav
from .debug import debug
from .echo import echo
from .empty_gif import empty_gif
from .fastcgi import fastcgi
from .files import files
from .flv import flv
from .geo import geo, stream_geo
from .geoip import geoip, stream_geoip
from .geoip2 import geoip2, stream_geoip2
from .grpc import grpc
from .gunzip import gunzip
from .gzip import gzip
from .gzip_ok import gzip_ok
from .gzip_static import gzip_static
from .headers import headers
from .headers_more import headers_more, headers_more_input
from .hls import hls
from .hosted import hosted
from .image_filter import image_filter
from .index import index
from .internal_redirect import internal_redirect
from .keyval import keyval, stream_keyval
from .limit_conn import limit_conn, stream_limit_conn
from .limit_req import limit_req
from .log import log, stream_log
from .lua import lua, lua_filters, stream_lua, stream_lua_early
from .map import map_, stream_map
from .memcached import memcached
from .mirror import mirror
from .missing import missing
from .mp4 import mp4
from .not_modified import not_modified
from .num_map import num_map, stream_num_map
from .otel import otel
from .post_action import post_action
from .proxy import proxy
from .random_index import random_index
from .range import range_
from .realip import realip, stream_realip
from .referer import referer
from .rewrite import rewrite
from .scgi import scgi
from .secure_link import secure_link
from .session_log import session_log
from .set_misc import set_misc
from .slice import slice_
from .split_clients import split_clients, stream_split_clients
from .ssi import ssi
from .ssl import ssl, stream_ssl
from .static import static
from .stream import (
    stream_core,
    stream_mqtt,
    stream_mqtt_preread,
    stream_pass,
    stream_proxy,
    stream_return,
    stream_set,
    stream_ssl_preread,
    stream_upstream_hc,
    stream_zone_sync,
)
from .stub_status import stub_status
from .sub import sub
from .try_files import try_files
from .tunnel import tunnel
from .upstream import stream_upstream, upstream
from .upstream_hc import upstream_hc
from .userid import userid
from .uwsgi import uwsgi
from .v2 import v2
from .v3 import v3
from .xslt import xslt
from .zone_store import stream_zone_store, zone_store
from .zstd import zstd

MODULES: tuple[AnyModule, ...] = (
    main,
    debug,
    core,
    log,
    session_log,
    v2,  # before ssl, which offers clients what a server speaks
    v3,
    ssl,
    upstream,
    upstream_hc,
    core_variables,
    files,
    gzip_ok,
    lua,  # at the end of the phases
    post_action,
    static,
    gzip_static,
    dav,
    autoindex,
    index,
    random_index,
    flv,
    mp4,
    hls,
    mirror,
    try_files,
    internal_redirect,
    auth_require,
    auth_request,
    auth_basic,
    access,
    limit_conn,
    limit_req,
    realip,
    geo,
    geoip,
    geoip2,
    map_,
    num_map,
    keyval,
    zone_store,
    split_clients,
    referer,
    browser,
    secure_link,
    headers_more_input,  # at the end of the rewrite phase
    rewrite,
    set_misc,
    proxy,
    fastcgi,
    uwsgi,
    scgi,
    grpc,
    tunnel,
    memcached,
    empty_gif,
    hosted,
    stub_status,
    *API_MODULES,
    *JWT_MODULES,
    range_,
    gzip,
    brotli,
    zstd,
    ssi,
    charset,
    xslt,
    image_filter,
    sub,
    addition,
    gunzip,
    userid,
    headers,
    headers_more,
    lua_filters,
    echo,
    not_modified,
    slice_,
    otel,  # before all else in a location
    missing,  # before all that answers, as handlers run from the last
    stream_core,
    stream_lua,  # at the end of the phases
    stream_log,
    stream_proxy,
    stream_upstream,
    stream_upstream_hc,
    stream_ssl,
    stream_status,
    stream_limit_conn,
    stream_access,
    stream_geo,
    stream_map,
    stream_num_map,
    stream_split_clients,
    stream_return,
    stream_set,
    stream_pass,
    stream_keyval,
    stream_zone_store,
    stream_zone_sync,
    stream_realip,
    stream_ssl_preread,
    stream_mqtt_preread,
    stream_mqtt,
    stream_geoip,
    stream_geoip2,
    stream_lua_early,
)
