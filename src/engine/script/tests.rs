//! The interpreter alone: every command is answered with its own words.

use super::*;

pub(super) fn options() -> Options {
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
    run_in(interpreter, source, &["key", "arg"], 1)
}

/// Runs a script with arguments of which so many are keys, as `eval` does.
pub(super) fn run_in(
    interpreter: &mut Interpreter,
    source: &str,
    args: &[impl AsRef<[u8]>],
    keys: usize,
) -> String {
    if let Output::Done(Err(why)) = interpreter.tell(Input::Compile([0; 20], source.into())) {
        return String::from_utf8_lossy(&why).into_owned();
    }
    let args = Argv::of(args.iter().map(AsRef::as_ref));
    let run = Run { callee: Callee::Script([0; 20]), args, keys, ..Run::default() };
    let mut output = interpreter.tell(Input::Run(Box::new(run)));
    let mut slices = 0;
    loop {
        let input = match output {
            Output::Command(mut command) => {
                command.reply.array(command.argv.args().len());
                command.argv.args().iter().for_each(|arg| command.reply.bulk(arg));
                Input::Answer(command)
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

/// Whether a script of so many steps of a loop has said once that it still runs.
fn says(stopwatch: fn() -> u64, steps: u32) -> bool {
    let mut interpreter = Interpreter::new(Options { stopwatch, ..options() }).expect("it starts");
    let source = format!("for i = 1, {} do end", steps * STEP);
    interpreter.tell(Input::Compile([0; 20], source.into_bytes()));
    let run = Run { callee: Callee::Script([0; 20]), ..Run::default() };
    let output = interpreter.tell(Input::Run(Box::new(run)));
    match output {
        Output::Slice => {
            interpreter.tell(Input::Kill("killed"));
            true
        }
        Output::Ended(_) => false,
        other => panic!("{other:?}"),
    }
}

/// Instructions on large values take long: `s = 3 .. s` for ever made others wait for minutes.
#[test]
fn a_script_says_that_it_runs_by_its_steps_or_by_the_clock() {
    thread_local!(static CLOCK: Cell<u64> = const { Cell::new(0) });
    let ticking = || {
        CLOCK.set(CLOCK.get() + SLICE_NS);
        CLOCK.get()
    };
    assert!(!says(|| 0, SLICE / 2) && says(|| 0, SLICE + 1));
    assert!(!says(ticking, 1) && says(ticking, 3));
}

/// As many arguments as Lua's stack has room for leave room for the answer.
#[test]
fn commands_with_thousands_of_arguments() {
    for count in (7900..8000).step_by(9).chain([7999]) {
        let call = format!(
            "local t = {{}} for i = 1, {count} do t[i] = i end return #redis.call('DEL', 'k', unpack(t))"
        );
        assert_eq!(eval(&call), format!(":{}\r\n", count + 2));
        let call = call.replace(".call('DEL', 'k'", ".pcall({}");
        assert!(eval(&call.replace("return #", "return ")).contains("must be strings or integers"));
    }
}

#[test]
fn what_scripts_leave_behind_goes_before_anybody_looks() {
    let mut interpreter = Interpreter::new(options()).expect("it starts");
    eval_in(&mut interpreter, "return {}");
    interpreter.tidy();
    let least = interpreter.memory();
    for runs in 1..=20 {
        (0..runs).for_each(|_| _ = eval_in(&mut interpreter, "return {}"));
        assert!(interpreter.memory() > least);
        interpreter.tidy();
        assert_eq!(interpreter.memory(), least);
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

#[test]
fn there_may_be_many_scripts() {
    let mut interpreter = Interpreter::new(options()).expect("it starts");
    let digest = |number: u32| {
        let mut digest = [0; 20];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        digest
    };
    for number in 0..10_000 {
        let source = format!("return {number}").into_bytes();
        assert!(matches!(interpreter.tell(Input::Compile(digest(number), source)), Output::Done(Ok(()))));
    }
    for number in (0..10_000).step_by(2) {
        assert!(matches!(interpreter.tell(Input::Forget(digest(number))), Output::Done(Ok(()))));
    }
    let source = b"return 'again'".to_vec();
    assert!(matches!(interpreter.tell(Input::Compile(digest(8), source)), Output::Done(Ok(()))));
    let mut run = |number| {
        let callee = Callee::Script(digest(number));
        let run = Box::new(Run { callee, ..Run::default() });
        match interpreter.tell(Input::Run(run)) {
            Output::Ended(ended) => String::from_utf8_lossy(ended.reply.pending()).into_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([run(8), run(9_999), run(2)], ["$5\r\nagain\r\n", ":9999\r\n", ""]);
}

/// Replies of all kinds, of which a script tells what it got.
#[test]
fn replies_become_values() {
    let tell = "local function tell(v) if type(v) ~= 'table' then return type(v) .. ':' .. tostring(v) end
        local all = {} for k, e in pairs(v) do all[#all + 1] = tostring(k) .. '=' .. tell(e) end
        table.sort(all) return '{' .. table.concat(all, ',') .. '}' end
        return tell(redis.pcall('ANY'))";
    let told = |reply: &str| {
        let mut interpreter = Interpreter::new(options()).expect("it starts");
        interpreter.tell(Input::Compile([0; 20], tell.into()));
        let callee = Callee::Script([0; 20]);
        let run = Box::new(Run { callee, ..Run::default() });
        let Output::Command(mut command) = interpreter.tell(Input::Run(run)) else { panic!("no command") };
        command.reply.raw(reply.as_bytes());
        match interpreter.tell(Input::Answer(command)) {
            Output::Ended(ended) => {
                String::from_utf8_lossy(ended.reply.pending()).lines().nth(1).unwrap_or_default().to_owned()
            }
            other => panic!("{other:?}"),
        }
    };
    for (reply, value) in [
        ("+OK\r\n", "{ok=string:OK}"),
        ("-MY bad\r\n", "{err=string:MY bad,ignore_error_stats_update=boolean:true}"),
        (":-12\r\n", "number:-12"),
        ("$0\r\n\r\n", "string:"),
        ("$-1\r\n", "boolean:false"),
        ("*-1\r\n", "boolean:false"),
        ("_\r\n", "nil:nil"),
        ("*3\r\n:1\r\n$-1\r\n*1\r\n+A\r\n", "{1=number:1,2=boolean:false,3={1={ok=string:A}}}"),
        ("%2\r\n$1\r\na\r\n:1\r\n_\r\n:2\r\n", "{map={a=number:1}}"),
        ("~2\r\n$1\r\na\r\n_\r\n", "{set={a=boolean:true}}"),
        (",1.5\r\n", "{double=number:1.5}"),
        ("#t\r\n", "boolean:true"),
        ("(123456789012345678901\r\n", "{big_number=string:123456789012345678901}"),
        ("=5\r\ntxt:a\r\n", "{verbatim_string={format=string:txt,string=string:a}}"),
        ("|1\r\n+k\r\n+v\r\n:7\r\n", "number:7"),
        (">1\r\n:1\r\n", "{1=number:1}"),
        ("*2\r\n:1\r\n", "{1=number:1}"),
        ("$5\r\nab", "string:ab"),
    ] {
        assert_eq!(told(reply), value, "{reply:?}");
    }
}

#[test]
fn replies_have_the_memory_of_scripts() {
    let mut interpreter = Interpreter::new(options()).expect("it starts");
    let source = "local t = {} for i = 1, 100 do t[i] = redis.call('ANY') end";
    interpreter.tell(Input::Compile([0; 20], source.into()));
    let mut output = interpreter.tell(Input::Run(Box::default()));
    let mut bytes = 0;
    while let Output::Command(mut command) = output {
        // Equal strings would be one.
        let text = [vec![b'x'; 5_000_000], format!("{bytes}").into_bytes()].concat();
        bytes += text.len();
        command.reply.bulk(&text);
        output = interpreter.tell(Input::Answer(command));
    }
    let Output::Ended(run) = output else { panic!("{output:?}") };
    let (text, _) = run.error.expect("it fails");
    assert!(text.starts_with(b"ERR not enough memory"), "{}", String::from_utf8_lossy(&text));
    assert!(bytes < 75_000_000, "{bytes}");
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
        // Native functions see to the limit themselves.
        let many = "local t = {string.rep('x', 1000)} for i = 1, 40 do t = {t, t} end";
        refused(&format!("{many} return t"), "not enough memory");
        refused(&format!("{many} return cjson.encode(t)"), "not enough memory");
        refused("return cjson.decode('[' .. string.rep('[],', 1500000) .. '1]')", "not enough memory");
        assert!(eval("return pcall(cjson.encode, setmetatable({}, {}))").starts_with(":1"));
        refused("local s = 'x' while true do s = s .. s end", "not enough memory");
        refused("local t = {} while true do t[#t + 1] = {} end", "not enough memory");
        refused("return string.find('x', string.rep('x?', 100000))", "pattern too complex");
        refused("local function f() return f() + 1 end f()", "stack overflow");
        refused("return string.rep('x', -1)", "$0");
        refused("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop in gettable");
        refused("local function f(s) return (string.gsub(s, '.', f)) end return f('x')", "stack overflow");
    }
}
