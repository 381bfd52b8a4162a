//! Conditions on texts that a type cannot express.

use super::row::Reason;

/// A file in the working directory: no separators.
fn base_name(text: &[u8]) -> bool {
    !text.contains(&b'/') && !text.contains(&b'\\')
}

pub(super) fn dump_file(text: &[u8]) -> Result<(), Reason> {
    if base_name(text) { Ok(()) } else { Err("dbfilename can't be a path, just a filename".into()) }
}

pub(super) fn append_file(text: &[u8]) -> Result<(), Reason> {
    if text.is_empty() {
        return Err("appendfilename can't be empty".into());
    }
    if base_name(text) { Ok(()) } else { Err("appendfilename can't be a path, just a filename".into()) }
}

pub(super) fn append_directory(text: &[u8]) -> Result<(), Reason> {
    if text.is_empty() {
        return Err("appenddirname can't be empty".into());
    }
    if base_name(text) { Ok(()) } else { Err("appenddirname can't be a path, just a dirname".into()) }
}

pub(super) fn backup_directory(text: &[u8]) -> Result<(), Reason> {
    if text.is_empty() {
        return Err("backupdirname can't be empty".into());
    }
    if base_name(text) { Ok(()) } else { Err("backupdirname can't be a path, just a dirname".into()) }
}

pub(super) fn preload_file(text: &[u8]) -> Result<(), Reason> {
    let name = text.strip_prefix(b"rdb:").or_else(|| text.strip_prefix(b"aof:"));
    match name {
        Some(name) if !name.is_empty() => Ok(()),
        _ if text.is_empty() => Ok(()),
        _ => Err("argument must be in the format '[aof|rdb]:[filename]'".into()),
    }
}

/// A host name or address that other nodes are told.
pub(super) fn host_name(text: &[u8]) -> Result<(), Reason> {
    // The bound of Redis's cluster bus, where a name travels with its closing NUL in 256 bytes.
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if text.iter().all(allowed) {
        Ok(())
    } else {
        Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into())
    }
}

/// As [`host_name`], but an IPv6 address too, and no longer than one can be.
pub(super) fn announced_address(text: &[u8]) -> Result<(), Reason> {
    // INET6_ADDRSTRLEN: the longest address and a closing NUL.
    if text.len() >= 46 {
        return Err("Hostnames for cluster-announce-ip must be less than 46 characters".into());
    }
    if std::str::from_utf8(text).is_ok_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok()) {
        return Ok(());
    }
    host_name(text)
}

/// A name that may stand in nodes.conf, where these characters separate fields.
pub(super) fn node_name(text: &[u8]) -> Result<(), Reason> {
    let separates =
        |&byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"-./_`".contains(&byte);
    if text.iter().any(separates) {
        return Err("Announced human node name contained invalid character".into());
    }
    Ok(())
}

pub(super) fn ipv4(text: &[u8]) -> Result<(), Reason> {
    let valid = std::str::from_utf8(text).is_ok_and(|text| text.parse::<core::net::Ipv4Addr>().is_ok());
    if text.is_empty() || valid { Ok(()) } else { Err("Invalid IPv4 address".into()) }
}

pub(super) fn ipv6(text: &[u8]) -> Result<(), Reason> {
    let valid = std::str::from_utf8(text).is_ok_and(|text| text.parse::<core::net::Ipv6Addr>().is_ok());
    if text.is_empty() || valid { Ok(()) } else { Err("Invalid IPv6 address".into()) }
}

/// The variables that a process title may name.
pub const TITLE_VARIABLES: [&[u8]; 7] =
    [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];

/// Text with variables in braces; `{{` is a brace.
pub(super) fn title_template(text: &[u8]) -> Result<(), Reason> {
    let refused = || Err("template format is invalid or contains unknown variables".into());
    let mut rest = text;
    // Whether the title shows anything when each variable is as empty as it can be.
    let mut visible = false;
    while let Some(brace) = memchr::memchr(b'{', rest) {
        visible |= rest[..brace].iter().any(|&byte| byte != b' ');
        rest = &rest[brace + 1..];
        if let Some(after) = rest.strip_prefix(b"{") {
            visible = true;
            rest = after;
            continue;
        }
        let Some(end) = memchr::memchr(b'}', rest) else { return refused() };
        if !TITLE_VARIABLES.contains(&&rest[..end]) {
            return refused();
        }
        visible |= matches!(&rest[..end], b"listen-addr" | b"port" | b"tls-port");
        rest = &rest[end + 1..];
    }
    if visible || rest.iter().any(|&byte| byte != b' ') { Ok(()) } else { refused() }
}
