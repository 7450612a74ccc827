-- Modules of OpenResty that call nginx through the FFI, and some of its libraries that do so.

local py, core, ngx, settings = ...

local preload, check = package.preload, core.check
local type, tonumber, tostring, error = type, tonumber, tostring, error
local setmetatable, pairs, ipairs = setmetatable, pairs, ipairs

local function provide(name, make)
    preload[name] = function()
        return type(make) == "function" and make() or make
    end
end

local function missing(name)
    return setmetatable({}, {
        __index = function(_, key)
            error(name .. "." .. tostring(key) .. " is not supported by pyngx", 2)
        end,
    })
end

-- resty.core -----------------------------------------------------------------------------------

for _, part in ipairs {
    "", ".base64", ".ctx", ".exit", ".hash", ".misc", ".ndk", ".phase", ".regex", ".request",
    ".response", ".shdict", ".socket", ".time", ".uri", ".utils", ".var", ".worker",
    ".coroutine", ".param",
} do
    provide("resty.core" .. part, {version = "0.1.31"})
end

local base = {
    version = "0.1.31", FFI_OK = 0, FFI_ERROR = -1, FFI_AGAIN = -2, FFI_BUSY = -3, FFI_DONE = -4,
    FFI_DECLINED = -5, FFI_NO_REQ_CTX = -100, FFI_BAD_CONTEXT = -101,
    new_tab = require "table.new", clear_tab = require "table.clear",
    allows_subsystem = function() end,
    get_request = function()
        local run = core.current()
        return run and run.req.is_request and run or nil
    end,
    get_string_buf = function(size)
        return require("ffi").new("unsigned char[?]", size)
    end,
    get_size_ptr = function()
        return require("ffi").new("size_t[1]")
    end,
    get_errmsg_ptr = function()
        return require("ffi").new("unsigned char *[1]")
    end,
    get_string_buf_size = function()
        return 4096
    end,
    set_string_buf_size = function() end,
    ref_in_table = function(t, key)
        t[#t + 1] = key
        return #t
    end,
}
provide("resty.core.base", base)

-- ngx.* ----------------------------------------------------------------------------------------

provide("ngx.re", {
    split = ngx.re.split,
    opt = function() end,
})

provide("ngx.base64", {
    version = "0.1.31",
    encode_base64url = function(text)
        if type(text) ~= "string" then
            return nil, "must provide a string"
        end
        return (ngx.encode_base64(text, true):gsub("[+/]", {["+"] = "-", ["/"] = "_"}))
    end,
    decode_base64url = function(text)
        if type(text) ~= "string" then
            return nil, "must provide a string"
        end
        if text:find("[^%w%-_]") then
            return nil, "invalid input"
        end
        local data = ngx.decode_base64((text:gsub("[-_]", {["-"] = "+", ["_"] = "/"})))
        if not data then
            return nil, "invalid input"
        end
        return data
    end,
    encode_base64mime = function(text)
        return ngx.encode_base64(text)
    end,
    decode_base64mime = function(text)
        return ngx.decode_base64mime(text)
    end,
})

provide("ngx.errlog", {
    raw_log = function(level, text)
        if type(level) ~= "number" or level < ngx.STDERR or level > ngx.DEBUG then
            error("bad log level", 2)
        end
        local run = core.current()
        local rq = run and run.rq
        if py.logs(rq, level) then
            py.log_raw(rq, level, tostring(text))
        end
    end,
    get_sys_filter_level = function()
        local run = core.current()
        return py.log_level(run and run.rq)
    end,
    set_filter_level = function()
        return nil, "\"lua_capture_error_log\" is not supported by pyngx"
    end,
    get_logs = function()
        return nil, "\"lua_capture_error_log\" is not supported by pyngx"
    end,
})

provide("ngx.process", {
    version = "0.1.31",
    type = function()
        return py.process_type()
    end,
    get_master_pid = function()
        return py.master_pid()
    end,
    enable_privileged_agent = function()
        return nil, "no privileged agent in pyngx"
    end,
    signal_graceful_exit = function()
        error("ngx.process.signal_graceful_exit is not supported by pyngx", 2)
    end,
})

provide("ngx.resp", {
    version = "0.1.31",
    add_header = ngx.resp.add_header,
    set_status = function(status, reason)
        ngx.status = status
        check(py.set_reason(core.request(), reason))
    end,
    bypass_if_checks = function() end,
})

provide("ngx.req", {
    version = "0.1.31",
    add_header = function(name, value)
        local headers = ngx.req.get_headers(0, true)
        local values = {}
        for key, present in pairs(headers) do
            if key:lower() == name:lower() then
                if type(present) == "table" then
                    for _, item in ipairs(present) do
                        values[#values + 1] = item
                    end
                else
                    values[#values + 1] = present
                end
            end
        end
        if type(value) == "table" then
            for _, item in ipairs(value) do
                values[#values + 1] = tostring(item)
            end
        else
            values[#values + 1] = tostring(value)
        end
        ngx.req.set_header(name, values)
    end,
})

local balancer = {version = "0.1.31"}
local BALANCING = {balancer = true}

function balancer.set_current_peer(host, port)
    local rq = core.request_in(BALANCING)
    if type(host) ~= "string" then
        error("bad argument #1 to 'set_current_peer' (string expected, got " .. type(host) .. ")", 2)
    end
    if not port and not host:find("^unix:") then
        local name, number = host:match("^(.*):(%d+)$")
        host, port = name or host, number
    end
    return check(py.balancer_set(rq, host, tonumber(port)))
end

function balancer.set_more_tries(count)
    return check(py.balancer_tries(core.request_in(BALANCING), count))
end

function balancer.get_last_failure()
    return check(py.balancer_failure(core.request_in(BALANCING)))
end

provide("ngx.balancer", setmetatable(balancer, {__index = function(_, key)
    error("ngx.balancer." .. tostring(key) .. " is not supported by pyngx", 2)
end}))
provide("ngx.ocsp", missing("ngx.ocsp"))
provide("ngx.pipe", missing("ngx.pipe"))
provide("ngx.ssl.session", missing("ngx.ssl.session"))

-- resty.string: two of its functions are nginx's -----------------------------------------------

provide("resty.string", {
    _VERSION = "0.16",
    to_hex = function(text)
        return check(py.to_hex(tostring(text)))
    end,
    atoi = function(text)
        return tonumber(text:match("^%s*[+-]?%d+")) or 0
    end,
})

-- resty.hmac and resty.evp: those of lua-resty-jwt 0.1 want symbols that OpenSSL 3 has not; of
-- others keys that were parsed are kept -----------------------------------------------------------

local function source_of(name)
    local path = package.searchpath(name, package.path)
    local file = path and io.open(path, "rb")
    if not file then
        return nil
    end
    local text = file:read("*a")
    file:close()
    return text, path
end

local MOST_KEYS = 128

-- The objects of a class by the text that they are made of.
local function remembered(class)
    local make = class and class.new
    if type(make) ~= "function" then
        return
    end
    local known, order, last = {}, {}, 0
    function class.new(self, text, ...)
        if self ~= class or type(text) ~= "string" or (...) ~= nil then
            return make(self, text, ...)
        end
        local found = known[text]
        if found then
            return found
        end
        -- An object of its own: as written the class itself is the only one, with the last key.
        local object, failure = make(setmetatable({}, {__index = class}), text, ...)
        if object then
            last = last % MOST_KEYS + 1
            if order[last] then
                known[order[last]] = nil
            end
            order[last], known[text] = text, object
        end
        return object, failure
    end
end

local function own_hmac()
    local ALGORITHMS = {MD5 = "md5", SHA1 = "sha1", SHA256 = "sha256", SHA512 = "sha512"}
    local hmac = {ALGOS = ALGORITHMS}
    hmac.__index = hmac
    function hmac.new(_, key, algorithm)
        return setmetatable({key = key, algorithm = algorithm or "md5", parts = {}}, hmac)
    end
    function hmac.update(self, text)
        self.parts[#self.parts + 1] = text
        return true
    end
    function hmac.final(self, text, hex)
        if text then
            hmac.update(self, text)
        end
        local digest = check(py.hmac_digest(self.algorithm, self.key, table.concat(self.parts)))
        self.parts = {}
        return hex and check(py.to_hex(digest)) or digest
    end
    function hmac.reset(self)
        self.parts = {}
        return true
    end
    return hmac
end

local function own_evp()
    local evp = {CONST = {SHA256_DIGEST = "SHA256", SHA512_DIGEST = "SHA512"}}

    local Key = {}
    Key.__index = Key
    local function reader(load)
        local class = {}
        function class.new(_, pem)
            local key, failure = check(load(pem))
            if not key then
                return nil, failure
            end
            return setmetatable({key = key, pem = pem}, Key)
        end
        return class
    end
    function Key.get_public_key(self)
        return self
    end
    function Key.verify_trust()
        return nil, "certificates are not verified by pyngx's resty.evp"
    end
    evp.Cert, evp.PublicKey = reader(py.load_certificate), reader(py.load_public_key)

    evp.RSAVerifier = {
        new = function(_, source)
            if not source then
                return nil, "You must pass in an key for a public key"
            end
            return {
                verify = function(_, message, signature, digest)
                    if check(py.verify_rsa(source.key, message, signature, digest)) then
                        return true
                    end
                    return false, "Verification failed"
                end,
            }
        end,
    }
    evp.RSASigner = {
        new = function(_, pem)
            local key, failure = check(py.load_private_key(pem))
            if not key then
                return nil, failure
            end
            return {
                sign = function(_, message, digest)
                    return check(py.sign_rsa(key, message, digest))
                end,
            }
        end,
    }
    return evp
end

local function provided(name, old_symbol, new_symbol, own, keeps)
    preload[name] = function(...)
        local text, path = source_of(name)
        if not text then
            error("module '" .. name .. "' not found in " .. package.path, 2)
        end
        if text:find(old_symbol, 1, true) and not text:find(new_symbol, 1, true) then
            return own()
        end
        local module = assert(loadstring(text, "@" .. path))(...)
        for _, class in ipairs(keeps) do
            remembered(module[class])
        end
        return module
    end
end

provided("resty.hmac", "HMAC_CTX_init", "HMAC_CTX_new", own_hmac, {})
provided("resty.evp", "EVP_MD_CTX_create", "EVP_MD_CTX_new", own_evp, {"PublicKey", "Cert"})
