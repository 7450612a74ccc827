-- ngx.ssl and ngx.ssl.clienthello.

local py, core = ...

local check, preload = core.check, package.preload
local type, error, tostring, ipairs, setmetatable = type, error, tostring, ipairs, setmetatable
local byte = string.byte

local HELLO, CERTIFICATE = {ssl_client_hello = true}, {ssl_cert = true}
local HANDSHAKE = {ssl_client_hello = true, ssl_cert = true}

local VERSIONS = {
    [0x002] = "SSLv2", [0x300] = "SSLv3", [0x301] = "TLSv1", [0x302] = "TLSv1.1",
    [0x303] = "TLSv1.2", [0x304] = "TLSv1.3",
}
local NAMES = {}
for _, name in pairs(VERSIONS) do
    NAMES[name] = true
end

local function refusing(module, name)
    return setmetatable(module, {__index = function(_, key)
        error(name .. "." .. tostring(key) .. " is not supported by pyngx", 2)
    end})
end

local function any()
    local run = core.current()
    if not run then
        error("no request found", 3)
    end
    return run.rq
end

local function text_of(value, name)
    if type(value) ~= "string" then
        error("bad argument #1 to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
    end
    return value
end

local ssl = {version = "0.1.31", SSL3_VERSION = 0x0300, TLS1_VERSION = 0x0301,
    TLS1_1_VERSION = 0x0302, TLS1_2_VERSION = 0x0303, TLS1_3_VERSION = 0x0304}

-- Certificates and keys ------------------------------------------------------------------------

local function parsing(name, kind)
    ssl[name] = function(text, password)
        return check(py.ssl_parse(kind, text_of(text, name), password))
    end
end

parsing("parse_pem_cert", "chain")
parsing("parse_der_cert", "chain-der")
parsing("parse_pem_priv_key", "key")
parsing("parse_der_priv_key", "key-der")

local function converting(name, parse)
    ssl[name] = function(pem, password)
        local parsed, failure = ssl[parse](text_of(pem, name), password)
        if not parsed then
            return nil, failure
        end
        return check(py.ssl_encoded(parsed))
    end
end

converting("cert_pem_to_der", "parse_pem_cert")
converting("priv_key_pem_to_der", "parse_pem_priv_key")

local function setting(name, kind, set, parse)
    ssl[name] = function(value)
        local rq = core.request_in(CERTIFICATE)
        if parse then
            local failure
            value, failure = parse(text_of(value, name))
            if not value then
                return nil, failure
            end
        elseif not py.ssl_is(kind, value) then
            error("bad argument #1 to '" .. name .. "' (what parse_* returns expected)", 2)
        end
        return check(set(rq, value))
    end
end

setting("set_cert", "chain", py.ssl_set_chain)
setting("set_priv_key", "key", py.ssl_set_key)
setting("set_der_cert", "chain", py.ssl_set_chain, ssl.parse_der_cert)
setting("set_der_priv_key", "key", py.ssl_set_key, ssl.parse_der_priv_key)

function ssl.clear_certs()
    return check(py.ssl_clear_certs(core.request_in(CERTIFICATE)))
end

function ssl.verify_client(authorities, depth)
    local rq = core.request_in(CERTIFICATE)
    if authorities ~= nil and not py.ssl_is("chain", authorities) then
        error("bad argument #1 to 'verify_client' (what parse_pem_cert returns expected)", 2)
    end
    return check(py.ssl_verify_client(rq, authorities, depth or -1))
end

-- The connection -------------------------------------------------------------------------------

function ssl.server_name()
    return check(py.ssl_server_name(any()))
end

function ssl.get_tls1_version()
    local number, name = check(py.ssl_version(any()))
    if not number then
        return nil, name
    end
    return number
end

function ssl.get_tls1_version_str()
    local number, name = check(py.ssl_version(any()))
    if not number then
        return nil, name
    end
    return name
end

function ssl.get_client_random(length)
    local random, failure = check(py.ssl_client_random(any()))
    if not random then
        return nil, failure
    end
    if length == 0 then
        return #random
    end
    return length and random:sub(1, length) or random
end

function ssl.raw_client_addr()
    local address, kind = check(py.ssl_address(core.request_in(HANDSHAKE), true))
    return address, kind
end

function ssl.raw_server_addr()
    local address, kind = check(py.ssl_address(core.request_in(HANDSHAKE), false))
    return address, kind
end

function ssl.server_port()
    local _, kind, port = check(py.ssl_address(core.request_in(HANDSHAKE), false))
    if kind == "unix" then
        return nil, "unix domain has no port"
    end
    return port
end

preload["ngx.ssl"] = function()
    return refusing(ssl, "ngx.ssl")
end

-- The client's hello ---------------------------------------------------------------------------

local hello = {version = "0.1.31"}

function hello.get_client_hello_server_name()
    return check(py.ssl_server_name(core.request_in(HELLO)))
end

function hello.get_client_hello_ext(kind)
    return check(py.hello_extension(core.request_in(HELLO), kind))
end

function hello.get_client_hello_ext_present()
    return check(py.hello_extensions(core.request_in(HELLO)))
end

function hello.get_client_hello_ciphers()
    return check(py.hello_ciphers(core.request_in(HELLO)))
end

local SUPPORTED_VERSIONS = 43

function hello.get_supported_versions()
    local data = check(py.hello_extension(core.request_in(HELLO), SUPPORTED_VERSIONS))
    if not data or #data == 0 or byte(data) ~= #data - 1 then
        return nil
    end
    local found = {}
    for at = #data - 1, 2, -2 do
        found[#found + 1] = VERSIONS[byte(data, at) * 256 + byte(data, at + 1)]
    end
    return found
end

function hello.set_protocols(protocols)
    local rq = core.request_in(HELLO)
    for _, name in ipairs(protocols) do
        if not NAMES[name] then
            return nil, "invalid protocols failed"
        end
    end
    check(py.hello_allow_only(rq, unpack(protocols)))
    return true
end

preload["ngx.ssl.clienthello"] = function()
    return refusing(hello, "ngx.ssl.clienthello")
end
