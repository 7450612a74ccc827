-- "stream" has no requests and responses: what is about them is not there.

local py, core, ngx = ...

for name in pairs(ngx) do
    if name:find("^HTTP_") then
        ngx[name] = nil
    end
end
for _, name in ipairs {
    "header", "resp", "location", "redirect", "exec", "send_headers", "arg", "http_time",
    "cookie_time", "parse_http_time",
} do
    ngx[name] = nil
end
ngx.req = {socket = ngx.req.socket, start_time = ngx.req.start_time}
ndk, package.loaded.ndk = nil, nil

-- They are computed, too.  The status of a session can be read, and is not set.
local ABSENT = {headers_sent = true, is_subrequest = true}
local PLAIN = {status = true, headers_sent = true, is_subrequest = true}
local meta = getmetatable(ngx)
local index, new_index = meta.__index, meta.__newindex

function meta.__index(table, key)
    if not ABSENT[key] then
        return index(table, key)
    end
end

function meta.__newindex(table, key, value)
    if PLAIN[key] then
        rawset(table, key, value)
    else
        new_index(table, key, value)
    end
end

-- Flushing always waits.
function ngx.flush()
    local ok, failure = core.check(py.flush(core.request_in {preread = true, content = true}))
    if not ok then
        return nil, failure
    end
    return core.await("drain")
end
