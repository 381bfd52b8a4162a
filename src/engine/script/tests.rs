//! The interpreter alone: every command is answered with its own words.

use super::*;

fn options() -> Options {
    Options {
        memory: 64 * 1024 * 1024,
        stopwatch: || 0,
        version: "8.10.0",
        deprecated: false,
        functions: false,
    }
}

/// Runs a script; commands are answered with an array of their words. The reply as it is sent.
pub(super) fn eval(source: &str) -> String {
    let mut interpreter = Interpreter::new(options()).expect("it starts");
    eval_in(&mut interpreter, source)
}

fn eval_in(interpreter: &mut Interpreter, source: &str) -> String {
    if let Output::Done(Err(why)) = interpreter.tell(Input::Compile([0; 20], source.into())) {
        return String::from_utf8_lossy(&why).into_owned();
    }
    let args = Argv::of([b"key".as_slice(), b"arg"]);
    let run = Run { callee: Callee::Script([0; 20]), args, keys: 1, resp3: false, seed: 0 };
    let mut output = interpreter.tell(Input::Run(Box::new(run)));
    let mut slices = 0;
    loop {
        let input = match output {
            Output::Command(command) => {
                let mut reply = Reply::default();
                reply.array(command.argv.args().len());
                command.argv.args().iter().for_each(|arg| reply.bulk(arg));
                Input::Answer(reply.take(Vec::new()))
            }
            Output::Slice if slices > 20 => Input::Kill("killed"),
            Output::Slice => {
                slices += 1;
                Input::Go
            }
            Output::Ended(ended) => {
                return match ended.error {
                    Some((text, _)) => String::from_utf8_lossy(&text).into_owned(),
                    None => String::from_utf8_lossy(ended.reply.pending()).into_owned(),
                };
            }
            other => panic!("{other:?}"),
        };
        output = interpreter.tell(input);
    }
}

#[test]
fn values_become_replies() {
    assert_eq!(eval("return 3.7"), ":3\r\n");
    assert_eq!(
        eval("return {KEYS[1], ARGV[1], 1, false, nil, 2}"),
        "*4\r\n$3\r\nkey\r\n$3\r\narg\r\n:1\r\n$-1\r\n"
    );
    assert_eq!(eval("return redis.call('SET', 1, 2.5)"), "*3\r\n$3\r\nSET\r\n$1\r\n1\r\n$3\r\n2.5\r\n");
    assert_eq!(eval("return {ok='fine'}"), "+fine\r\n");
    assert_eq!(eval("return redis.error_reply('MY bad\\r\\n:1')"), "MY bad\r\n:1");
}

#[test]
fn errors_say_where() {
    let here = "script: 0000000000000000000000000000000000000000, on @user_script:1.";
    assert_eq!(eval("foo = 1"), format!("ERR user_script:1: Attempt to modify a readonly table {here}"));
    assert_eq!(
        eval("return foo"),
        format!("ERR user_script:1: Script attempted to access nonexistent global variable 'foo' {here}")
    );
    assert_eq!(
        eval("return redis.call()"),
        format!("ERR Please specify at least one argument for this redis lib call {here}")
    );
    assert_eq!(eval("error({err='My Err'})"), format!("My Err {here}"));
    assert_eq!(eval("error('text')"), format!("ERR user_script:1: text {here}"));
    assert!(eval("return +").starts_with("ERR Error compiling script (new function): user_script:1: "));
    let found = eval("local ok, e = pcall(cjson.decode, '[1') return e");
    assert!(found.ends_with("Expected comma or array end but found T_END at character 3\r\n"), "{found}");
}

#[test]
fn a_script_that_never_ends_is_ended() {
    for source in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(redis.call, 'PING') end",
    ] {
        assert!(eval(source).starts_with("ERR killed"), "{source}: {}", eval(source));
    }
    let mut interpreter = Interpreter::new(options()).expect("it starts");
    assert!(eval_in(&mut interpreter, "while true do end").starts_with("ERR killed"));
    assert_eq!(
        eval_in(&mut interpreter, "local n = 0 for i = 1, 3000000 do n = n + 1 end return n"),
        ":3000000\r\n"
    );
}

/// Published holes of Redis's interpreter, by their numbers: what they are tried with does no harm here.
mod holes {
    use super::eval;

    fn refused(source: &str, why: &str) {
        let found = eval(source);
        assert!(found.contains(why), "{source}: {found}");
    }

    /// CVE-2021-32626: results and arguments beyond what the stack of Lua holds.
    #[test]
    fn stack_of_lua() {
        refused(
            "return {struct.unpack(string.rep('b', 100000), string.rep('x', 100000))}",
            "too many results",
        );
        refused("return {cmsgpack.unpack(string.rep('\\1', 100000))}", "too many return values");
        refused("return {unpack({}, 1, 100000)}", "too many results to unpack");
        refused("local t = {} for i = 1, 100000 do t = {t} end return t", "reached lua stack limit");
        refused("local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)", "excessive nesting");
        assert!(
            eval("local t = {} for i = 1, 100000 do t = {t} end return cmsgpack.pack(t)").starts_with('$')
        );
        refused("return cjson.decode(string.rep('[', 100000))", "too many nested");
        refused("return cmsgpack.unpack(string.rep('\\145', 100000))", "Bad data format");
    }

    /// CVE-2022-24735, CVE-2025-46818: what one script leaves behind for the scripts of others.
    #[test]
    fn nothing_is_left_behind() {
        for source in [
            "getmetatable('').__index = {}",
            "getmetatable(_G).__index = {}",
            "rawset(getmetatable(_G), '__index', {})",
            "string.len = nil",
            "rawset(string, 'len', nil)",
            "table.insert(redis, 1)",
            "setmetatable(cjson, {})",
            "local _, t = pairs(redis) t.call = nil",
        ] {
            refused(source, "Attempt to modify a readonly table");
        }
        refused("getmetatable(1).x = 1", "attempt to index a nil value");
    }

    /// CVE-2022-24736: code that is not the text of a program.
    #[test]
    fn no_compiled_code() {
        refused("return loadstring(string.dump(function() return 1 end))()", "attempt to call a nil value");
        refused(
            "local n = 0 return load(function() n = n + 1 if n == 1 then return '\\27Lua' end end)()",
            "attempt to call a nil value",
        );
    }

    /// CVE-2022-24834: sizes of what cjson and cmsgpack write that overflow.
    #[test]
    fn large_strings() {
        let huge = "local s = string.rep('\\0', 4000000) return #cjson.encode(s)";
        assert_eq!(eval(huge), ":24000002\r\n");
        refused("local s = string.rep('x', 2^28) return #cjson.encode({s, s, s, s})", "not enough memory");
        refused("return cmsgpack.unpack('\\219\\255\\255\\255\\255x')", "Missing bytes");
        refused("return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "Missing bytes");
    }

    /// CVE-2024-31449: the count of digits of `bit.tohex`.
    #[test]
    fn hex_digits() {
        assert_eq!(eval("return bit.tohex(65535, -2147483648)"), "$8\r\n0000FFFF\r\n");
        assert_eq!(eval("return bit.tohex(65535, 2147483648)"), "$8\r\n0000FFFF\r\n");
    }

    /// CVE-2024-46981: finalizers of userdata that a script makes.
    #[test]
    fn no_userdata() {
        refused(
            "local p = newproxy(true) getmetatable(p).__gc = function() end",
            "nonexistent global variable 'newproxy'",
        );
    }

    /// CVE-2025-49844: the name of a chunk that is collected while the parser runs.
    #[test]
    fn names_of_chunks_are_kept() {
        let source = "local f = load(function() n = nil end) return 1";
        refused(source, "readonly table");
        let source = "for i = 1, 50 do local n = 0
            local f = load(function() collectgarbage() n = n + 1 if n < 20 then return ' local x' .. n .. ' = ' .. n end end,
                'chunk' .. i .. string.rep('x', 100))
            collectgarbage() f() end return 1";
        assert_eq!(eval(source), ":1\r\n");
    }

    /// CVE-2025-46817: ranges of `unpack` whose length overflows.
    #[test]
    fn ranges_of_unpack() {
        for range in ["0, 2147483647", "-2147483648, 2147483647", "1, 1e300", "-1e300, 1e300", "0/0, 1"] {
            refused(&format!("return {{unpack({{1}}, {range})}}"), "too many results to unpack");
        }
        assert_eq!(eval("return {unpack({1}, 2147483647, -2147483648)}"), "*0\r\n");
        assert_eq!(
            eval("local t = {} for i = 1, 7999 do t[i] = i end return select('#', unpack(t))"),
            ":7999\r\n"
        );
    }

    /// CVE-2025-46819: long brackets that the scanner counts.
    #[test]
    fn long_brackets() {
        refused("return loadstring('return [' .. string.rep('=', 1000000))()", "attempt to call a nil value");
        assert!(
            eval(
                "local e = string.rep('=', 100000) return #loadstring('return [' .. e .. '[x]' .. e .. ']')()"
            )
            .starts_with(":1")
        );
    }

    /// CVE-2025-67733: replies that end where a script wants them to.
    #[test]
    fn one_error_is_one_line() {
        assert!(!eval("return {redis.error_reply('A b\\r\\n+OK')}").contains("\n+OK"));
        assert!(!eval("return {redis.status_reply('A b\\r\\n+OK')}").contains("\n+OK"));
        assert!(!eval("return {{big_number='1\\r\\n+OK'}}").contains("\n+OK"));
    }

    #[test]
    fn memory_is_limited() {
        refused("local s = 'x' while true do s = s .. s end", "not enough memory");
        refused("local t = {} while true do t[#t + 1] = {} end", "not enough memory");
        refused("return string.find('x', string.rep('x?', 100000))", "pattern too complex");
        refused("local function f() return f() + 1 end f()", "stack overflow");
        refused("return string.rep('x', -1)", "$0");
        refused("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop in gettable");
        refused("local function f(s) return (string.gsub(s, '.', f)) end return f('x')", "stack overflow");
    }
}
