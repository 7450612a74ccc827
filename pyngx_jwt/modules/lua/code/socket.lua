-- Sockets and semaphores.

local py, core, ngx = ...

local check, await = core.check, core.await
local type, select, setmetatable, error, tostring = type, select, setmetatable, error, tostring

ngx.socket = {}

local function run_of()
    local run = core.current()
    if not run then
        error("no request found", 3)
    end
    if not run.yields then
        error("API disabled in the context of " .. core.CONTEXTS[run.phase], 3)
    end
    return run.rq
end

-- What Python knows of a socket, which belongs to one request or timer.
local function handle(self, name)
    if type(self) ~= "table" then
        error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(self) .. ")", 3)
    end
    local run = core.current()
    if run and self[2] ~= run.req then
        error("bad request", 3)
    end
    return self[1]
end

-- To be connected: one that is closed becomes the current request's.
local function adopted(self, name)
    if type(self) == "table" and not py.socket_reused(self[1]) then
        local run = core.current()
        self[2] = run and run.req
    end
    return handle(self, name)
end

local function new_socket(class)
    local rq = run_of()
    return setmetatable({check(py.socket_new(rq)), core.current().req}, class)
end

-- Bytes or connections; a number can be none, or without an end.
local function check_size(size, position, name)
    if size and not (math.abs(tonumber(size) or 0) < 2 ^ 53) then
        error("bad argument #" .. position .. " to '" .. name .. "' (number out of range)", 3)
    end
end

local function flattened(parts, value)
    local kind = type(value)
    if kind == "table" then
        for index = 1, #value do
            flattened(parts, value[index])
        end
    elseif kind == "string" then
        parts[#parts + 1] = value
    elseif kind == "number" or kind == "boolean" or kind == "nil" then
        parts[#parts + 1] = tostring(value)
    else
        error("bad argument #1 to 'send' (string, number, boolean, nil, or array table expected, got "
            .. kind .. ")", 4)
    end
end

local function text_of(value)
    if type(value) == "string" then
        return value
    end
    local parts = {}
    flattened(parts, value)
    return table.concat(parts)
end

-- TCP ------------------------------------------------------------------------------------------

local tcp = {}
tcp.__index = tcp

function tcp.connect(self, host, port, options)
    if type(self) ~= "table" then
        error("bad argument #1 to 'connect' (table expected)", 2)
    end
    run_of()
    host = tostring(host)
    if host:sub(1, 5) == "unix:" then
        options, port = type(port) == "table" and port or options, nil
    else
        port = tonumber(port)
        if not port then
            error("bad argument #3 to 'connect' (number expected)", 2)
        end
        if port < 0 or port > 65535 then
            return nil, "bad port number: " .. port
        end
    end
    options = options or {}
    if options.pool_size ~= nil and (type(options.pool_size) ~= "number" or options.pool_size <= 0) then
        error("bad \"pool_size\" option value: " .. tostring(options.pool_size), 2)
    end
    check_size(options.pool_size, 4, "connect")
    return await("socket_connect", adopted(self, "connect"), host, port, options.pool, options.pool_size)
end

local new_session = require("ffi").typeof("struct { int pyngx_session; }")

function tcp.sslhandshake(self, session, name, verify, status)
    run_of()
    local ok, failure = await("socket_handshake", handle(self, "sslhandshake"), name, verify and true or false)
    if not ok then
        return nil, failure
    end
    if session == false then
        return true
    end
    return new_session()
end

function tcp.setclientcert()
    error("tcpsock:setclientcert is not supported by pyngx (use lua_ssl_certificate)", 2)
end

function tcp.send(self, ...)
    if select("#", ...) ~= 1 then
        error("expecting 2 arguments (including the object), but got " .. select("#", ...) + 1, 2)
    end
    run_of()
    local data = ...
    return await("socket_send", handle(self, "send"), text_of(data))
end

function tcp.receive(self, pattern)
    run_of()
    if pattern == nil then
        pattern = "*l"
    elseif type(pattern) == "number" or type(pattern) == "string" and tonumber(pattern) then
        pattern = tonumber(pattern)
        check_size(pattern, 1, "receive")
        if pattern < 0 then
            error("bad argument #1 to 'receive' (bad pattern argument)", 2)
        elseif pattern == 0 then
            return ""
        end
    elseif pattern == "l" then
        pattern = "*l"
    elseif pattern == "a" then
        pattern = "*a"
    elseif pattern ~= "*l" and pattern ~= "*a" then
        error("bad argument #1 to 'receive' (bad pattern argument: " .. tostring(pattern) .. ")", 2)
    end
    return await("socket_receive", handle(self, "receive"), pattern)
end

function tcp.receiveany(self, most)
    run_of()
    if type(most) ~= "number" or most <= 0 then
        error("bad argument #2 to 'receiveany' (bad max argument)", 2)
    end
    check_size(most, 2, "receiveany")
    return await("socket_receive_any", handle(self, "receiveany"), most)
end

function tcp.receiveuntil(self, pattern, options)
    handle(self, "receiveuntil")
    if type(pattern) ~= "string" then
        error("bad argument #2 to 'receiveuntil' (string expected)", 2)
    end
    if pattern == "" then
        error("bad argument #2 to 'receiveuntil' (pattern is empty)", 2)
    end
    local inclusive = options and options.inclusive or false
    if type(inclusive) ~= "boolean" then
        error("bad \"inclusive\" option value type: " .. type(inclusive), 2)
    end
    local found = false
    return function(size)
        run_of()
        check_size(size, 1, "receiveuntil")
        local data, failure, partial, now = await(
            "socket_receive_until", handle(self, "receiveuntil"), pattern, inclusive, size, found)
        if found then
            found = false
            return nil, nil, nil
        end
        if now and size then
            found = true
        end
        if data then
            return data
        end
        return nil, failure, partial
    end
end

function tcp.settimeout(self, milliseconds)
    check(py.socket_timeouts(handle(self, "settimeout"), milliseconds, milliseconds, milliseconds))
end

function tcp.settimeouts(self, connect, send, read)
    check(py.socket_timeouts(handle(self, "settimeouts"), connect, send, read))
end

function tcp.setoption(self, name, value)
    return check(py.socket_set_option(handle(self, "setoption"), tostring(name), value))
end

function tcp.getoption(self, name)
    return check(py.socket_get_option(handle(self, "getoption"), tostring(name)))
end

function tcp.setkeepalive(self, timeout, size)
    check_size(size, 3, "setkeepalive")
    return check(py.socket_keep(run_of(), handle(self, "setkeepalive"), timeout, size))
end

function tcp.getreusedtimes(self)
    return check(py.socket_reused(handle(self, "getreusedtimes")))
end

function tcp.close(self)
    return check(py.socket_close(run_of(), handle(self, "close")))
end

local function bind(self, address)
    if type(address) ~= "string" then
        error("bad argument #1 to 'bind' (string expected, got " .. type(address) .. ")", 2)
    end
    return check(py.socket_bind(handle(self, "bind"), address))
end
tcp.bind = bind

function ngx.socket.tcp()
    return new_socket(tcp)
end
ngx.socket.stream = ngx.socket.tcp

function ngx.socket.connect(...)
    local sock = ngx.socket.tcp()
    local ok, failure = sock:connect(...)
    if not ok then
        return nil, failure
    end
    return sock
end

local body = {receive = tcp.receive, receiveany = tcp.receiveany, receiveuntil = tcp.receiveuntil,
    settimeout = tcp.settimeout, settimeouts = tcp.settimeouts}
body.__index = body

-- The client's connection, in "stream".

local client = {receive = tcp.receive, receiveany = tcp.receiveany, receiveuntil = tcp.receiveuntil,
    send = tcp.send, settimeout = tcp.settimeout, settimeouts = tcp.settimeouts}
client.__index = client

function client.peek(self, ...)
    local rq, size = core.request_in {preread = true}, ...
    if select("#", ...) ~= 1 then
        error("expecting 2 arguments (including the object), but got " .. select("#", ...) + 1, 2)
    elseif type(size) ~= "number" and not tonumber(size) then
        error("argument must be a number", 2)
    end
    size = math.floor(tonumber(size))
    check_size(size, 2, "peek")
    if size < 0 then
        error("bad argument #2 to 'peek' (bytes can not be negative)", 2)
    elseif size == 0 then
        return ""
    end
    local sock = handle(self, "peek")
    local data, failure = check(py.client_peek(rq, sock, size))
    if data or failure then
        return data, failure
    end
    return await("client_wait", sock, size)
end

function client.shutdown(self, direction)
    local rq = core.request_in {content = true}
    if direction == "" then
        return nil, "pattern is empty"
    elseif direction ~= "send" then
        error("bad argument #2 to 'shutdown' (bad shutdown argument: " .. tostring(direction) .. ")", 2)
    end
    return check(py.client_shutdown(rq, handle(self, "shutdown")))
end

function client.serversslhandshake()
    error("reqsock:serversslhandshake is not supported by pyngx (use listen ... ssl)", 2)
end

local datagram = {settimeout = tcp.settimeout}
datagram.__index = datagram

function datagram.send(self, data)
    return check(py.client_send(core.request(), text_of(data)))
end

function datagram.receive(self, most)
    run_of()
    check_size(most, 2, "receive")
    return await("client_datagram", handle(self, "receive"), most or 65536)
end

local classes = {body = body, client = client, datagram = datagram}

function ngx.socket.of_request(rq, raw)
    local sock, kind = check(py.socket_of_request(rq, raw and true or false))
    if not sock then
        return nil, kind
    end
    return setmetatable({sock, core.current().req}, classes[kind])
end

-- UDP ------------------------------------------------------------------------------------------

local udp = {}
udp.__index = udp

function udp.setpeername(self, host, port)
    run_of()
    host = tostring(host)
    if host:sub(1, 5) == "unix:" then
        port = nil
    end
    return await("udp_connect", adopted(self, "setpeername"), host, port and tonumber(port))
end

function udp.send(self, data)
    run_of()
    return check(py.udp_send(handle(self, "send"), text_of(data)))
end

function udp.receive(self, most)
    run_of()
    check_size(most, 2, "receive")
    return await("udp_receive", handle(self, "receive"), most or 8192)
end

udp.settimeout = function(self, milliseconds)
    check(py.socket_timeouts(handle(self, "settimeout"), milliseconds, milliseconds, milliseconds))
end
udp.close = tcp.close
udp.bind = bind

function ngx.socket.udp()
    return new_socket(udp)
end

-- Semaphores -----------------------------------------------------------------------------------

local semaphore = {}
semaphore.__index = semaphore

package.preload["ngx.semaphore"] = function()
    return {
        version = "0.1.29",
        new = function(count)
            count = count or 0
            if type(count) ~= "number" or count < 0 then
                error("no memory or bad count", 2)
            end
            return setmetatable({check(py.semaphore_new(count))}, semaphore)
        end,
    }
end

function semaphore.wait(self, seconds)
    seconds = tonumber(seconds)
    if not seconds or seconds < 0 then
        error("bad argument #2 to 'wait' (number expected)", 2)
    end
    if py.semaphore_take(self[1]) then
        return true
    end
    if seconds == 0 then
        return nil, "timeout"
    end
    return await("semaphore_wait", self[1], seconds)
end

function semaphore.post(self, count)
    py.semaphore_post(self[1], count or 1)
    return true
end

function semaphore.count(self)
    return py.semaphore_count(self[1])
end
