"""What the documentation says of the phases in which code runs."""

from __future__ import annotations

INIT = "Runs Lua when the server starts or is reloaded, in the master, before the workers start."
INIT_WORKER = "Runs Lua in each worker when it starts."
EXIT_WORKER = "Runs Lua in each worker when it ends."
SERVER_REWRITE = "Runs Lua before the location of a request is searched."
REWRITE = (
    "Runs Lua at the end of the rewrite phase, after directives such as `rewrite`.  Access checks"
    " come later."
)
ACCESS = (
    "Runs Lua at the end of the access phase, after checks such as `auth_jwt`.  The request goes"
    " on unless the code ends it with `ngx.exit(status)` or sends a response.  An error in the"
    " code is a 500.  It does not run for subrequests."
)
PRECONTENT = "Runs Lua after the access phase, before the content handler of the location."
PREREAD = (
    "Runs Lua at the end of the preread phase of a connection, before it is passed on.  What the"
    " code reads with `ngx.req.socket():peek(size)` is still passed on; what it receives is not."
    "  The connection goes on unless the code ends it with `ngx.exit(status)`."
)
CONTENT = "Runs Lua that makes the response, or in `stream` serves the connection."
HEADER_FILTER = "Runs Lua that changes the headers of the response.  It cannot wait."
BODY_FILTER = (
    "Runs Lua for each part of the response: `ngx.arg[1]` is the part, and `ngx.arg[2]` whether it"
    " is the last one.  It cannot wait."
)
BALANCER = (
    "Runs Lua that chooses the server of a request, with the module `ngx.balancer`, and again for"
    " each further attempt.  It cannot wait.  Without a choice, the servers of the group have their"
    " turns."
)
CLIENT_HELLO = (
    "Runs Lua when a client has said hello in TLS, before the server is chosen that it names; the"
    " code of the default server runs.  `ngx.exit(ngx.ERROR)`, or an error, ends the handshake."
    "  `ngx.ssl.clienthello` reads the hello.  The code can wait."
)
CERTIFICATE = (
    "Runs Lua when the server is to show its certificate, which `ngx.ssl` can replace.  It does"
    " not run when a client resumes a session.  `ngx.exit(ngx.ERROR)`, or an error, ends the"
    " handshake.  The code can wait.  The server needs an `ssl_certificate` all the same."
)
LOG = "Runs Lua at the end of the request or session.  It cannot wait."
