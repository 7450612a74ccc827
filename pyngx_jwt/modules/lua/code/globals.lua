-- What the language of OpenResty's LuaJIT has and plain LuaJIT has not, and the guard of globals.

local ngx, core, settings = ...

local getmetatable, setmetatable, rawset, type, select = getmetatable, setmetatable, rawset, type, select
local next, rawget = next, rawget

-- Lua 5.2 --------------------------------------------------------------------------------------

local metatypes = setmetatable({}, {__mode = "k"})
local plain_pairs, plain_ipairs = pairs, ipairs

local function handler(value, name)
    local kind = type(value)
    if kind == "table" or kind == "userdata" then
        local meta = getmetatable(value)
        return type(meta) == "table" and rawget(meta, name)
    elseif kind == "cdata" then
        local ffi = require "ffi"
        local meta = metatypes[tonumber(ffi.typeof(value))]
        return meta and meta[name]
    end
end

function pairs(value)
    local own = handler(value, "__pairs")
    if own then
        return own(value)
    end
    return plain_pairs(value)
end

function ipairs(value)
    local own = handler(value, "__ipairs")
    if own then
        return own(value)
    end
    return plain_ipairs(value)
end

table.pack = table.pack or function(...)
    return {n = select("#", ...), ...}
end
table.unpack = table.unpack or unpack

-- OpenResty's tables ---------------------------------------------------------------------------

local new, clear = require "table.new", require "table.clear"
table.new, table.clear = new, clear

local function nkeys(t)
    local count = 0
    for _ in next, t do
        count = count + 1
    end
    return count
end

local function isarray(t)
    local highest, count = 0, 0
    for key in next, t do
        if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
            return false
        end
        count = count + 1
        if key > highest then
            highest = key
        end
    end
    return highest == count
end

local function isempty(t)
    return next(t) == nil
end

local function clone(t)
    local copy = {}
    for key, value in next, t do
        copy[key] = value
    end
    return copy
end

local exdata = setmetatable({}, {__mode = "k"})

local function thread_exdata(value)
    local co = coroutine.running() or "main"
    if value ~= nil then
        exdata[co] = value
        return
    end
    return exdata[co]
end

for name, value in next, {
    ["table.nkeys"] = nkeys, ["table.isarray"] = isarray, ["table.isempty"] = isempty,
    ["table.clone"] = clone, ["thread.exdata"] = thread_exdata, ["thread.exdata2"] = thread_exdata,
} do
    package.preload[name] = function()
        return value
    end
end
table.nkeys, table.isarray, table.isempty, table.clone = nkeys, isarray, isempty, clone

-- FFI ------------------------------------------------------------------------------------------

local ffi = require "ffi"
local plain_load, plain_metatype = ffi.load, ffi.metatype

-- Names of OpenSSL's libraries that only the development packages have: they are loaded already.
function ffi.load(name, ...)
    local ok, library = pcall(plain_load, name, ...)
    if ok then
        return library
    end
    if name == "crypto" or name == "ssl" or name:find("^lib[cs][rs][yl]p?t?o?%.so") then
        return ffi.C
    end
    error(library, 2)
end

function ffi.metatype(kind, meta)
    local made = plain_metatype(kind, meta)
    if meta.__pairs or meta.__ipairs then
        metatypes[tonumber(made)] = meta
    end
    return made
end

-- Globals --------------------------------------------------------------------------------------

local WARNING = "writing a global Lua variable ('%s') which may lead to race conditions between"
    .. " concurrent requests, so prefer the use of 'local' variables"

setmetatable(_G, {
    __newindex = function(globals, key, value)
        rawset(globals, key, value)
        local run = core.current()
        if run and run.phase ~= "init" then
            settings.warn(run.rq, debug.traceback(WARNING:format(tostring(key)), 2))
        end
    end,
})

-- A table for the globals that one request writes.
local isolated = {__index = _G}

return function()
    local env = setmetatable({}, isolated)
    rawset(env, "_G", env)
    return env
end
