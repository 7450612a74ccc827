"""Settings that apply to every request."""

from __future__ import annotations

from ...conf.directive import (
    A_FLAG,
    A_NUMBER,
    A_SIZE,
    UNLIMITED,
    Conf,
    accepted,
    bitmask,
    buffers,
    enum,
    flag,
    number,
    offset,
    size,
    slot,
    string,
    time,
)
from ...dns import NameServers
from ...http.contexts import EVERYWHERE, HTTP, LOCATION_IF, SERVER
from .values import (
    parse_aio,
    parse_directio,
    parse_keepalive_timeout,
    parse_pool_size,
    parse_resolver,
    parse_server_tokens,
)

TUNING = "memory is managed by the interpreter"
TABLES = "the tables grow as needed"
NO_WORDS: tuple[str, ...] = ()
NO_SERVERS: NameServers | None = None


class CoreSettings(Conf):
    """The directives that are single values."""

    absolute_redirect = flag(
        True,
        EVERYWHERE,
        "Makes redirects that the server generates absolute: scheme, host and port are added to"
        ' the path. "server_name_in_redirect" and "port_in_redirect" select host and port.',
    )
    aio = accepted(
        EVERYWHERE, "files are read by the event loop", like=slot("off", parse_aio, HTTP, "")
    )
    aio_write = accepted(EVERYWHERE, "files are written by the event loop", like=A_FLAG)
    auth_delay = time(
        0,
        EVERYWHERE,
        "Delays responses with code 401, to slow down guessing of passwords and tokens. 0 "
        "disables the delay.",
        shown="0s",
    )
    chunked_transfer_encoding = flag(
        True,
        EVERYWHERE,
        "Allows chunked transfer encoding in HTTP/1.1 responses. If off, the end of a response "
        "of unknown length is marked by closing the connection.",
    )
    client_body_buffer_size = size(
        8192,
        EVERYWHERE,
        "Sets the part of a request body that is kept in memory. A larger body is written to a "
        'file in the directory of "client_body_temp_path".',
        shown="8k|16k",
    )
    client_body_in_file_only = enum(
        "off",
        ("off", "on", "clean"),
        EVERYWHERE,
        'Saves every request body to a file. With "on", the file is kept after the request, '
        'with "clean" it is removed.',
    )
    client_body_in_single_buffer = accepted(
        EVERYWHERE, "a body in memory is always one buffer", like=A_FLAG
    )
    client_body_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time between two reads of a request body, not the time for the whole body. "
        "The connection is then closed, with 408 in access_log.",
        shown="60s",
    )
    client_header_buffer_size = size(
        1024,
        HTTP | SERVER,
        "Sets the size of the first buffer for a request head. Heads that do not fit use "
        '"large_client_header_buffers".',
        shown="1k",
    )
    client_header_timeout = time(
        60,
        HTTP | SERVER,
        "Limits the time in which a request head must be received completely. The connection is"
        " then closed, with 408 in access_log if a request had begun.",
        shown="60s",
    )
    client_max_body_size = offset(
        1 << 20,
        EVERYWHERE,
        "Limits the size of a request body; a larger one is answered with 413. 0 disables the "
        "limit. Also applies to chunked bodies, as they are read.",
        shown="1m",
    )
    connection_pool_size = accepted(
        HTTP | SERVER, TUNING, like=slot(512, parse_pool_size, HTTP, "")
    )
    default_type = string(
        "text/plain",
        EVERYWHERE,
        'Sets the MIME type of responses whose file name extension is not listed in "types".',
    )
    directio = accepted(
        EVERYWHERE, "files are read through the page cache", like=slot(0, parse_directio, HTTP, "")
    )
    directio_alignment = accepted(
        EVERYWHERE, "files are read through the page cache", like=offset(512, HTTP, "", shown="512")
    )
    etag = flag(
        True,
        EVERYWHERE,
        "Adds the ETag header to responses from static files. It is made of the modification "
        "time and the size.",
    )
    if_modified_since = enum(
        "exact",
        ("off", "exact", "before"),
        EVERYWHERE,
        "Sets how the modification time of a response is compared with the request's "
        'If-Modified-Since: an "exact" match, "before" for not later than that, or "off" to '
        "ignore the header.",
    )
    ignore_invalid_headers = flag(
        True,
        HTTP | SERVER,
        "Drops request headers with invalid names instead of passing them on. Names with "
        'underscores depend on "underscores_in_headers".',
    )
    keepalive_disable = bitmask(
        frozenset({"msie6"}),
        ("none", "msie6", "safari"),
        EVERYWHERE,
        'Disables keep-alive connections for browsers that handle them incorrectly: "msie6" '
        'after a POST request, "safari" on macOS.',
        "msie6",
    )
    keepalive_min_timeout = time(
        0,
        EVERYWHERE,
        "Keeps idle connections open for at least this time when a worker shuts down. 0 closes "
        "them immediately.",
        shown="0",
    )
    keepalive_requests = number(
        1000,
        EVERYWHERE,
        "Limits the number of requests on one connection. Then the connection is closed.",
    )
    keepalive_time = time(
        3600,
        EVERYWHERE,
        "Limits the time during which a connection accepts requests. After that, the connection"
        " is closed with the next response.",
        shown="1h",
    )
    keepalive_timeout = slot(
        (75.0, 0),
        parse_keepalive_timeout,
        EVERYWHERE,
        "Sets how long an idle connection stays open; 0 disables keep-alive. The second "
        "parameter is sent to the client in a Keep-Alive header.",
        syntax="timeout [header_timeout]",
        shown="75s",
        arity=(1, 2),
    )
    large_client_header_buffers = buffers(
        (4, 8192),
        HTTP | SERVER,
        "Sets number and size of the buffers for large request heads. A request line must fit "
        "into one buffer, or the response is 414; so must a header line, or the response is "
        "400.",
        shown="4 8k",
    )
    lingering_close = enum(
        "on",
        ("off", "on", "always"),
        EVERYWHERE,
        "Sets whether a connection is read for a while before it is closed, so that the client "
        'gets the response even if it is still sending. "on" does so if data may be unread, '
        '"always" in any case, "off" never.',
    )
    lingering_time = time(
        30, EVERYWHERE, 'Limits the total time of lingering, see "lingering_close".', shown="30s"
    )
    lingering_timeout = time(
        5,
        EVERYWHERE,
        'Limits the time between two reads while lingering, see "lingering_close".',
        shown="5s",
    )
    log_not_found = flag(True, EVERYWHERE, "Logs files that are not found to error_log.")
    log_subrequest = flag(False, EVERYWHERE, "Writes subrequests to access_log.")
    max_headers = number(
        1000,
        HTTP | SERVER,
        "Limits the number of headers of a request. A request with more is answered with 400.",
    )
    merge_slashes = flag(
        True,
        HTTP | SERVER,
        "Replaces adjacent slashes in a URI with one, before locations are selected. Turning "
        'this off can bypass protected locations, because many applications treat "//" like '
        '"/".',
    )
    max_ranges = number(
        1 << 31,
        EVERYWHERE,
        "Limits the number of ranges in a request. If there are more, the whole response is "
        "sent. 0 disables ranges.",
        shown="—",
    )
    msie_padding = flag(
        True,
        EVERYWHERE,
        "Pads error pages for old versions of Internet Explorer, which otherwise replace short "
        "ones with their own.",
    )
    msie_refresh = flag(
        False,
        EVERYWHERE,
        "Answers browsers of the Internet Explorer family with a page that refreshes instead of "
        "a redirect (301 or 302).",
    )
    output_buffers = buffers(
        (2, 32768),
        EVERYWHERE,
        "Reads files in pieces of the size, if that is more than 128k (32k in HTTP/2 and HTTP/3), "
        'and at most 1m. As in nginx, it has no effect with "sendfile on" on connections without '
        "TLS. Only one buffer is used; the number has no effect. A client that reads slowly holds "
        "one piece in memory.",
        shown="2 32k",
    )
    port_in_redirect = flag(True, EVERYWHERE, "Adds the server's port to absolute redirects.")
    postpone_output = accepted(EVERYWHERE, "output is sent as soon as there is any", like=A_SIZE)
    read_ahead = accepted(EVERYWHERE, "the kernel reads ahead", like=size(0, HTTP, "", shown="0"))
    recursive_error_pages = flag(
        False,
        EVERYWHERE,
        'Allows "error_page" to apply again to the response of an error page. Otherwise only '
        "the first one applies.",
    )
    request_pool_size = accepted(HTTP | SERVER, TUNING, like=slot(512, parse_pool_size, HTTP, ""))
    reset_timedout_connection = flag(
        False,
        EVERYWHERE,
        "Resets timed out connections, and those closed with 444, instead of closing them. This"
        " frees their memory immediately.",
    )
    resolver_timeout = time(
        30,
        EVERYWHERE,
        'Limits the time that the resolution of a name by "resolver" takes.',
        shown="30s",
    )
    resolver = slot(
        NO_SERVERS,
        parse_resolver,
        EVERYWHERE,
        "Sets the name servers that resolve host names in variables, and names of upstream "
        'servers with the parameter "resolve": addresses with an optional port. Without the '
        'directive, such names are an error, as in nginx. Parameters: "valid", which replaces '
        'the TTL of responses; "ipv4=off" or "ipv6=off", with which addresses of this kind are '
        'not requested; "status_zone", under which "pyngx_metrics" reports the questions.',
        syntax="address ... [valid=time] [ipv4=on | off] [ipv6=on | off] [status_zone=zone]",
        shown="—",
        arity=(1, UNLIMITED),
    )
    satisfy = enum(
        "all",
        ("all", "any"),
        EVERYWHERE,
        "Sets whether a request needs the permission of all access modules or of any of them: "
        '"allow" and "deny", "auth_basic", "auth_request" and "auth_jwt". With "any", a '
        "permitted address makes a token unnecessary.",
    )
    send_lowat = accepted(EVERYWHERE, "the kernel decides", like=A_SIZE)
    send_timeout = time(
        60,
        EVERYWHERE,
        "Limits the time between two writes to the client, not the time for the whole response."
        " Then the connection is closed.",
        shown="60s",
    )
    sendfile = flag(
        False,
        EVERYWHERE | LOCATION_IF,
        'Turns "output_buffers" off on connections without TLS. Files are read and written in '
        "either case.",
    )
    sendfile_max_chunk = accepted(EVERYWHERE, "files are read and written", like=A_SIZE)
    server_name_in_redirect = flag(
        False,
        EVERYWHERE,
        'Uses the first "server_name" in absolute redirects. Otherwise the Host header of the '
        "request is used.",
    )
    server_names_hash_bucket_size = accepted(HTTP, TABLES, like=A_NUMBER)
    server_names_hash_max_size = accepted(HTTP, TABLES, like=A_NUMBER)
    server_tokens = slot(
        "on",
        parse_server_tokens,
        EVERYWHERE,
        'Sets whether the version is shown in the Server header and on error pages. "build" '
        "shows the build name as well.",
        syntax="on | off | build",
    )
    subrequest_output_buffer_size = size(
        4096,
        EVERYWHERE,
        "Sets the maximum size of a subrequest's response that is stored in memory, such as that "
        'of the SSI command "include" with "set". The other modules have limits of their own.',
        shown="4k|8k",
    )
    tcp_nodelay = accepted(EVERYWHERE, "it is always on", like=flag(True, HTTP, ""))
    tcp_nopush = accepted(
        EVERYWHERE, "headers and body are sent together anyway", like=flag(False, HTTP, "")
    )
    types_hash_bucket_size = accepted(EVERYWHERE, TABLES, like=A_NUMBER)
    types_hash_max_size = accepted(EVERYWHERE, TABLES, like=A_NUMBER)
    underscores_in_headers = flag(
        False,
        HTTP | SERVER,
        "Allows underscores in names of request headers. Otherwise, such a header is invalid, "
        'and dropped if "ignore_invalid_headers" is on. Many applications cannot distinguish '
        '"X_User" from "X-User".',
    )
    variables_hash_bucket_size = accepted(HTTP, TABLES, like=A_NUMBER)
    variables_hash_max_size = accepted(HTTP, TABLES, like=A_NUMBER)
