//! Lua's own stack, for what every run and every command of a script goes through.
//!
//! Why `unsafe`: mlua shows each value as a handle in a second stack and makes each allocation in a protected call,
//! which costs more than all that a short script does (docs/benchmarks.md, scripts). Handles are for everything else.
//!
//! What holds it together:
//! - Lua reports errors with jumps, which must not pass our frames. While a [`Stack`] lives the limit of memory is off, so
//!   that no allocation fails; keys are never nil or NaN; tables do not grow beyond [`LARGEST`]; code of scripts runs in
//!   protected calls only.
//! - Positions are those of values that are there, of the right type, and there is room for what is pushed: all checked.
//! - Bytes of strings are borrowed from the stack, so that it cannot change as long as they are looked at.

#![allow(unsafe_code)]

use mlua::state::RawLua;
use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Scope, Value, ffi};
use std::ffi::c_int;

/// The most elements of a table that is made here.
pub const LARGEST: i64 = 1 << 25;

/// The values of one native function, or of one section: positions begin at 1.
pub struct Stack<'a> {
    lua: &'a Lua,
    state: *mut ffi::lua_State,
    /// Where position 0 is.
    base: c_int,
    /// How many values there are.
    len: c_int,
    /// How many values there may be before more room is to be made.
    room: c_int,
    /// The limit of memory that code of scripts has.
    limit: usize,
}

/// Values for which room is made at once.
const ROOM: c_int = 16;

/// What a value is.
#[derive(Debug, PartialEq)]
pub enum Shown<'a> {
    Nil,
    Boolean(bool),
    Number(f64),
    Bytes(&'a [u8]),
    Table,
    /// What stands for JSON's null.
    Null,
    Other,
}

/// What a native function returns.
pub enum Answer {
    /// The value on top of the stack.
    Pushed,
    /// This value.
    Value(Value),
}

/// Values that many sections begin with.
pub struct Section {
    lua: Lua,
    /// The main thread, which lives as long as Lua.
    state: *mut ffi::lua_State,
    /// What the registry calls them.
    values: Vec<c_int>,
}

impl Section {
    /// Keeps these values.
    pub fn new(lua: &Lua, values: impl IntoLuaMulti) -> mlua::Result<Self> {
        let (mut kept, mut main) = (Vec::new(), std::ptr::null_mut());
        // SAFETY: each value on the stack of the call is moved to the registry. The vector outlives the call, and an
        // error of Lua leaves it as it is.
        unsafe {
            lua.exec_raw::<()>(values, |state| {
                main = state;
                while ffi::lua_gettop(state) > 0 {
                    kept.push(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
                }
            })?;
        }
        kept.reverse();
        Ok(Section { lua: lua.clone(), state: main, values: kept })
    }

    /// Has a section work: the values are at the first positions. Not for use while Lua runs.
    pub fn enter<T>(&self, work: impl FnOnce(&mut Stack) -> T) -> T {
        // SAFETY: nobody else uses the main thread's stack above its top, and it is left as it was found.
        let mut stack = unsafe { Stack::new(&self.lua, self.state, ffi::lua_gettop(self.state)) };
        for value in &self.values {
            stack.room();
            // SAFETY: there is room, and the registry has the value.
            unsafe { ffi::lua_rawgeti(stack.state, ffi::LUA_REGISTRYINDEX, (*value).into()) };
            stack.len += 1;
        }
        let outcome = work(&mut stack);
        stack.truncate(0);
        outcome
    }
}

/// A native function that works on its arguments where they are.
pub fn native(
    lua: &Lua,
    function: impl Fn(&mut Stack) -> mlua::Result<Answer> + 'static,
) -> mlua::Result<Function> {
    lua.create_function(move |lua, frame: Frame| frame.enter(lua, &function))
}

/// The same for a scope.
pub fn scoped<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    function: impl Fn(&mut Stack) -> mlua::Result<Answer> + 'scope,
) -> mlua::Result<Function> {
    scope.create_function(move |lua, frame: Frame| frame.enter(lua, &function))
}

/// The local variable of this number, from 1 on, of the function at a level of calls, if there are so many: its name and its
/// value. Level 0 is the native function that asks.
pub fn local(lua: &Lua, level: usize, index: c_int) -> mlua::Result<Option<(String, Value)>> {
    let mut name = None;
    // SAFETY: the record is one for `lua_getstack` to fill; only if it did is it read. The name is copied before anything
    // else happens to Lua, and the variable above its stack is what the call returns.
    let value: Value = unsafe {
        lua.exec_raw((), |state| {
            let mut frame = std::mem::zeroed();
            // The call that runs this is a level too.
            if ffi::lua_getstack(state, level as c_int + 1, &mut frame) != 0 {
                let found = ffi::lua_getlocal(state, &frame, index);
                if !found.is_null() {
                    name = Some(std::ffi::CStr::from_ptr(found).to_string_lossy().into_owned());
                }
            }
        })?
    };
    Ok(name.map(|name| (name, value)))
}

/// Where the arguments of a native function are.
struct Frame {
    state: *mut ffi::lua_State,
    base: c_int,
}

impl Frame {
    fn enter(
        self,
        lua: &Lua,
        function: &impl Fn(&mut Stack) -> mlua::Result<Answer>,
    ) -> mlua::Result<Answer> {
        // SAFETY: the frame is that of this very call, since mlua makes it for no other.
        function(&mut unsafe { Stack::new(lua, self.state, self.base) })
    }
}

impl mlua::FromLuaMulti for Frame {
    fn from_lua_multi(_: MultiValue, _: &Lua) -> mlua::Result<Self> {
        Err(mlua::Error::runtime("arguments are taken from the stack"))
    }
    // SAFETY: mlua asks for it while its call runs, which is what it promises to whoever implements this.
    unsafe fn from_stack_multi(count: c_int, lua: &RawLua) -> mlua::Result<Self> {
        let state = lua.state();
        // SAFETY: reads the height of the stack of the running call, whose last `count` values are the arguments.
        Ok(Frame { state, base: unsafe { ffi::lua_gettop(state) } - count })
    }
}

impl IntoLuaMulti for Answer {
    fn into_lua_multi(self, lua: &Lua) -> mlua::Result<MultiValue> {
        match self {
            Answer::Pushed => Err(mlua::Error::runtime("the answer is on the stack")),
            Answer::Value(value) => value.into_lua_multi(lua),
        }
    }
    // SAFETY: as above; the value that was pushed is still on top.
    unsafe fn push_into_stack_multi(self, lua: &RawLua) -> mlua::Result<c_int> {
        match self {
            // mlua takes so many values from the top.
            Answer::Pushed => Ok(1),
            // SAFETY: the same call for another type.
            Answer::Value(value) => unsafe { value.push_into_stack_multi(lua) },
        }
    }
}

impl<'a> Stack<'a> {
    /// # Safety
    /// `state` is the one that runs, and as long as the stack lives nobody else uses its values above `base`.
    // SAFETY: only callers can know that.
    unsafe fn new(lua: &'a Lua, state: *mut ffi::lua_State, base: c_int) -> Self {
        // Fails for a Lua with an allocator of somebody else only.
        let limit = lua.set_memory_limit(0).unwrap_or_default();
        // SAFETY: reads the height of the stack.
        let len = unsafe { ffi::lua_gettop(state) } - base;
        Stack { lua, state, base, len, room: len, limit }
    }

    /// The Lua.
    pub fn lua(&self) -> &'a Lua {
        self.lua
    }

    /// Whether more memory is used than scripts may use, if what is outside of Lua counts too.
    pub fn is_over_limit(&self, outside: usize) -> bool {
        self.limit > 0 && self.lua.used_memory() + outside > self.limit
    }

    /// How many values there are, which is the position of the top.
    pub fn len(&self) -> c_int {
        self.len
    }

    /// The real position of a value.
    fn at(&self, at: c_int) -> c_int {
        assert!(at >= 1 && at <= self.len, "no value at {at}");
        self.base + at
    }

    fn table(&self, at: c_int) -> c_int {
        let at = self.at(at);
        // SAFETY: the position is one of a value.
        assert!(unsafe { ffi::lua_type(self.state, at) } == ffi::LUA_TTABLE, "no table at {at}");
        at
    }

    fn room(&mut self) {
        assert!(self.len < self.room || self.has_room(1), "no room on Lua's stack");
    }

    /// Whether so many more values have room.
    pub fn has_room(&mut self, count: c_int) -> bool {
        if self.room - self.len >= count {
            return true;
        }
        let count = count.max(ROOM);
        // SAFETY: fails with 0.
        let made = unsafe { ffi::lua_checkstack(self.state, count) != 0 };
        if made {
            self.room = self.len + count;
        }
        made
    }

    /// What is at a position.
    pub fn show(&self, at: c_int) -> Shown<'_> {
        let at = self.at(at);
        // SAFETY: each value is read as what it is, so that none is converted in place; the bytes of a string on the stack
        // stay where they are as long as it does, and whatever removes it borrows the stack mutably.
        unsafe {
            match ffi::lua_type(self.state, at) {
                ffi::LUA_TNIL => Shown::Nil,
                ffi::LUA_TBOOLEAN => Shown::Boolean(ffi::lua_toboolean(self.state, at) != 0),
                ffi::LUA_TNUMBER => Shown::Number(ffi::lua_tonumber(self.state, at)),
                ffi::LUA_TSTRING => {
                    let mut length = 0;
                    let bytes = ffi::lua_tolstring(self.state, at, &mut length);
                    Shown::Bytes(std::slice::from_raw_parts(bytes.cast(), length))
                }
                ffi::LUA_TTABLE => Shown::Table,
                ffi::LUA_TLIGHTUSERDATA if ffi::lua_touserdata(self.state, at).is_null() => Shown::Null,
                _ => Shown::Other,
            }
        }
    }

    /// The name of a value's type in Lua.
    pub fn kind(&self, at: c_int) -> &'static str {
        let at = self.at(at);
        // SAFETY: the names are texts that are always there.
        unsafe { std::ffi::CStr::from_ptr(ffi::lua_typename(self.state, ffi::lua_type(self.state, at))) }
            .to_str()
            .unwrap_or_default()
    }

    /// Removes all values above so many.
    pub fn truncate(&mut self, len: c_int) {
        if len < self.len {
            assert!(len >= 0, "no value at {len}");
            // SAFETY: fewer values than there are.
            unsafe { ffi::lua_settop(self.state, self.base + len) }
            self.len = len;
        }
    }

    /// Pushes nil.
    pub fn push_nil(&mut self) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.state) }
        self.len += 1;
    }

    /// Pushes what stands for JSON's null.
    pub fn push_null(&mut self) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushlightuserdata(self.state, std::ptr::null_mut()) }
        self.len += 1;
    }

    /// Pushes a truth value.
    pub fn push_boolean(&mut self, value: bool) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.state, value.into()) }
        self.len += 1;
    }

    /// Pushes a number.
    pub fn push_number(&mut self, value: f64) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.state, value) }
        self.len += 1;
    }

    /// Pushes a string.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushlstring(self.state, bytes.as_ptr().cast(), bytes.len()) };
        self.len += 1;
    }

    /// Pushes the value at a position once more.
    pub fn push_copy(&mut self, at: c_int) {
        self.room();
        let at = self.at(at);
        // SAFETY: there is room.
        unsafe { ffi::lua_pushvalue(self.state, at) }
        self.len += 1;
    }

    /// Pushes a table with room for so many elements and fields.
    pub fn push_table(&mut self, elements: usize, fields: usize) {
        self.room();
        let size = |count: usize| count.min(1 << 16) as c_int;
        // SAFETY: there is room.
        unsafe { ffi::lua_createtable(self.state, size(elements), size(fields)) }
        self.len += 1;
    }

    /// Pushes an element of the table at a position.
    pub fn push_element(&mut self, table: c_int, index: c_int) {
        self.room();
        let table = self.table(table);
        // SAFETY: there is room, and the table is one.
        unsafe { ffi::lua_rawgeti(self.state, table, index.into()) };
        self.len += 1;
    }

    /// Pushes a field of the table at a position.
    pub fn push_field(&mut self, table: c_int, name: &str) {
        self.push_bytes(name.as_bytes());
        let table = self.table(table);
        // SAFETY: the table is one, and the name is on top.
        unsafe { ffi::lua_rawget(self.state, table) };
    }

    /// Pushes the field of the table at a position whose name is at another.
    pub fn push_named(&mut self, table: c_int, name: c_int) {
        self.push_copy(name);
        let table = self.table(table);
        // SAFETY: the table is one, and the name is on top.
        unsafe { ffi::lua_rawget(self.state, table) };
    }

    /// The length of the table at a position, as `#` tells it.
    pub fn length(&self, table: c_int) -> c_int {
        let table = self.table(table);
        // SAFETY: the table is one.
        unsafe { ffi::lua_objlen(self.state, table) }.min(LARGEST as usize) as c_int
    }

    /// Whether the metatable of the table at a position has a field of this name that is true.
    pub fn is_marked(&mut self, table: c_int, mark: &str) -> bool {
        self.room();
        let (before, table) = (self.len, self.table(table));
        // SAFETY: there is room, and the table is one.
        if unsafe { ffi::lua_getmetatable(self.state, table) } == 0 {
            return false;
        }
        self.len += 1;
        self.push_field(self.len, mark);
        let is_marked = !matches!(self.show(self.len), Shown::Nil | Shown::Boolean(false));
        self.truncate(before);
        is_marked
    }

    /// Gives the table on top a metatable with this field.
    pub fn mark(&mut self, mark: &str) {
        let table = self.table(self.len);
        self.push_table(0, 1);
        self.push_boolean(true);
        self.set_field(self.len - 1, mark);
        // SAFETY: both tables are there.
        unsafe { ffi::lua_setmetatable(self.state, table) };
        self.len -= 1;
    }

    /// Makes the value on top an element of the table at a position.
    pub fn set_element(&mut self, table: c_int, index: c_int) {
        let table = self.table(table);
        // SAFETY: the table is one, and so the stack has a value on top.
        unsafe { ffi::lua_rawseti(self.state, table, index.into()) }
        self.len -= 1;
    }

    /// Makes the value on top a field of the table at a position.
    pub fn set_field(&mut self, table: c_int, name: &str) {
        self.push_bytes(name.as_bytes());
        self.set_below(table);
    }

    /// Makes the value on top the field of the table at a position whose name is at another. The name is a string.
    pub fn set_named(&mut self, table: c_int, name: c_int) {
        assert!(matches!(self.show(name), Shown::Bytes(_)), "no name at {name}");
        self.push_copy(name);
        self.set_below(table);
    }

    /// Makes the value below the name on top a field of the table at a position.
    fn set_below(&mut self, table: c_int) {
        assert!(table < self.len - 1, "a table cannot be its own field here");
        let table = self.table(table);
        // SAFETY: the value and the name are above the table, and the name is no nil.
        unsafe {
            ffi::lua_insert(self.state, -2);
            ffi::lua_rawset(self.state, table);
        }
        self.len -= 2;
    }

    /// Makes the two values on top a key and its value in the table at a position. Keys that cannot be are left out.
    pub fn set_pair(&mut self, table: c_int) {
        let (key, table) = (self.len - 1, self.table(table));
        match self.show(key) {
            Shown::Nil => return self.truncate(key - 1),
            Shown::Number(number) if number.is_nan() => return self.truncate(key - 1),
            // SAFETY: the key is one that can be.
            _ => unsafe { ffi::lua_rawset(self.state, table) },
        }
        self.len -= 2;
    }

    /// Visits the pairs of the table at a position until that fails: the value is on top then, and its key below it.
    pub fn for_each<E>(
        &mut self,
        table: c_int,
        mut visit: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.push_nil();
        let (key, real) = (self.len, self.table(table));
        loop {
            self.room();
            // SAFETY: the key is the one that the table gave last, and no visit changes a table.
            if unsafe { ffi::lua_next(self.state, real) } == 0 {
                self.len -= 1;
                return Ok(());
            }
            self.len += 1;
            visit(self)?;
            assert!(self.len >= key, "the key is gone");
            self.truncate(key);
        }
    }

    /// Calls the function below the so many arguments on top, which becomes its value. If it fails it becomes what the
    /// function at `handler` makes of the error.
    pub fn call(&mut self, arguments: c_int, handler: c_int) -> bool {
        self.at(self.len - arguments);
        let handler = self.at(handler);
        let _ = self.lua.set_memory_limit(self.limit);
        // SAFETY: the values are there, and errors do not leave the call.
        let status = unsafe { ffi::lua_pcall(self.state, arguments, 1, handler) };
        let _ = self.lua.set_memory_limit(0);
        self.len -= arguments;
        status == ffi::LUA_OK
    }
}

impl Drop for Stack<'_> {
    fn drop(&mut self) {
        // As in `new`.
        let _ = self.lua.set_memory_limit(self.limit);
    }
}
