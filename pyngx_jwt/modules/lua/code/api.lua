-- The table "ngx": what it can do is in Python, here are the names, arguments and phases of it.

local py, core, settings = ...

local check, await, request, request_in = core.check, core.await, core.request, core.request_in
local current, place, CONTEXTS = core.current, core.place, core.CONTEXTS
local error, type, select, tostring, tonumber = error, type, select, tostring, tonumber
local setmetatable, pairs, ipairs, next, rawset = setmetatable, pairs, ipairs, next, rawset
local concat, floor, unpack = table.concat, math.floor, unpack

local null = require("string.buffer").decode("\3") -- light userdata NULL, as OpenResty's

local ngx = {
    null = null, OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5,
    STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
    config = settings.config, thread = core.thread,
}

for name, status in pairs {
    CONTINUE = 100, SWITCHING_PROTOCOLS = 101, OK = 200, CREATED = 201, ACCEPTED = 202,
    NO_CONTENT = 204, PARTIAL_CONTENT = 206, SPECIAL_RESPONSE = 300, MOVED_PERMANENTLY = 301,
    MOVED_TEMPORARILY = 302, SEE_OTHER = 303, NOT_MODIFIED = 304, TEMPORARY_REDIRECT = 307,
    PERMANENT_REDIRECT = 308, BAD_REQUEST = 400, UNAUTHORIZED = 401, PAYMENT_REQUIRED = 402,
    FORBIDDEN = 403, NOT_FOUND = 404, NOT_ALLOWED = 405, NOT_ACCEPTABLE = 406,
    REQUEST_TIMEOUT = 408, CONFLICT = 409, GONE = 410, UPGRADE_REQUIRED = 426,
    TOO_MANY_REQUESTS = 429, CLOSE = 444, ILLEGAL = 451, INTERNAL_SERVER_ERROR = 500,
    NOT_IMPLEMENTED = 501, METHOD_NOT_IMPLEMENTED = 501, BAD_GATEWAY = 502,
    SERVICE_UNAVAILABLE = 503, GATEWAY_TIMEOUT = 504, VERSION_NOT_SUPPORTED = 505,
    INSUFFICIENT_STORAGE = 507,
} do
    ngx["HTTP_" .. name] = status
end

local METHODS = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "OPTIONS", "PROPFIND",
    "PROPPATCH", "LOCK", "UNLOCK", "PATCH", "TRACE",
}
local method_names = {}
for number, name in ipairs(METHODS) do
    local bit_value = 2 ^ number
    ngx["HTTP_" .. name] = bit_value
    method_names[bit_value] = name
end

local function set_of(words)
    local set = {}
    for word in words:gmatch("%S+") do
        set[word] = true
    end
    return set
end

local WAITING = set_of "rewrite server_rewrite access precontent content preread"
local BEFORE_OUTPUT = set_of "rewrite server_rewrite access precontent content preread"
local WITH_HEADERS = set_of [[
    rewrite server_rewrite access precontent content preread header_filter body_filter log set balancer
]]
local EXITING = set_of [[
    rewrite server_rewrite access precontent content preread timer header_filter balancer
    ssl_client_hello ssl_cert
]]

-- Arguments ------------------------------------------------------------------------------------

local function type_error(number, name, expected, value, level)
    error(("bad argument #%d to '%s' (%s expected, got %s)"):format(
        number, name, expected, value == nil and "nil" or type(value)), (level or 2) + 1)
end

local function text_of(value, number, name)
    local kind = type(value)
    if kind == "string" then
        return value
    elseif kind == "number" then
        return tostring(value)
    end
    type_error(number, name, "string", value, 3)
end

local WORDS = {["nil"] = "nil", ["boolean"] = true}

local function append(parts, value, name, number)
    local kind = type(value)
    if kind == "string" then
        parts[#parts + 1] = value
    elseif kind == "number" or kind == "nil" or kind == "boolean" then
        parts[#parts + 1] = tostring(value)
    elseif value == null then
        parts[#parts + 1] = "null"
    elseif kind == "table" then
        local count = 0
        for key in next, value do
            if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
                error(("bad argument #%d to '%s' (non-array table found)"):format(number, name), 4)
            end
            if key > count then
                count = key
            end
        end
        for index = 1, count do
            append(parts, value[index], name, number)
        end
    else
        error(("bad argument #%d to '%s' (string, number, boolean, nil, ngx.null, or array table"
            .. " expected, but got %s)"):format(number, name, kind), 4)
    end
end

-- Logging --------------------------------------------------------------------------------------

local function shown(...)
    local parts = {}
    for number = 1, select("#", ...) do
        local value = select(number, ...)
        local kind = type(value)
        if kind == "string" or kind == "number" or kind == "nil" or kind == "boolean" then
            parts[number] = tostring(value)
        elseif value == null then
            parts[number] = "null"
        else
            local meta = getmetatable(value)
            if type(meta) == "table" and meta.__tostring then
                parts[number] = tostring(value)
            else
                error(("bad argument #%d to 'log' (expected table to have __tostring metamethod)"):format(number), 3)
            end
        end
    end
    return concat(parts)
end

function ngx.log(level, ...)
    if type(level) ~= "number" then
        type_error(1, "log", "number", level)
    end
    if level < ngx.STDERR or level > ngx.DEBUG then
        error(("bad argument #1 to 'log' (bad log level: %d)"):format(level), 2)
    end
    local run = current()
    local rq = run and run.rq
    if py.logs(rq, level) then
        check(py.log(rq, level, place(2), shown(...)))
    end
end

function print(...)
    local run = current()
    local rq = run and run.rq
    if py.logs(rq, ngx.NOTICE) then
        py.log(rq, ngx.NOTICE, place(2), shown(...))
    end
end

-- Variables, context, phase --------------------------------------------------------------------

local WITH_VARIABLES = set_of [[
    rewrite server_rewrite access precontent content preread header_filter body_filter log set
    balancer
]]
ngx.var = setmetatable({}, {
    __index = function(_, name)
        local run = current()
        if not run or not WITH_VARIABLES[run.phase] then
            request_in(WITH_VARIABLES)
        end
        local kind = type(name)
        if kind ~= "string" and kind ~= "number" then
            error("bad variable name", 2)
        end
        return check(py.get_variable(run.rq, name))
    end,
    __newindex = function(_, name, value)
        local rq = request_in(WITH_VARIABLES)
        if type(name) ~= "string" then
            error("bad variable name", 2)
        end
        local kind = type(value)
        if kind ~= "string" and kind ~= "nil" then
            if kind ~= "number" and kind ~= "boolean" then
                error("bad variable value type: " .. kind, 2) -- as tostring() says nothing useful
            end
            value = tostring(value)
        end
        check(py.set_variable(rq, name, value))
    end,
})

local function filter_argument(key)
    local run = current()
    if run and run.phase == "set" then
        return run.args[key]
    elseif run and run.phase == "body_filter" then
        if key == 1 then
            return run.chunk
        elseif key == 2 then
            return run.eof
        end
        return nil
    end
    error("API disabled in the context of " .. (run and CONTEXTS[run.phase] or "?"), 3)
end

ngx.arg = setmetatable({}, {
    __index = function(_, key)
        return filter_argument(key)
    end,
    __newindex = function(_, key, value)
        local run = current()
        if not run or run.phase ~= "body_filter" then
            error("API disabled in the context of " .. (run and CONTEXTS[run.phase] or "?"), 2)
        end
        if key == 1 then
            if value == nil then
                run.chunk = ""
            else
                local parts = {}
                append(parts, value, "arg", 1)
                run.chunk = concat(parts)
            end
        elseif key == 2 then
            run.eof = value and true or false
        else
            error("bad argument #2 to '?' (attempt to write to unknown ngx.arg[])", 2)
        end
    end,
})

local ngx_meta = {}

-- A request cannot end while threads wait for subrequests.
local function check_alone(run)
    if (run.captures or 0) > 0 then
        error("attempt to abort with pending subrequests", 3)
    end
end

local FORCED = {[-1] = true, [444] = true, [408] = true, [499] = true}

local function get_status()
    return check(py.get_status(request_in(WITH_HEADERS)))
end

function ngx_meta.__index(_, key)
    if key == "ctx" then
        local run = current()
        if not run then
            error("no request ctx found", 2)
        end
        local req = run.req
        local ctx = req.ctx
        if not ctx then
            ctx = {}
            req.ctx = ctx
        end
        return ctx
    elseif key == "status" then
        return get_status()
    elseif key == "headers_sent" then
        return check(py.headers_sent(request_in(WITH_HEADERS)))
    elseif key == "is_subrequest" then
        return check(py.is_subrequest(request()))
    end
end

function ngx_meta.__newindex(table, key, value)
    if key == "status" then
        local number = tonumber(value)
        if not number then
            type_error(3, "__newindex", "number", value)
        end
        check(py.set_status(request_in(WITH_HEADERS), number))
    elseif key == "ctx" then
        local run = current()
        if not run then
            error("no request ctx found", 2)
        end
        if type(value) ~= "table" then
            error("bad argument #3 to '?' (table expected, got " .. type(value) .. ")", 2)
        end
        run.req.ctx = value
    elseif key == "headers_sent" then
        error("attempt to write to ngx.headers_sent", 2)
    else
        rawset(table, key, value)
    end
end

function ngx.get_phase()
    local run = current()
    if not run then
        return "init"
    end
    return run.phase
end

-- Ends -----------------------------------------------------------------------------------------

function ngx.exit(status)
    local run = current()
    local rq = request_in(EXITING)
    if type(status) ~= "number" then
        type_error(1, "exit", "number", status)
    end
    if not (math.abs(status) < 2 ^ 31) then
        error("bad argument #1 to 'exit' (number out of range)", 2)
    end
    if status == ngx.AGAIN or status == ngx.DONE then
        error("bad argument to 'ngx.exit': does not accept NGX_AGAIN or NGX_DONE", 2)
    end
    if run.phase == "header_filter" or run.phase == "balancer" then
        py.set_exit(rq, status)
        return
    elseif not FORCED[status] then
        check_alone(run)
    end
    await("exit", status)
end

function ngx.eof()
    return check(py.end_output(request_in(BEFORE_OUTPUT)))
end

function ngx.redirect(uri, status)
    local rq = request_in(WAITING)
    uri = text_of(uri, 1, "redirect")
    if status == nil then
        status = 302
    elseif type(status) ~= "number" then
        type_error(2, "redirect", "number", status)
    end
    check_alone(current())
    local code = check(py.redirect(rq, uri, status))
    await("exit", code)
end

function ngx.exec(uri, args)
    local rq = request_in(WAITING)
    uri = text_of(uri, 1, "exec")
    if type(args) == "table" then
        args = ngx.encode_args(args)
    elseif args ~= nil and type(args) ~= "string" and type(args) ~= "number" then
        error("bad argument #2 to 'exec' (string, number, or table expected, but got "
            .. type(args) .. ")", 2)
    end
    check_alone(current())
    check(py.can_exec(rq, uri))
    await("exec", uri, args)
end

function ngx.on_abort(callback)
    request_in(WAITING)
    return check(py.on_abort(current().rq, callback))
end

-- Output ---------------------------------------------------------------------------------------

local function sent(rq, text)
    local state, failure = check(py.write(rq, text))
    if state == 2 and core.can_wait() then
        return await("drain")
    elseif state == 3 then
        return await("send", text)
    end
    return state and 1 or nil, failure
end

function ngx.print(...)
    local rq = request_in(BEFORE_OUTPUT)
    local first = ...
    if select("#", ...) == 1 and type(first) == "string" then
        return sent(rq, first)
    end
    local parts = {}
    for number = 1, select("#", ...) do
        append(parts, (select(number, ...)), "print", number)
    end
    return sent(rq, concat(parts))
end

function ngx.say(...)
    local rq = request_in(BEFORE_OUTPUT)
    local first = ...
    if select("#", ...) == 1 and type(first) == "string" then
        return sent(rq, first .. "\n")
    end
    local parts = {}
    for number = 1, select("#", ...) do
        append(parts, (select(number, ...)), "say", number)
    end
    parts[#parts + 1] = "\n"
    return sent(rq, concat(parts))
end

function ngx.flush(wait)
    local rq = request_in(BEFORE_OUTPUT)
    local ok, failure = check(py.flush(rq))
    if not ok then
        return nil, failure
    end
    if wait then
        return await("drain")
    end
    return 1
end

function ngx.send_headers()
    return check(py.send_headers(request_in(BEFORE_OUTPUT)))
end

-- Headers of the response ----------------------------------------------------------------------

local function header_values(value)
    if type(value) == "table" then
        local values = {}
        for index, item in ipairs(value) do
            values[index] = tostring(item)
        end
        return #values == 1 and values[1] or values
    elseif value == null then
        return nil
    end
    return value ~= nil and tostring(value) or nil
end

local function set_header(rq, name, value)
    value = header_values(value)
    if type(value) == "table" then
        check(py.set_response_header(rq, name, unpack(value)))
    else
        check(py.set_response_header(rq, name, value))
    end
end

local function folded(first, second, ...)
    if second == nil then
        return first
    end
    return {first, second, ...}
end

ngx.header = setmetatable({}, {
    __index = function(_, name)
        local rq = request_in(WITH_HEADERS)
        return folded(check(py.get_response_header(rq, text_of(name, 1, "header"))))
    end,
    __newindex = function(_, name, value)
        local rq = request_in(WITH_HEADERS)
        set_header(rq, text_of(name, 1, "header"), value)
    end,
})

local insensitive = {
    __index = function(table, key)
        if type(key) ~= "string" then
            return nil
        end
        local value = rawget(table, key:lower())
        if value == nil then
            value = rawget(table, (key:lower():gsub("_", "-")))
        end
        return value
    end,
}

-- A flat list of names and values as a table; names that are repeated have a table of values.
local function gathered(pairs_of, meta)
    local result = {}
    for index = 1, #pairs_of, 2 do
        local name, value = pairs_of[index], pairs_of[index + 1]
        local before = result[name]
        if before == nil then
            result[name] = value
        elseif type(before) == "table" then
            before[#before + 1] = value
        else
            result[name] = {before, value}
        end
    end
    if meta then
        setmetatable(result, meta)
    end
    return result
end

ngx.resp = {}

function ngx.resp.get_headers(most, raw)
    local rq = request_in(WITH_HEADERS)
    local flat, truncated = check(py.response_headers(rq, most or 100, raw or false))
    return gathered(flat, not raw and insensitive or nil), truncated and "truncated" or nil
end

function ngx.resp.add_header(name, value)
    local rq = request_in(WITH_HEADERS)
    value = header_values(value)
    if type(value) == "table" then
        for _, item in ipairs(value) do
            check(py.add_response_header(rq, name, item))
        end
    elseif value ~= nil then
        check(py.add_response_header(rq, name, value))
    end
end

-- The request ----------------------------------------------------------------------------------

local req = {}
ngx.req = req

function req.get_headers(most, raw)
    local rq = request_in(WITH_HEADERS)
    local flat, truncated = check(py.request_headers(rq, most or 100, raw or false))
    return gathered(flat, not raw and insensitive or nil), truncated and "truncated" or nil
end

local CHANGING = set_of "rewrite server_rewrite access precontent content header_filter set balancer log body_filter"

function req.set_header(name, value)
    local rq = request_in(CHANGING)
    name = text_of(name, 1, "set_header")
    if value == nil and false then
        return
    end
    value = header_values(value)
    if type(value) == "table" then
        check(py.set_request_header(rq, name, unpack(value)))
    else
        check(py.set_request_header(rq, name, value))
    end
end

function req.clear_header(name)
    check(py.set_request_header(request_in(CHANGING), text_of(name, 1, "clear_header"), nil))
end

function req.get_method()
    return check(py.get_method(request()))
end

function req.set_method(method)
    local rq = request()
    local name = method_names[method]
    if not name then
        error("unsupported HTTP method: " .. tostring(method), 2)
    end
    check(py.set_method(rq, name))
end

function req.http_version()
    return check(py.http_version(request()))
end

function req.raw_header(without_line)
    return check(py.raw_header(request(), without_line or false))
end

function req.start_time()
    return check(py.start_time(request()))
end

function req.is_internal()
    return check(py.is_internal(request()))
end

function req.get_uri_args(most, into)
    local rq = request_in(WITH_HEADERS)
    return ngx.decode_args(check(py.get_args(rq)), most or 100, into)
end

function req.set_uri_args(args)
    local rq = request_in(CHANGING)
    if type(args) == "table" then
        args = ngx.encode_args(args)
    else
        args = text_of(args, 1, "set_uri_args")
    end
    check(py.set_args(rq, args))
end

function req.set_uri(uri, jump, binary)
    local rq = request_in(CHANGING)
    uri = text_of(uri, 1, "set_uri")
    if uri == "" then
        error("attempt to use zero-length uri", 2)
    end
    if jump and current().phase ~= "rewrite" and current().phase ~= "server_rewrite" then
        error("API disabled in the context of " .. CONTEXTS[current().phase], 2)
    end
    check(py.set_uri(rq, uri, jump and true or false, binary and true or false))
    if jump then
        check_alone(current())
        await("jump")
    end
end

local function body_in(name)
    return request_in(WAITING)
end

function req.read_body()
    local rq = request_in(WAITING)
    if check(py.take_body(rq)) then
        return
    end
    local ok, failure = await("read_body")
    if not ok then
        error(failure, 2)
    end
end

function req.discard_body()
    check(py.discard_body(request_in(WAITING)))
end

local READING = set_of "rewrite server_rewrite access precontent content log header_filter body_filter balancer"

function req.get_body_data(most)
    return check(py.get_body_data(request_in(READING), most or 0))
end

function req.get_body_file()
    return check(py.get_body_file(request_in(READING)))
end

function req.set_body_data(data)
    check(py.set_body_data(request_in(WAITING), text_of(data, 1, "set_body_data")))
end

function req.set_body_file(path, remove)
    check(py.set_body_file(request_in(WAITING), text_of(path, 1, "set_body_file"), remove or false))
end

function req.init_body(size)
    check(py.init_body(request_in(WAITING), size or 0))
end

function req.append_body(data)
    check(py.append_body(request_in(WAITING), text_of(data, 1, "append_body")))
end

function req.finish_body()
    check(py.finish_body(request_in(WAITING)))
end

function req.get_post_args(most)
    local text, failure = check(py.get_post_text(request_in(READING)))
    if not text then
        return nil, failure
    end
    return ngx.decode_args(text, most or 100)
end
req.get_query_args = req.get_uri_args

function req.socket(raw)
    local rq = request_in(WAITING)
    return ngx.socket.of_request(rq, raw)
end

-- Subrequests ----------------------------------------------------------------------------------

ngx.location = {}

local OPTIONS = set_of
    "method args body vars ctx copy_all_vars share_all_vars always_forward_body"

-- One subrequest as flat arguments for Python, which knows no tables of ours.
local function described(uri, options)
    uri = text_of(uri, 1, "capture")
    options = options or {}
    if type(options) ~= "table" then
        error("bad argument #2 to 'capture' (table expected, got " .. type(options) .. ")", 3)
    end
    local args = options.args
    if type(args) == "table" then
        args = ngx.encode_args(args)
    elseif args ~= nil then
        args = tostring(args)
    end
    local method = options.method
    if method ~= nil then
        method = method_names[method] or error("unsupported HTTP method: " .. tostring(options.method), 3)
    end
    local body = options.body
    if body ~= nil and type(body) ~= "string" and type(body) ~= "number" then
        error("Bad http request body", 3)
    end
    local names = {}
    if options.vars ~= nil and type(options.vars) ~= "table" then
        error("Bad vars option value", 3)
    end
    for name, value in pairs(options.vars or {}) do
        if type(name) ~= "string" then
            error("attempt to use a non-string key in the \"vars\" option table", 3)
        elseif type(value) ~= "string" and type(value) ~= "number" then
            error("attempt to use bad variable value type " .. type(value), 3)
        end
        names[#names + 1] = name
        names[#names + 1] = tostring(value)
    end
    local ctx = options.ctx
    if ctx ~= nil and type(ctx) ~= "table" then
        error("Bad ctx option value type " .. type(ctx) .. ", expected a Lua table", 3)
    end
    return uri, args, method or "GET", body and tostring(body), ctx,
        options.share_all_vars and "share" or options.copy_all_vars and "copy" or "",
        options.always_forward_body or false, unpack(names)
end

-- Makes subrequests; the request cannot end meanwhile.
local function captured(run, thread, count, ...)
    run.captures, thread.captures = run.captures - count, thread.captures - count
    return ...
end

local function capture(plans, count)
    local run = current()
    local thread = run.thread
    run.captures = (run.captures or 0) + count
    thread.captures = (thread.captures or 0) + count
    return captured(run, thread, count, await("capture", plans))
end

local function response(flat, status, body, truncated)
    return {
        status = status, body = body, header = gathered(flat), truncated = truncated,
    }
end

function ngx.location.capture(uri, options)
    local rq = request_in(WAITING)
    local plans = py.new_plans()
    check(py.plan_capture(rq, plans, described(uri, options)))
    return response(capture(plans, 1))
end

function ngx.location.capture_multi(requests)
    local rq = request_in(WAITING)
    if type(requests) ~= "table" then
        type_error(1, "capture_multi", "table", requests)
    end
    local count = #requests
    if count == 0 then
        error("at least one subrequest should be specified", 2)
    end
    local plans = py.new_plans()
    for _, each in ipairs(requests) do
        check(py.plan_capture(rq, plans, described(each[1], each[2])))
    end
    local flat = {capture(plans, count)}
    local results = {}
    for number = 1, count do
        local at = (number - 1) * 4
        results[number] = response(flat[at + 1], flat[at + 2], flat[at + 3], flat[at + 4])
    end
    return unpack(results, 1, count)
end

-- Time -----------------------------------------------------------------------------------------

ngx.now, ngx.time, ngx.today = py.now, py.time, py.today
ngx.localtime, ngx.utctime, ngx.update_time = py.localtime, py.utctime, function() end

function ngx.http_time(seconds)
    return check(py.http_time(tonumber(seconds) or type_error(1, "http_time", "number", seconds)))
end

function ngx.cookie_time(seconds)
    return check(py.cookie_time(tonumber(seconds) or type_error(1, "cookie_time", "number", seconds)))
end

function ngx.parse_http_time(text)
    return check(py.parse_http_time(text_of(text, 1, "parse_http_time")))
end

function ngx.sleep(seconds)
    local number = tonumber(seconds)
    if not number then
        type_error(1, "sleep", "number", seconds)
    end
    if number < 0 then
        error("invalid sleep duration \"" .. tostring(seconds) .. "\"", 2)
    end
    await("sleep", number)
end

-- Timers ---------------------------------------------------------------------------------------

ngx.timer = {}

local function timer(name, delay, callback, every, ...)
    delay = tonumber(delay)
    if not delay then
        error("bad argument #1 to '" .. name .. "' (number expected)", 3)
    end
    if every and delay <= 0 then
        error("delay must be greater than 0", 3)
    end
    if type(callback) ~= "function" then
        error("bad argument #2 to '" .. name .. "' (function expected, got " .. type(callback) .. ")", 3)
    end
    local count, args = select("#", ...), {...}
    local function run(premature)
        return callback(premature, unpack(args, 1, count))
    end
    local current_run = current()
    return check(py.start_timer(current_run and current_run.rq, delay, every, run))
end

function ngx.timer.at(delay, callback, ...)
    return timer("at", delay, callback, false, ...)
end

function ngx.timer.every(delay, callback, ...)
    return timer("every", delay, callback, true, ...)
end

function ngx.timer.running_count()
    return (py.timer_counts())
end

function ngx.timer.pending_count()
    return (select(2, py.timer_counts()))
end

-- Text -----------------------------------------------------------------------------------------

function ngx.escape_uri(text, kind)
    if type(text) ~= "string" then
        if text == nil then
            text = ""
        else
            text = text_of(text, 1, "escape_uri")
        end
    end
    if kind ~= nil and type(kind) ~= "number" then
        error("\"type\" is not a number", 2)
    end
    return check(py.escape_uri(text, kind or 2))
end

function ngx.unescape_uri(text)
    if text == nil then
        text = ""
    end
    return check(py.unescape_uri(tostring(text)))
end

function ngx.encode_args(args)
    if type(args) ~= "table" then
        type_error(1, "encode_args", "table", args)
    end
    local parts = {}
    for key, value in pairs(args) do
        local name = ngx.escape_uri(tostring(key))
        local kind = type(value)
        if kind == "table" then
            for _, item in ipairs(value) do
                if item == true then
                    parts[#parts + 1] = name
                elseif item then
                    if type(item) ~= "string" and type(item) ~= "number" then
                        error("attempt to use " .. type(item) .. " as query arg value", 2)
                    end
                    parts[#parts + 1] = name .. "=" .. ngx.escape_uri(tostring(item))
                end
            end
        elseif value == true then
            parts[#parts + 1] = name
        elseif value ~= false then
            if kind ~= "string" and kind ~= "number" then
                error("attempt to use " .. kind .. " as query arg value", 2)
            end
            parts[#parts + 1] = name .. "=" .. ngx.escape_uri(tostring(value))
        end
    end
    return concat(parts, "&")
end

function ngx.decode_args(text, most, into)
    if type(text) ~= "string" then
        type_error(1, "decode_args", "string", text)
    end
    local result = into or {}
    if into then
        table.clear(into)
    end
    if text == "" then
        return result
    end
    local flat, truncated = check(py.split_args(current().rq, text, most or 100))
    for index = 1, #flat, 2 do
        local name, value = flat[index], flat[index + 1]
        local before = result[name]
        if before == nil then
            result[name] = value
        elseif type(before) == "table" then
            before[#before + 1] = value
        else
            result[name] = {before, value}
        end
    end
    return result, truncated and "truncated" or nil
end

function ngx.quote_sql_str(text)
    return check(py.quote_sql(text == nil and "" or text_of(text, 1, "quote_sql_str")))
end

function ngx.encode_base64(text, no_padding)
    if type(text) ~= "string" then
        text = text and tostring(text) or ""
    end
    if no_padding and no_padding ~= true then
        error("bad no_padding: boolean expected, got " .. type(no_padding), 2)
    end
    return check(py.encode_base64(text, no_padding and true or false))
end

function ngx.decode_base64(text)
    if type(text) ~= "string" then
        error("string argument only", 2)
    end
    return check(py.decode_base64(text))
end

function ngx.decode_base64mime(text)
    if type(text) ~= "string" then
        error("string argument only", 2)
    end
    return check(py.decode_base64mime(text))
end

for name, call in pairs {
    md5 = py.md5, md5_bin = py.md5_bin, sha1_bin = py.sha1_bin,
    crc32_short = py.crc32, crc32_long = py.crc32,
} do
    ngx[name] = function(text)
        if type(text) ~= "string" then
            text = text == nil and "" or tostring(text)
        end
        return check(call(text))
    end
end

function ngx.hmac_sha1(key, text)
    return check(py.hmac_sha1(tostring(key), tostring(text)))
end

-- Regular expressions --------------------------------------------------------------------------

local re = {}
ngx.re = re

local function captures(into, names, count, ...)
    local result = into or {}
    if into then
        table.clear(into)
    end
    for index = 0, count do
        result[index] = (select(index + 1, ...))
    end
    for index = count + 2, count + names, 2 do
        local name, number = select(index, ...)
        local value = result[number]
        if value then
            result[name] = value
        elseif result[name] == nil then
            result[name] = false
        end
    end
    return result
end

local function matched(into, finish, names, count, ...)
    if not finish then
        return nil, names
    end
    return finish, captures(into, names, count, ...)
end

local function match(subject, regex, options, ctx, into, name)
    subject = type(subject) == "string" and subject or text_of(subject, 1, name)
    regex = type(regex) == "string" and regex or text_of(regex, 2, name)
    local at = 1
    if ctx then
        at = ctx.pos or 1
        if at <= 0 then
            at = 1
        end
    end
    local finish, result = matched(into, check(py.re_match(current().rq, subject, regex, options or "", at)))
    if not finish then
        return nil, result
    end
    if ctx then
        ctx.pos = finish + 1
    end
    return result
end

function re.match(subject, regex, options, ctx, into)
    return match(subject, regex, options, ctx, into, "match")
end

function re.find(subject, regex, options, ctx, group)
    subject = type(subject) == "string" and subject or text_of(subject, 1, "find")
    regex = type(regex) == "string" and regex or text_of(regex, 2, "find")
    local at = ctx and ctx.pos or 1
    if at <= 0 then
        at = 1
    end
    local first, last, finish = check(py.re_find(current().rq, subject, regex, options or "", at, group or 0))
    if not first then
        if finish then
            return nil, nil, finish
        end
        return nil
    end
    if ctx and finish then
        ctx.pos = finish + 1
    end
    return first, last
end

function re.gmatch(subject, regex, options)
    subject = type(subject) == "string" and subject or text_of(subject, 1, "gmatch")
    regex = type(regex) == "string" and regex or text_of(regex, 2, "gmatch")
    local search, failure = check(py.re_start(current().rq, subject, regex, options or ""))
    if not search then
        return nil, failure
    end
    local done = false
    local function step()
        if done then
            return nil
        end
        local finish, result = matched(nil, check(py.re_step(search)))
        if not finish then
            done = true
            if result then
                return nil, result
            end
            return nil
        end
        return result
    end
    return setmetatable({}, {__call = step, __index = {}})
end

local function substitute(subject, regex, replacement, options, global, name)
    subject = type(subject) == "string" and subject or text_of(subject, 1, name)
    regex = type(regex) == "string" and regex or text_of(regex, 2, name)
    if type(replacement) ~= "function" then
        return check(py.re_sub(current().rq, subject, regex, text_of(replacement, 3, name), options or "", global))
    end
    local search, failure = check(py.re_start(current().rq, subject, regex, options or ""))
    if not search then
        return nil, nil, failure
    end
    local parts, at, count = {}, 1, 0
    while true do
        local finish, result = matched(nil, check(py.re_step(search)))
        if not finish then
            if result then
                return nil, nil, result
            end
            break
        end
        local first, last = py.re_span(search)
        parts[#parts + 1] = subject:sub(at, first - 1)
        local value = replacement(result)
        if type(value) ~= "string" and type(value) ~= "number" then
            error("string or number expected to be returned by the replace function, got "
                .. type(value), 3)
        end
        parts[#parts + 1] = tostring(value)
        at, count = last + 1, count + 1
        if not global then
            break
        end
    end
    parts[#parts + 1] = subject:sub(at)
    return concat(parts), count
end

function re.sub(subject, regex, replacement, options)
    return substitute(subject, regex, replacement, options, false, "sub")
end

function re.gsub(subject, regex, replacement, options)
    return substitute(subject, regex, replacement, options, true, "gsub")
end

function re.opt() end

function re.split(subject, regex, options, ctx, max, into)
    local parts, at, found = into or {}, ctx and ctx.pos or 1, 0
    local from, start = at, 1
    subject = text_of(subject, 1, "split")
    max = max and max > 0 and max or nil
    if into then
        table.clear(into)
    end
    if regex == "" then
        for index = at, #subject do
            if max and found + 1 >= max then
                found = found + 1
                parts[found] = subject:sub(index)
                return parts
            end
            found = found + 1
            parts[found] = subject:sub(index, index)
        end
        return parts
    end
    local search, failure = check(py.re_start(current().rq, subject, regex, options or "", at))
    if not search then
        return nil, failure
    end
    start = from
    while not (max and found + 1 >= max) do
        local finish, result = matched(nil, check(py.re_step(search)))
        if not finish then
            if result then
                return nil, result
            end
            break
        end
        local first, last = py.re_span(search)
        if last >= first then
            found = found + 1
            parts[found] = subject:sub(start, first - 1)
            for index = 1, #result do
                found = found + 1
                parts[found] = result[index]
            end
            start = last + 1
        elseif first > #subject then
            break
        elseif first > start then
            found = found + 1
            parts[found] = subject:sub(start, first - 1)
            start = first
        end
    end
    found = found + 1
    parts[found] = subject:sub(start)
    while not max and found > 0 and parts[found] == "" do
        parts[found] = nil
        found = found - 1
    end
    return parts
end

-- Shared dictionaries --------------------------------------------------------------------------

local dictionary = {}
dictionary.__index = dictionary

local function key_of(key)
    if key == nil then
        return nil, "nil key"
    end
    key = tostring(key)
    if key == "" then
        return nil, "empty key"
    elseif #key > 65535 then
        return nil, "key too long"
    end
    return key
end

local function store_of(self)
    if type(self) ~= "table" or getmetatable(self) ~= dictionary then
        error("bad \"zone\" argument", 3)
    end
    return self[1]
end

local function seconds_of(value, name)
    value = value or 0
    if type(value) ~= "number" then
        value = tonumber(value) or error("bad \"" .. name .. "\" argument", 3)
    end
    if value < 0 then
        error("bad \"" .. name .. "\" argument", 3)
    end
    return value
end

function dictionary.get(self, key)
    local failure
    local store = store_of(self)
    key, failure = key_of(key)
    if not key then
        return nil, failure
    end
    local found, value, flags = check(py.dict_get(store, key))
    if not found then
        if value then
            return nil, value
        end
        return nil
    end
    if flags ~= 0 then
        return value, flags
    end
    return value
end

function dictionary.get_stale(self, key)
    local failure
    local store = store_of(self)
    key, failure = key_of(key)
    if not key then
        return nil, failure
    end
    local found, value, flags, stale = check(py.dict_get_stale(store, key))
    if not found then
        return nil, value
    end
    return value, flags ~= 0 and flags or nil, stale
end

local function storing(operation)
    return function(self, key, value, seconds, flags)
        local failure
        local store = store_of(self)
        key, failure = key_of(key)
        if not key then
            return nil, failure
        end
        local kind = type(value)
        if kind ~= "string" and kind ~= "number" and kind ~= "boolean" and kind ~= "nil" then
            return nil, "bad value type"
        end
        if value == nil and (operation == "add" or operation == "safe_add" or operation == "replace") then
            return nil, "attempt to " .. operation:gsub("safe_", "") .. " or replace nil values"
        end
        return check(py.dict_store(store, operation, key, value, seconds_of(seconds, "exptime"), tonumber(flags) or 0))
    end
end

for _, operation in ipairs {"set", "safe_set", "add", "safe_add", "replace"} do
    dictionary[operation] = storing(operation)
end

function dictionary.delete(self, key)
    return dictionary.set(self, key, nil)
end

function dictionary.incr(self, key, value, initial, initial_ttl)
    local failure
    local store = store_of(self)
    key, failure = key_of(key)
    if not key then
        return nil, failure
    end
    value = type(value) == "number" and value or tonumber(value)
        or error("bad \"value\" argument", 2)
    if initial ~= nil then
        initial = tonumber(initial)
            or error("bad init arg: number expected, got " .. type(initial), 2)
    end
    if initial_ttl ~= nil then
        local seconds = tonumber(initial_ttl)
        if not seconds then
            error("bad init_ttl arg: number expected, got " .. type(initial_ttl), 2)
        elseif seconds < 0 then
            error("bad \"init_ttl\" argument", 2)
        elseif initial == nil then
            error("must provide \"init\" when providing \"init_ttl\"", 2)
        end
        initial_ttl = seconds
    end
    return check(py.dict_increase(store, key, value, initial, initial_ttl or 0))
end

local function listing(operation)
    return function(self, key, value)
        local failure
        local store = store_of(self)
        key, failure = key_of(key)
        if not key then
            return nil, failure
        end
        local kind = type(value)
        if operation:find("push") and kind ~= "string" and kind ~= "number" then
            return nil, "bad value type"
        end
        return check(py.dict_list(store, operation, key, value))
    end
end

for _, operation in ipairs {"lpush", "rpush", "lpop", "rpop", "llen"} do
    dictionary[operation] = listing(operation)
end

function dictionary.ttl(self, key)
    local failure
    local store = store_of(self)
    key, failure = key_of(key)
    if not key then
        return nil, failure
    end
    return check(py.dict_ttl(store, key))
end

function dictionary.expire(self, key, seconds)
    local failure
    local store = store_of(self)
    key, failure = key_of(key)
    if not key then
        return nil, failure
    end
    if not seconds then
        error("bad \"exptime\" argument", 2)
    end
    return check(py.dict_expire(store, key, seconds_of(seconds, "exptime")))
end

function dictionary.flush_all(self)
    check(py.dict_flush_all(store_of(self)))
end

function dictionary.flush_expired(self, most)
    return check(py.dict_flush_expired(store_of(self), most or 0))
end

function dictionary.get_keys(self, most)
    return check(py.dict_keys(current().rq, store_of(self), most or 1024))
end

function dictionary.capacity(self)
    return check(py.dict_capacity(store_of(self)))
end

function dictionary.free_space(self)
    return check(py.dict_free_space(store_of(self)))
end

ngx.shared = {}
for name, store in pairs(settings.dictionaries) do
    ngx.shared[name] = setmetatable({store}, dictionary)
end

-- Processes ------------------------------------------------------------------------------------

local worker = {}
ngx.worker = worker

function worker.pid()
    return py.worker_pid()
end

function worker.pids()
    error("ngx.worker.pids is not supported by pyngx", 2)
end

function worker.id()
    return py.worker_id()
end

function worker.count()
    return py.worker_count()
end

function worker.exiting()
    return py.worker_exiting()
end

function ngx.run_worker_thread()
    error("ngx.run_worker_thread is not supported by pyngx", 2)
end

-- Other modules of nginx -----------------------------------------------------------------------

ndk = {
    set_var = setmetatable({}, {
        __index = function(_, name)
            return function(text)
                local run = current() or error("no request found", 2)
                return check(py.ndk(run.rq, tostring(name), tostring(text)))
            end
        end,
        __newindex = function()
            error("not allowed", 2)
        end,
    }),
}

package.loaded.ngx, package.loaded.ndk = ngx, ndk

return setmetatable(ngx, ngx_meta)
