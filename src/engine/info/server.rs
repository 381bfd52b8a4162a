//! The process, its clients, its databases.

use super::{SECTION, SEEDIS_VERSION, Section, Shown, View, fields};
use crate::engine::config::REDIS_VERSION;
use crate::engine::server::certificates::Certificate;
use crate::engine::server::threads::Work;
use std::fmt::Write;

const SECONDS_A_DAY: u64 = 86_400;

fn uptime(view: &View) -> u64 {
    view.now.mono_us.saturating_sub(view.server.environment.started.mono_us) / 1_000_000
}

fn seconds(microseconds: u64) -> String {
    format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000)
}

pub(super) const SERVER: Section = Section {
    title: "Server",
    fields: fields! { view;
        redis_version: REDIS_VERSION,
        server_name: "seedis",
        seedis_version: SEEDIS_VERSION,
        redis_git_sha1: "00000000",
        redis_git_dirty: 0,
        redis_build_id: "0",
        redis_mode: "standalone",
        server_mode: "standalone",
        os: view.server.environment.os,
        arch_bits: usize::BITS,
        monotonic_clock: "POSIX clock_gettime",
        multiplexing_api: view.server.environment.multiplexing,
        atomicvar_api: "rust-builtin",
        gcc_version: "0.0.0",
        process_id: view.server.environment.pid,
        process_supervised: view.server.config.supervised.word(),
        run_id: view.server.run_id,
        tcp_port: view.server.config.main_port(),
        server_time_usec: view.now.unix_us,
        uptime_in_seconds: uptime(view),
        uptime_in_days: uptime(view) / SECONDS_A_DAY,
        hz: view.server.config.hz,
        configured_hz: view.server.config.hz,
        clients_hz: view.server.config.hz,
        lru_clock: view.now.unix_secs() & 0xFF_FFFF,
        executable: view.server.environment.executable,
        config_file: view.server.environment.config_file,
        io_threads_active: (view.server.config.io_threads > 1) as u8,
        availability_zone: String::from_utf8_lossy(&view.server.config.availability_zone),
    },
    lines: listeners,
    ..SECTION
};

fn listeners(view: &View, out: &mut String) {
    let config = &view.server.config;
    let mut number = 0;
    let mut line = |name: &str, bind: String, port: Option<u16>| {
        let port = port.map(|port| format!(",port={port}")).unwrap_or_default();
        let _ = write!(out, "listener{number}:name={name}{bind}{port}\r\n");
        number += 1;
    };
    let addresses =
        || config.bind.0.iter().map(|ip| format!(",bind={}", String::from_utf8_lossy(ip))).collect();
    if config.port != 0 {
        line("tcp", addresses(), Some(config.port));
    }
    if config.tls_port != 0 {
        line("tls", addresses(), Some(config.tls_port));
    }
    if !config.unixsocket.is_empty() {
        line("unix", format!(",bind={}", String::from_utf8_lossy(&config.unixsocket)), None);
    }
}

pub(super) const TLS: Section = Section {
    title: "TLS",
    shown: Shown::All,
    fields: fields! { view;
        tls_server_cert_serial: serial(&view.server.certificates.server),
        tls_server_cert_expires_in_seconds: seconds_left(view, &view.server.certificates.server),
        tls_client_cert_serial: serial(&view.server.certificates.client),
        tls_client_cert_expires_in_seconds: seconds_left(view, &view.server.certificates.client),
        tls_ca_cert_serial: serial(&view.server.certificates.authority),
        tls_ca_cert_expires_in_seconds: seconds_left(view, &view.server.certificates.authority),
    },
    ..SECTION
};

fn serial(certificate: &Option<Certificate>) -> &str {
    certificate.as_ref().map_or("none", |certificate| &certificate.serial)
}

fn seconds_left(view: &View, certificate: &Option<Certificate>) -> i64 {
    certificate.as_ref().map_or(0, |certificate| (certificate.until - view.now.unix_secs()).max(0))
}

/// The largest input and output buffer among the clients.
fn largest(view: &View) -> (usize, usize) {
    let sizes = view.server.clients.iter().map(|client| (client.input.capacity, client.output_bytes()));
    sizes.fold((0, 0), |max, size| (max.0.max(size.0), max.1.max(size.1)))
}

/// How many clients are like this; the one that asks is not in the table and counts if it is.
fn clients(view: &View, like: impl Fn(&crate::engine::session::Session) -> bool) -> usize {
    view.server.clients.iter().filter(|client| like(client)).count() + like(view.session) as usize
}

/// The pause of CLIENT PAUSE: its reason, what it holds, how long it lasts.
fn pause(view: &View) -> (&'static str, &'static str, u64) {
    use crate::engine::server::pause::Scope;
    let pause = &view.server.pause;
    let left = pause.until.saturating_sub(view.now.mono_us) / 1000;
    match pause.scope {
        Scope::None => ("none", "none", 0),
        Scope::Writes => ("client_pause", "write", left),
        Scope::All => ("client_pause", "all", left),
    }
}

pub(super) const CLIENTS: Section = Section {
    title: "Clients",
    fields: fields! { view;
        connected_clients: view.server.clients.len(),
        cluster_connections: 0,
        maxclients: view.server.config.maxclients,
        client_recent_max_input_buffer: largest(view).0,
        client_recent_max_output_buffer: largest(view).1,
        blocked_clients: clients(view, |client| client.blocked.is_some()),
        tracking_clients: view.server.tracking.len(),
        pubsub_clients: clients(view, |client| client.is_subscriber()),
        watching_clients: clients(view, |client| !client.watched.is_empty()),
        clients_in_timeout_table: view.server.deadlines.len(),
        active_clients: view.server.clients.len(),
        total_watched_keys: view.server.watch.len(),
        total_blocking_keys: view.server.blocking.keys(),
        total_blocking_keys_on_nokey: view.server.blocking.keys_with_groups(),
        paused_reason: pause(view).0,
        paused_actions: pause(view).1,
        paused_timeout_milliseconds: pause(view).2,
    },
    ..SECTION
};

pub(super) const THREADS: Section = Section {
    title: "Threads",
    lines: |view, out| {
        let clients = view.server.clients_by_thread(view.session);
        for (number, (clients, work)) in clients.iter().zip(view.server.stats.threads.each()).enumerate() {
            let Work { reads, writes } = work;
            let _ = write!(out, "io_thread_{number}:clients={clients},reads={reads},writes={writes}\r\n");
        }
    },
    ..SECTION
};

pub(super) const CPU: Section = Section {
    title: "CPU",
    fields: fields! { view;
        used_cpu_sys: seconds(view.server.usage.cpu_sys),
        used_cpu_user: seconds(view.server.usage.cpu_user),
        used_cpu_sys_children: seconds(0),
        used_cpu_user_children: seconds(0),
        used_cpu_sys_main_thread: seconds(view.server.usage.main_sys),
        used_cpu_user_main_thread: seconds(view.server.usage.main_user),
        used_active_time_main_thread: seconds(view.server.busy_ns() / 1000),
    },
    ..SECTION
};

pub(super) const SCRIPTING_ENGINES: Section = Section {
    title: "Scripting Engines",
    shown: Shown::All,
    fields: fields! { view;
        engines_count: 1,
        engines_total_used_memory: view.server.scripting.vm_memory(),
        engines_total_memory_overhead: 0,
    },
    lines: |view, out| {
        let used = view.server.scripting.vm_memory();
        let _ = write!(
            out,
            "engine_0:name=LUA,module=built-in,abi_version=4,used_memory={used},memory_overhead=0\r\n"
        );
    },
    ..SECTION
};

pub(super) const KEYSPACE: Section = Section {
    title: "Keyspace",
    lines: |view, out| {
        for (index, database) in view.server.databases.iter().enumerate().filter(|(_, db)| !db.is_empty()) {
            let (keys, expires) = (database.len(), database.expires());
            let (avg_ttl, hashes) = (database.avg_ttl(view.now.unix_ms()), database.timed_hashes());
            let _ = write!(
                out,
                "db{index}:keys={keys},expires={expires},avg_ttl={avg_ttl},subexpiry={hashes}\r\n"
            );
        }
    },
    ..SECTION
};
