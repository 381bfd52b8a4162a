-- What scripts find in the interpreter. Tables that everybody shares are shown through faces that cannot be changed:
-- what a face shows is in REAL, where scripts do not come. Lua 5.1 has no read-only tables of its own.

local native, deprecated = ...
local error, type, tostring, tonumber, select = error, type, tostring, tonumber, select
local next, pairs, rawget, rawset, setmetatable, getmetatable = next, pairs, rawget, rawset, setmetatable, getmetatable
local pcall, xpcall, unpack, floor = pcall, xpcall, unpack, math.floor
local string_sub, string_match, table_concat = string.sub, string.match, table.concat

local REAL = {}
local READONLY = "Attempt to modify a readonly table"

local function refuse()
  error(READONLY, 2)
end

local LOCKED = {}

local function face(real, shown)
  local meta = {__index = real, __newindex = refuse, __metatable = LOCKED}
  shown = shown or {}
  REAL[shown] = real
  return setmetatable(shown, meta), meta
end

face({}, LOCKED)

local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

local function library(functions, constants)
  for name, value in pairs(constants or {}) do functions[name] = value end
  return face(functions)
end

-- What an error stands for. Those of native functions are objects; some texts name a line of this file.
local function reveal(err)
  if type(err) == "userdata" then err = native.reveal(err) end
  if type(err) == "string" and string_sub(err, 1, 8) == "sandbox:" then
    local source, line = native.where()
    local place = source and string_sub(source, 2) .. ":" .. line .. ": " or ""
    err = place .. string_match(err, "^sandbox:%d+: (.*)$")
  end
  return err
end

local function caught(ok, err, ...)
  if not ok then return ok, reveal(err) end
  return ok, err, ...
end

-- pcall shows of the error of a command its text alone.
local function caught_text(ok, err, ...)
  if ok then return ok, err, ... end
  err = reveal(err)
  if type(err) == "table" and type(rawget(err, "err")) == "string" then err = rawget(err, "err") end
  return ok, err
end

-- A number without its fraction; what is no number is below all of them.
local function whole(number)
  if number ~= number then return -1 / 0 end
  if number < 0 then return -floor(-number) end
  return floor(number)
end

-- An error as redis.call raises it.
local function raise(text)
  error({err = "ERR " .. text}, 0)
end

local real = {}
local G, globals = face(real)
setmetatable(real, {__index = missing})

for _, name in pairs({
  "_VERSION", "assert", "collectgarbage", "error", "gcinfo", "getmetatable", "ipairs", "rawequal", "select", "tonumber",
  "tostring", "type",
}) do
  rawset(real, name, rawget(_G, name))
end
rawset(real, "_G", G)

function real.pcall(...)
  return caught_text(pcall(...))
end

function real.xpcall(f, handler)
  return xpcall(f, function(err)
    return handler(reveal(err))
  end)
end

function real.next(t, key)
  return next(REAL[t] or t, key)
end

function real.pairs(t)
  if REAL[t] then return real.next, t, nil end
  return pairs(t)
end

function real.rawget(t, key)
  return rawget(REAL[t] or t, key)
end

function real.rawset(t, ...)
  if REAL[t] then error(READONLY, 0) end
  return rawset(t, ...)
end

function real.setmetatable(t, ...)
  if REAL[t] then error(READONLY, 0) end
  return setmetatable(t, ...)
end

-- The original computes the count in an `int` that can overflow.
function real.unpack(t, first, last)
  if first == nil and last == nil then return unpack(t) end
  do
    local from, to = tonumber(first or 1), tonumber(last or (type(t) == "table" and #t or 0))
    if from and to and not (to - from < 8000 and from > -2^31 and to < 2^31 - 1) then
      if to - from >= 8000 or from ~= from or to ~= to then error("too many results to unpack", 2) end
      return
    end
  end
  return unpack(t, first, last)
end

-- Code comes from text only, and a reader runs to its end before the parser begins, so that nothing is collected
-- from under it.
local function load_text(text, name)
  return native.load(text, name)
end

function real.loadstring(text, name)
  if type(text) ~= "string" then error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2) end
  return load_text(text, name or text)
end

function real.load(reader, name)
  if type(reader) ~= "function" then error("bad argument #1 to 'load' (function expected, got " .. type(reader) .. ")", 2) end
  local parts, count = {}, 0
  while true do
    local part = reader()
    if part == nil or part == "" then break end
    if type(part) ~= "string" then return nil, "reader function must return a string" end
    count = count + 1
    parts[count] = part
  end
  return load_text(table_concat(parts), name or "=(load)")
end

if deprecated then
  for _, name in pairs({"getfenv", "setfenv"}) do
    local f = rawget(_G, name)
    real[name] = function(level, ...)
      if type(level) == "number" and level > 0 then level = level + 1 end
      return f(level, ...)
    end
  end
  real.print = native.print
end

do
  local table_real = {}
  for name, f in pairs(table) do table_real[name] = f end
  local insert, remove, sort = table.insert, table.remove, table.sort
  function table_real.insert(t, ...)
    if REAL[t] then error(READONLY, 0) end
    insert(t, ...)
  end
  function table_real.remove(t, ...)
    if REAL[t] then error(READONLY, 0) end
    return remove(t, ...)
  end
  function table_real.sort(t, ...)
    if REAL[t] then error(READONLY, 0) end
    sort(t, ...)
  end
  real.table = face(table_real)
end

do
  -- The matcher calls itself once per item of a pattern.
  local longest = 10000
  local string_real = {}
  for name, f in pairs(string) do string_real[name] = f end
  for _, name in pairs({"find", "match", "gmatch", "gfind", "gsub"}) do
    local f = string[name]
    string_real[name] = f and function(s, pattern, ...)
      if type(pattern) == "string" and #pattern > longest and not (name == "find" and select(2, ...)) then
        error("pattern too complex", 2)
      end
      return f(s, pattern, ...)
    end
  end
  local meta = getmetatable("")
  meta.__index = string_real
  meta.__metatable = LOCKED
  real.string = face(string_real)
end

do
  local math_real = {}
  for name, f in pairs(math) do math_real[name] = f end
  math_real.random = native.random
  math_real.randomseed = native.randomseed
  real.math = face(math_real)
end

do
  local coroutine_real = {}
  for name, f in pairs(coroutine) do coroutine_real[name] = f end
  function coroutine_real.resume(...)
    return caught(coroutine.resume(...))
  end
  real.coroutine = face(coroutine_real)
end

real.os = face({clock = native.clock})
-- One with settings of its own, which may be changed.
local function json()
  local functions = native.cjson()
  functions.null, functions._NAME, functions._VERSION, functions.new = native.null, "cjson", "2.1.0", json
  return functions
end

real.cjson = face(json())
real.cmsgpack = library(native.cmsgpack, {
  _NAME = "cmsgpack", _VERSION = "lua-cmsgpack 0.4.0",
  _COPYRIGHT = "Copyright (C) 2012, Redis Ltd.",
  _DESCRIPTION = "MessagePack C implementation for Lua",
})
real.struct = library(native.struct)
real.bit = library(native.bit)

-- What scripts talk to the server with.
local api = {
  call = native.call, pcall = native.pcall, sha1hex = native.sha1hex, acl_check_cmd = native.acl_check_cmd,
  breakpoint = native.breakpoint, debug = native.debug,
}

function api.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return {err = "ERR wrong number or type of arguments"}
  end
  return {err = native.error_text(text)}
end

function api.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then
    return {err = "ERR wrong number or type of arguments"}
  end
  return {ok = text}
end

function api.log(...)
  local level = ...
  if select("#", ...) < 2 then raise("redis.log() requires two arguments or more.") end
  level = tonumber(level)
  if not level then raise("First argument must be a number (log level).") end
  level = whole(level)
  if level < 0 or level > 3 then raise("Invalid log level.") end
  native.log(level, select(2, ...))
end

function api.setresp(...)
  local version = ...
  if select("#", ...) ~= 1 then raise("redis.setresp() requires one argument.") end
  version = whole(tonumber(version) or 0)
  if version ~= 2 and version ~= 3 then raise("RESP version must be 2 or 3.") end
  native.setresp(version)
end

function api.set_repl(...)
  local flags = ...
  if select("#", ...) ~= 1 then raise("redis.set_repl() requires one argument.") end
  flags = whole(tonumber(flags) or 0)
  if flags < 0 or flags > 3 then
    raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.")
  end
  native.set_repl(flags)
end

function api.replicate_commands() return true end

local constants = {
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
  REDIS_VERSION = native.version, REDIS_VERSION_NUM = native.version_num,
}
for name, value in pairs(constants) do api[name] = value end

-- While a library is loaded there is nothing but this: no data to talk to, but functions can be registered.
local registered
local loading = {log = api.log}
for name, value in pairs(constants) do loading[name] = value end
setmetatable(loading, {__index = missing})

local function register(entry)
  if not string_match(entry.name, "^[%w_]+$") then
    raise("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
  end
  for _, other in pairs(registered) do
    if other.name == entry.name then raise("Function already exists in the library") end
  end
  registered[#registered + 1] = entry
end

local FLAGS = {["no-writes"] = true, ["allow-oom"] = true, ["allow-stale"] = true, ["no-cluster"] = true,
  ["allow-cross-slot-keys"] = true}

-- A string, or a number as one; anything else is refused.
local function text_of(value, complaint)
  if type(value) == "number" then return tostring(value) end
  if type(value) ~= "string" then raise(complaint) end
  return value
end

local function named(t)
  local entry = {flags = {}}
  for key, value in real.pairs(t) do
    key = text_of(key, "named argument key given to redis.register_function is not a string")
    if key == "function_name" then
      entry.name = text_of(value, "function_name argument given to redis.register_function must be a string")
    elseif key == "description" then
      entry.description = text_of(value, "description argument given to redis.register_function must be a string")
    elseif key == "callback" then
      if type(value) ~= "function" then raise("callback argument given to redis.register_function must be a function") end
      entry.callback = value
    elseif key == "flags" then
      if type(value) ~= "table" then raise("flags argument to redis.register_function must be a table representing function flags") end
      for _, flag in real.pairs(value) do
        if not FLAGS[flag] then raise("unknown flag given") end
        entry.flags[#entry.flags + 1] = flag
      end
    else
      raise("unknown argument given to redis.register_function")
    end
  end
  if not entry.name then raise("redis.register_function must get a function name argument") end
  if not entry.callback then raise("redis.register_function must get a callback argument") end
  return entry
end

local function register_function(...)
  if not registered then raise("redis.register_function can only be called on FUNCTION LOAD command") end
  local count = select("#", ...)
  local first, second = ...
  if count < 1 or count > 2 then raise("wrong number of arguments to redis.register_function") end
  if count == 1 then
    if type(first) ~= "table" then
      raise("calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
    end
    return register(named(first))
  end
  first = text_of(first, "first argument to redis.register_function must be a string")
  if type(second) ~= "function" then raise("second argument to redis.register_function must be a function") end
  register({name = first, callback = second, flags = {}})
end
loading.register_function = register_function

local api_face = face(api)
local loading_face = face(loading)
local loading_globals = setmetatable({redis = loading_face, server = loading_face}, {__index = missing})
rawset(real, "redis", api_face)
rawset(real, "server", api_face)

-- What became of a call that failed: a table with the text and where it happened.
local function explain(err)
  err = reveal(err)
  if type(err) ~= "table" or REAL[err] then
    err = {err = "ERR " .. (REAL[err] and "unknown error" or tostring(err))}
  end
  local source, line = native.where()
  if source then
    rawset(err, "source", source)
    rawset(err, "line", line)
  end
  return err
end

-- What the server works with.
return G, {
  globals = real,
  explain = explain,
  load = function(library)
    registered = {}
    globals.__index = loading_globals
    local ok, err = xpcall(library, explain)
    globals.__index = real
    local entries = registered
    registered = nil
    return ok, err, entries
  end,
}
