//! What scripts decode: JSON, MessagePack and C structs of strangers. Nothing panics, what is read can be written, and
//! what was written reads as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use seedis::engine::config::Config;
use seedis::engine::loopback::Loopback;
use seedis::engine::server::Environment;
use seedis_fuzz::{DECLARED, request};

/// Gives 'bad' for what cannot be read, and else whether it survives being written and read. Tables have no order, so
/// texts are as long as each other at most.
const JSON: &str = "
    local ok, value = pcall(cjson.decode, ARGV[1])
    if not ok then return 'bad' end
    local ok, text = pcall(cjson.encode, value)
    if not ok then return 'bad' end
    local again = cjson.encode(cjson.decode(text))
    return #text == #again and 'same' or text .. ' and ' .. again";

/// The same. Tables beyond the 16th level are written as nil, which makes another message of the table around them, but
/// of that one always the same; and none that can be read if it is a key.
const MESSAGES: &str = "
    local function depth(value)
        local deepest = 0
        if type(value) ~= 'table' then return 0 end
        for key, member in pairs(value) do deepest = math.max(deepest, depth(key), depth(member)) end
        return deepest + 1
    end
    local values = {pcall(cmsgpack.unpack, ARGV[1])}
    if not values[1] then return 'bad' end
    local ok, bytes = pcall(cmsgpack.pack, unpack(values, 2, table.maxn(values)))
    if not ok then return 'bad' end
    if depth(values) - 1 > 16 then
        if not pcall(cmsgpack.unpack, bytes) then return 'bad' end
        bytes = cmsgpack.pack(cmsgpack.unpack(bytes))
    end
    local again = cmsgpack.pack(cmsgpack.unpack(bytes))
    return #bytes == #again and 'same' or 'other'";

const STRUCTS: &str = "
    local values = {pcall(struct.unpack, ARGV[2], ARGV[1])}
    if not values[1] then return 'bad' end
    pcall(struct.size, ARGV[2])
    local ok, bytes = pcall(struct.pack, ARGV[2], unpack(values, 2, table.maxn(values) - 1))
    if not ok then return 'bad' end
    local again = {struct.unpack(ARGV[2], bytes)}
    return #again == #values - 1 and 'same' or 'other'";

fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    let (script, format, bytes) = match which % 3 {
        0 => (JSON, &b""[..], data),
        1 => (MESSAGES, &b""[..], data),
        _ => {
            let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
            (STRUCTS, &data[..line], data.get(line + 1..).unwrap_or_default())
        }
    };
    let mut world =
        Loopback::sharing(&DECLARED, Config::default(), Environment::bare(1)).expect("the defaults are fine");
    let client = world.connect();
    world.send(client, &request(&[b"EVAL", script.as_bytes(), b"0", bytes, format]));
    let heard = world.take_heard(client);
    assert!(heard == b"$3\r\nbad\r\n" || heard == b"$4\r\nsame\r\n", "{}", String::from_utf8_lossy(&heard));
});
