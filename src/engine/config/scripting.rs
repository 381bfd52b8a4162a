//! Scripts.

macro_rules! scripting {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Scripts" {
        /// Milliseconds after which other clients are told that a script or function is running.
        busy_reply_threshold ("lua-time-limit"): u64 = 5000, Int(0, LONG);
        /// Let scripts use functions of Lua that Redis deprecated.
        lua_enable_deprecated_api: bool = false => Immutable | Hidden;
        /// Let scripts use functions of Lua that Valkey holds to be unsafe.
        lua_enable_insecure_api: bool = false => Hidden;
    } } };
}
