-- The modules "cjson" and "cjson.safe".

local ngx = ...

local type, error, pairs, next, pcall, tostring, tonumber = type, error, pairs, next, pcall, tostring, tonumber
local setmetatable, getmetatable, select, rawequal = setmetatable, getmetatable, select, rawequal
local byte, char, find, sub, gsub, format, match = string.byte, string.char, string.find, string.sub, string.gsub, string.format, string.match
local concat, floor, huge = table.concat, math.floor, math.huge

local null = ngx.null
local empty_array = require("string.buffer").decode("\4\1\0\0\0") -- light userdata, another than null
local empty_array_mt, array_mt = {}, {}

local ESCAPES = {
    ['"'] = '\\"', ["\\"] = "\\\\", ["/"] = "\\/", ["\b"] = "\\b", ["\f"] = "\\f",
    ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\127"] = "\\u007f",
}
for code = 0, 31 do
    local letter = char(code)
    ESCAPES[letter] = ESCAPES[letter] or format("\\u%04x", code)
end

local UNESCAPES = {
    ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function new(safe)
    local json = {
        _NAME = "cjson", _VERSION = "2.1.0.10", null = null, empty_array = empty_array,
        empty_array_mt = empty_array_mt, array_mt = array_mt,
    }
    local number_format, precision = "%.14g", 14
    local encode_depth, decode_depth = 1000, 1000
    local sparse_convert, sparse_ratio, sparse_safe = false, 2, 10
    local invalid_encode, invalid_decode = false, true
    local empty_as_object, escapes_slash, array_mt_decode = true, true, false
    local keep_buffer = true

    -- Encoding ---------------------------------------------------------------------------------

    local special = '[%c"\\/\127]'

    local function quoted(text)
        if find(text, special) then
            text = gsub(text, special, ESCAPES)
        end
        return '"' .. text .. '"'
    end

    local function fail(what, why)
        error("Cannot serialise " .. what .. ": " .. why, 0)
    end

    local function length_of(value)
        local highest, count = 0, 0
        for key in next, value do
            if type(key) ~= "number" or key < 1 or key ~= floor(key) then
                return nil
            end
            count = count + 1
            if key > highest then
                highest = key
            end
        end
        if sparse_ratio > 0 and highest > count * sparse_ratio and highest > sparse_safe then
            if not sparse_convert then
                fail("table", "excessively sparse array")
            end
            return nil
        end
        return highest
    end

    local append

    local function append_array(parts, n, value, length, depth)
        n = n + 1
        parts[n] = "["
        for index = 1, length do
            if index > 1 then
                n = n + 1
                parts[n] = ","
            end
            n = append(parts, n, value[index], depth)
        end
        parts[n + 1] = "]"
        return n + 1
    end

    function append(parts, n, value, depth)
        local kind = type(value)
        if kind == "string" then
            parts[n + 1] = quoted(value)
        elseif kind == "number" then
            if value ~= value or value == huge or value == -huge then
                if invalid_encode == "null" then
                    parts[n + 1] = "null"
                elseif not invalid_encode then
                    fail("number", "must not be NaN or Infinity")
                else
                    parts[n + 1] = value ~= value and "NaN" or value > 0 and "Infinity" or "-Infinity"
                end
            else
                parts[n + 1] = format(number_format, value)
            end
        elseif kind == "boolean" then
            parts[n + 1] = value and "true" or "false"
        elseif kind == "nil" or value == null then
            parts[n + 1] = "null"
        elseif value == empty_array then
            parts[n + 1] = "[]"
        elseif kind == "table" then
            depth = depth + 1
            if depth > encode_depth then
                fail("table", "excessively nested")
            end
            local meta = getmetatable(value)
            if meta == array_mt then
                return append_array(parts, n, value, #value, depth)
            end
            local length = length_of(value)
            if length and length > 0 then
                return append_array(parts, n, value, length, depth)
            end
            if length == 0 and (meta == empty_array_mt or not empty_as_object) then
                parts[n + 1] = "[]"
                return n + 1
            end
            n = n + 1
            parts[n] = "{"
            local first = true
            for key, item in next, value do
                local name
                if type(key) == "string" then
                    name = quoted(key)
                elseif type(key) == "number" then
                    name = '"' .. format(number_format, key) .. '"'
                else
                    fail(type(key), "table key must be a number or string")
                end
                n = n + 1
                parts[n] = first and name .. ":" or "," .. name .. ":"
                first = false
                n = append(parts, n, item, depth)
            end
            parts[n + 1] = "}"
        else
            fail(kind, "type not supported")
        end
        return n + 1
    end

    local function encode(value)
        local parts = {}
        append(parts, 0, value, 0)
        return concat(parts)
    end

    -- Decoding ---------------------------------------------------------------------------------

    local function wrong(text, at, expected)
        local found
        local letter = sub(text, at, at)
        if letter == "" then
            found = "T_END"
        elseif find(letter, '[{}%[%],:]') then
            found = ({["{"] = "T_OBJ_BEGIN", ["}"] = "T_OBJ_END", ["["] = "T_ARR_BEGIN",
                ["]"] = "T_ARR_END", [","] = "T_COMMA", [":"] = "T_COLON"})[letter]
        elseif letter == '"' then
            found = "T_STRING"
        else
            found = "invalid token"
        end
        error(format("Expected %s but found %s at character %d", expected, found, at), 0)
    end

    local function utf8(code)
        if code < 0x80 then
            return char(code)
        elseif code < 0x800 then
            return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
        elseif code < 0x10000 then
            return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
        end
        return char(0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40,
            0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
    end

    local function string_at(text, at)
        local start = at + 1
        local stop = find(text, '["\\%z\1-\31]', start)
        if stop and byte(text, stop) == 34 then
            return sub(text, start, stop - 1), stop + 1
        end
        local parts = {}
        while true do
            if not stop then
                error("Expected value but found unexpected end of string at character " .. #text + 1, 0)
            end
            parts[#parts + 1] = sub(text, start, stop - 1)
            local code = byte(text, stop)
            if code == 34 then
                return concat(parts), stop + 1
            elseif code == 92 then
                local letter = sub(text, stop + 1, stop + 1)
                if letter == "u" then
                    local hex = match(text, "^%x%x%x%x", stop + 2)
                    if not hex then
                        error("Expected value but found invalid unicode escape code at character " .. stop, 0)
                    end
                    local point = tonumber(hex, 16)
                    start = stop + 6
                    if point >= 0xD800 and point < 0xDC00 then
                        local low = match(text, "^\\u([dD][c-fC-F]%x%x)", start)
                        if not low then
                            error("Expected value but found invalid unicode escape code at character " .. stop, 0)
                        end
                        point = 0x10000 + (point - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00
                        start = start + 6
                    elseif point >= 0xDC00 and point < 0xE000 then
                        error("Expected value but found invalid unicode escape code at character " .. stop, 0)
                    end
                    parts[#parts + 1] = utf8(point)
                else
                    local plain = UNESCAPES[letter]
                    if not plain then
                        error("Expected value but found invalid escape code at character " .. stop, 0)
                    end
                    parts[#parts + 1] = plain
                    start = stop + 2
                end
            else
                -- cjson takes control characters as they are, except the end of the text
                parts[#parts + 1] = sub(text, stop, stop)
                start = stop + 1
            end
            stop = find(text, '["\\%z\1-\31]', start)
        end
    end

    local value_at

    local function array_at(text, at, depth)
        local result, count = {}, 0
        if array_mt_decode then
            setmetatable(result, array_mt)
        end
        at = find(text, "[^ \t\r\n]", at + 1) or #text + 1
        if byte(text, at) == 93 then
            return result, at + 1
        end
        while true do
            local value
            value, at = value_at(text, at, depth)
            count = count + 1
            result[count] = value
            at = find(text, "[^ \t\r\n]", at) or #text + 1
            local code = byte(text, at)
            if code == 93 then
                return result, at + 1
            elseif code ~= 44 then
                wrong(text, at, "comma or array end")
            end
            at = find(text, "[^ \t\r\n]", at + 1) or #text + 1
        end
    end

    local function object_at(text, at, depth)
        local result = {}
        at = find(text, "[^ \t\r\n]", at + 1) or #text + 1
        if byte(text, at) == 125 then
            return result, at + 1
        end
        while true do
            if byte(text, at) ~= 34 then
                wrong(text, at, "object key string")
            end
            local key, value
            key, at = string_at(text, at)
            at = find(text, "[^ \t\r\n]", at) or #text + 1
            if byte(text, at) ~= 58 then
                wrong(text, at, "colon")
            end
            at = find(text, "[^ \t\r\n]", at + 1) or #text + 1
            value, at = value_at(text, at, depth)
            result[key] = value
            at = find(text, "[^ \t\r\n]", at) or #text + 1
            local code = byte(text, at)
            if code == 125 then
                return result, at + 1
            elseif code ~= 44 then
                wrong(text, at, "comma or object end")
            end
            at = find(text, "[^ \t\r\n]", at + 1) or #text + 1
        end
    end

    function value_at(text, at, depth)
        local code = byte(text, at)
        if code == 34 then
            return string_at(text, at)
        elseif code == 123 or code == 91 then
            depth = depth + 1
            if depth > decode_depth then
                error(format("Found too many nested data structures (%d)", depth), 0)
            end
            if code == 123 then
                return object_at(text, at, depth)
            end
            return array_at(text, at, depth)
        end
        local word = match(text, "^%-?%d+%.?%d*[eE]?[%+%-]?%d*", at)
        if word then
            local number = tonumber(word)
            local follows = match(text, "^[%w%.]", at + #word)
            if not number or follows or match(word, "^%-?0%d") or match(word, "%.$") or match(word, "%.[eE]") then
                error("Expected value but found invalid number at character " .. at, 0)
            end
            return number, at + #word
        end
        word = match(text, "^%-?%a+", at)
        if word == "true" then
            return true, at + 4
        elseif word == "false" then
            return false, at + 5
        elseif word == "null" then
            return null, at + 4
        elseif invalid_decode and word then
            local lower = word:lower()
            if lower == "nan" or lower == "-nan" then
                return 0 / 0, at + #word
            elseif lower == "inf" or lower == "infinity" then
                return huge, at + #word
            elseif lower == "-inf" or lower == "-infinity" then
                return -huge, at + #word
            end
        end
        wrong(text, at, "value")
    end

    local function decode(text)
        local kind = type(text)
        if kind == "number" then
            text = tostring(text)
        elseif kind ~= "string" then
            error("bad argument #1 to 'decode' (string expected, got " .. (kind == "nil" and "no value" or kind) .. ")", 0)
        end
        if byte(text, 2) == 0 or byte(text, 1) == 0 then
            error("JSON parser does not support UTF-16 or UTF-32", 0)
        end
        local at = find(text, "[^ \t\r\n]") or #text + 1
        local value
        value, at = value_at(text, at, 0)
        at = find(text, "[^ \t\r\n]", at)
        if at then
            wrong(text, at, "the end")
        end
        return value
    end

    if safe then
        function json.encode(...)
            if select("#", ...) ~= 1 then
                error("expected 1 argument", 2)
            end
            local ok, result = pcall(encode, (...))
            if not ok then
                return nil, result
            end
            return result
        end

        function json.decode(...)
            local ok, result = pcall(decode, (...))
            if not ok then
                return nil, result
            end
            return result
        end
    else
        function json.encode(...)
            if select("#", ...) ~= 1 then
                error("expected 1 argument", 2)
            end
            local ok, result = pcall(encode, (...))
            if not ok then
                error(result, 2)
            end
            return result
        end

        function json.decode(...)
            local ok, result = pcall(decode, (...))
            if not ok then
                error(result, 2)
            end
            return result
        end
    end

    -- Settings ---------------------------------------------------------------------------------

    function json.encode_number_precision(digits)
        if digits then
            precision = digits
            number_format = "%." .. digits .. "g"
        end
        return precision
    end

    function json.encode_max_depth(depth)
        encode_depth = depth or encode_depth
        return encode_depth
    end

    function json.decode_max_depth(depth)
        decode_depth = depth or decode_depth
        return decode_depth
    end

    function json.encode_sparse_array(convert, ratio, limit)
        if convert ~= nil then
            sparse_convert = convert
        end
        sparse_ratio, sparse_safe = ratio or sparse_ratio, limit or sparse_safe
        return sparse_convert, sparse_ratio, sparse_safe
    end

    function json.encode_invalid_numbers(setting)
        if setting ~= nil then
            invalid_encode = setting == "on" or setting == "null" and "null" or setting == true
        end
        return invalid_encode
    end

    function json.decode_invalid_numbers(setting)
        if setting ~= nil then
            invalid_decode = setting == "on" or setting == true
        end
        return invalid_decode
    end

    function json.encode_keep_buffer(setting)
        if setting ~= nil then
            keep_buffer = setting
        end
        return keep_buffer
    end

    function json.encode_empty_table_as_object(setting)
        if setting ~= nil then
            empty_as_object = setting == true or setting == "on"
        end
        return empty_as_object
    end

    function json.encode_escape_forward_slash(setting)
        if setting ~= nil then
            escapes_slash = setting == true or setting == "on"
            special = escapes_slash and '[%c"\\/\127]' or '[%c"\\\127]'
        end
        return escapes_slash
    end

    function json.decode_array_with_array_mt(setting)
        if setting ~= nil then
            array_mt_decode = setting == true or setting == "on"
        end
        return array_mt_decode
    end

    json.new = function()
        return new(safe)
    end
    return json
end

package.preload["cjson"] = function()
    return new(false)
end
package.preload["cjson.safe"] = function()
    return new(true)
end
