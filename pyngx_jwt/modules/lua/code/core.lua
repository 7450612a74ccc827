-- Runs of handlers: coroutines that Python drives, light threads, errors, phases.
--
-- A run is one execution of a handler: {rq = its Python object, req = what all runs of a request
-- share, phase = ..., yields = whether it can wait}.  A thread is {co =, run =}; a run has an entry
-- thread and those that it spawns.  To wait, a thread yields SYS, the name of an operation, and
-- its arguments.  This passes through the coroutines of the user's code up to Python, which
-- resumes the thread with the result.

local py, ERROR, settings = ...

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local running, status = coroutine.running, coroutine.status
local error, pcall, xpcall, select, type = error, pcall, xpcall, select, type
local setmetatable, tostring, unpack, ipairs = setmetatable, tostring, unpack, ipairs
local traceback, getinfo = debug.traceback, debug.getinfo
local concat = table.concat

local SYS = {}
local cur -- the run whose code is being executed
local threads = setmetatable({}, {__mode = "kv"}) -- by coroutine, as long as someone holds them

local CONTEXTS = {
    init = "init_by_lua*", init_worker = "init_worker_by_lua*", exit_worker = "exit_worker_by_lua*",
    set = "set_by_lua*", server_rewrite = "server_rewrite_by_lua*", rewrite = "rewrite_by_lua*",
    preread = "preread_by_lua*", access = "access_by_lua*", precontent = "precontent_by_lua*", content = "content_by_lua*",
    header_filter = "header_filter_by_lua*", body_filter = "body_filter_by_lua*",
    log = "log_by_lua*", timer = "ngx.timer", balancer = "balancer_by_lua*",
    ssl_client_hello = "ssl_client_hello_by_lua*", ssl_cert = "ssl_certificate_by_lua*",
}

local core = {CONTEXTS = CONTEXTS}

-- Errors -------------------------------------------------------------------------------------

-- What a function of Python returned, or the Lua error that it asks for.
local function check(first, ...)
    if first == ERROR then
        error((...), 3)
    end
    return first, ...
end
core.check = check

local function described(co, failure, trail)
    local kind = type(failure)
    local text
    if kind == "string" or kind == "number" then
        text = tostring(failure)
    else
        local ok, shown = pcall(tostring, failure)
        local meta = getmetatable(failure)
        text = ok and meta and meta.__tostring and shown or "unknown reason"
    end
    local lines, count = {text, "\nstack traceback:"}, 0
    local function add(each)
        lines[#lines + 1] = "\ncoroutine " .. count .. ":"
        lines[#lines + 1] = traceback(each):gsub("^stack traceback:", "")
        count = count + 1
    end
    if trail and trail.failure == failure then
        for _, each in ipairs(trail) do
            add(each)
        end
    end
    add(co)
    return concat(lines)
end

-- What a handler of a phase that cannot wait failed with.
local function explained(failure)
    if type(failure) ~= "string" then
        local meta = getmetatable(failure)
        return meta and meta.__tostring and tostring(failure) or "unknown reason"
    end
    local text = traceback(failure, 2) -- no tail call: it would count as a level less
    return text
end

-- Running ------------------------------------------------------------------------------------

local limit = settings.timeout -- seconds of processor time between two waits
local clock, started, warned = os.clock, 0, 0

-- Code of a run begins.  What was running before is to be given to `left`.
local function entered(run)
    local before = cur
    if limit and not before then
        started = clock()
        -- Functions in C, which call no hooks, end the worker then: the kernel counts the time of
        -- its timer less exactly than the clock.
        py.watch(limit * 3 + 1)
    end
    cur = run
    return before
end

local function left(before, ...)
    cur = before
    if limit and not before then
        py.watch(0)
    end
    return ...
end

if limit then
    -- Compiled code looks at no hooks.
    jit.off()
    jit.flush()
    debug.sethook(function()
        if not cur or cur.phase == "init" then
            return -- what Python looks for between runs, and the code of the master
        end
        local spent = clock() - started
        if spent > limit * 2 then
            py.give_up()
        end
        if spent > limit then
            error("pyngx_lua_timeout: the code has run for " .. limit .. " seconds", 2)
        end
    end, "", 100000)
end

local function finished(thread, ...)
    thread.done = true
    if thread.parent then
        thread.results = {n = select("#", ...) + 1, true, ...}
        return thread, "done"
    end
    local run = thread.run
    if run.children then
        return thread, "done"
    end
end

local function outcome(thread, ok, first, ...)
    if not ok then
        thread.done = true
        local text = described(thread.co, first, thread.run.trail)
        if thread.parent then
            thread.results = {n = 2, false, first}
        end
        return thread, "error", text
    end
    if first == SYS then
        return thread, ...
    end
    return finished(thread, first, ...)
end

local function step(thread, ...)
    local run = thread.run
    local before = entered(run)
    run.thread = thread
    return left(before, outcome(thread, resume(thread.co, ...)))
end
core.step = step

-- Starts a handler that may wait.  Returns nothing if it is over, or a thread, what it wants, and
-- arguments of that.
function core.enter(fn, rq, req, phase, ...)
    local run = {rq = rq, req = req, phase = phase, yields = true}
    local co = create(fn)
    local thread = {co = co, run = run}
    run.entry = thread
    threads[co] = thread
    return step(thread, ...)
end

local function unwound(before, ok, result)
    left(before)
    return ok, result
end

-- Runs a handler that cannot wait: true and what it returns, or false and what is wrong.
function core.call(fn, rq, req, phase, ...)
    local before = entered({rq = rq, req = req, phase = phase, arg = nil})
    return unwound(before, xpcall(fn, explained, ...))
end

-- The same of a body filter: what becomes of a part, and whether it is the last one.
function core.filter(fn, rq, req, data, eof)
    local run = {rq = rq, req = req, phase = "body_filter", chunk = data, eof = eof}
    local before = entered(run)
    local ok, result = unwound(before, xpcall(fn, explained))
    return ok, result, run.chunk, run.eof
end

-- The same of "set_by_lua", with its arguments.
function core.set(fn, rq, req, args)
    local before = entered({rq = rq, req = req, phase = "set", args = args})
    return unwound(before, xpcall(fn, explained))
end

-- Waits for an operation of Python.
local function await(operation, ...)
    local run = cur
    if not run then
        error("no request found", 3)
    end
    if not run.yields then
        error("API disabled in the context of " .. CONTEXTS[run.phase], 3)
    end
    return yield(SYS, operation, ...)
end
core.await = await

function core.current()
    return cur
end

function core.can_wait()
    return cur and cur.yields and coroutine.isyieldable()
end

local function refuse(run)
    if not run then
        error("no request found", 4)
    elseif not run.req.is_request then
        error("API disabled in the current context", 4)
    end
    error("API disabled in the context of " .. CONTEXTS[run.phase], 4)
end

-- The Python object of the current run, which must be one of a request.
function core.request()
    local run = cur
    if not run or not run.req.is_request then
        refuse(run)
    end
    return run.rq
end

-- The Python object of the current run, which must be in one of these phases.
function core.request_in(allowed)
    local run = cur
    if not run or not allowed[run.phase] then
        refuse(run)
    end
    return run.rq
end

-- Coroutines of the user's code --------------------------------------------------------------

local passed

local function waited(co, mark, ...)
    return passed(co, resume(co, yield(mark, ...)))
end

function passed(co, ok, ...)
    if ok and (...) == SYS then
        return waited(co, ...)
    end
    return ok, ...
end

function coroutine.resume(co, ...)
    local state = status(co)
    if state ~= "suspended" then
        return false, "cannot resume " .. state .. " coroutine"
    end
    return passed(co, resume(co, ...))
end

-- Where an error has come through, for the traceback of the one that it ends.
local function note_error(co, failure)
    local run = cur
    if run then
        local trail = run.trail
        if not trail or trail.failure ~= failure then
            trail = {failure = failure}
            run.trail = trail
        end
        trail[#trail + 1] = co
    end
end

local function unwrapped(co, ok, ...)
    if not ok then
        local failure = ...
        note_error(co, failure)
        error(failure, type(failure) == "string" and 0 or 2)
    end
    return ...
end

local plain_wrap = coroutine.wrap

function coroutine.wrap(f)
    if not (cur and cur.yields) then
        return plain_wrap(f)
    end
    local co = create(f)
    return function(...)
        return unwrapped(co, passed(co, resume(co, ...)))
    end
end

-- Of light threads, too, in the words of OpenResty.
function coroutine.status(co)
    local thread = threads[co]
    if not thread then
        return status(co)
    elseif thread.done then
        return thread.results and not thread.collected and "zombie" or "dead"
    end
    return thread.spawns and "normal" or "running"
end

-- In a thread itself there is nobody to yield to but the scheduler.
function coroutine.yield(...)
    local co = running()
    if co and threads[co] then
        return yield(SYS, "turn")
    end
    return yield(...)
end

-- Light threads ------------------------------------------------------------------------------

local THREADED = {
    rewrite = true, server_rewrite = true, access = true, precontent = true, content = true,
    preread = true, timer = true, ssl_client_hello = true, ssl_cert = true,
}

local function begun(parent, thread, co, child, wanted, ...)
    local run = parent.run
    run.thread, parent.spawns = parent, nil
    if wanted == "exit" or wanted == "exec" then
        yield(SYS, wanted, ...)
    elseif wanted == "error" then
        py.log_thread(run.rq, (...))
    elseif not thread.done then
        py.spawned(run.rq, thread.id, thread, wanted, ...)
    end
    if parent.parent then -- who has waited longer goes on first
        yield(SYS, "turn")
    end
    return co
end

local last = 0

local thread = {}

function thread.spawn(f, ...)
    local run = cur
    if not run or not THREADED[run.phase] then
        error("API disabled in the context of " .. (run and CONTEXTS[run.phase] or "?"), 2)
    end
    if type(f) ~= "function" then
        error("bad argument #1 to 'spawn' (function expected, got " .. type(f) .. ")", 2)
    end
    local parent, co = run.thread, create(f)
    last = last + 1
    local child = {co = co, run = run, parent = parent, id = last}
    run.children = run.children or {}
    run.children[co] = child
    threads[co] = child
    run.thread, parent.spawns = child, true
    return begun(parent, child, co, outcome(child, resume(co, ...)))
end

local function collected(run, co, child)
    run.children[co] = nil
    child.collected = true
    return unpack(child.results, 1, child.results.n)
end

function thread.wait(...)
    local run, count = cur, select("#", ...)
    if not run or not THREADED[run.phase] then
        error("API disabled in the context of " .. (run and CONTEXTS[run.phase] or "?"), 2)
    end
    if count == 0 then
        error("at least one coroutine should be specified", 2)
    end
    local waited = {}
    for number = 1, count do
        local co = select(number, ...)
        local known = threads[co]
        if not known or not known.parent then
            error("attempt to wait on a coroutine that is not a user thread", 2)
        end
        local child = run.children and run.children[co]
        if not child or child.killed then
            return nil, "already waited or killed"
        end
        if child.parent ~= run.thread then
            error("only the parent coroutine can wait on the thread", 2)
        end
        if child.results then
            return collected(run, co, child)
        end
        waited[number] = child.id
    end
    while true do
        yield(SYS, "join", unpack(waited, 1, count))
        for number = 1, count do
            local co = select(number, ...)
            local child = run.children[co]
            if child and child.results then
                return collected(run, co, child)
            end
        end
    end
end

function thread.kill(co)
    local run = cur
    local child = run and run.children and run.children[co]
    if not child then
        return nil, "already waited or killed"
    end
    if child.parent ~= run.thread then
        return nil, "killer not parent"
    end
    if child.done then
        return nil, "already terminated"
    end
    if (child.captures or 0) > 0 then
        return nil, "pending subrequests"
    end
    child.killed = true
    run.children[co] = nil
    py.kill(run.rq, child.id)
    return 1
end
core.thread = thread

-- Places in the code -------------------------------------------------------------------------

-- "file:line: " and the function, of who has called the API.
function core.place(level)
    local info = getinfo(level + 1, "Snl")
    if not info then
        return ""
    end
    local name = info.short_src:match("([^/]*)$")
    local text = name .. ":" .. info.currentline .. ": "
    if info.namewhat ~= "" and info.what == "Lua" and info.name then
        text = text .. info.name .. "(): "
    end
    return text
end

return core
