//! Where the server listens, and what it allows its clients.

macro_rules! network {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Network and clients" {
        /// Addresses to listen on; `*` and `::*` are all, and a leading `-` tolerates one that is missing.
        bind: BindAddresses = BindAddresses::default();
        /// TCP port to listen on; 0 opens none.
        port: u16 = 6379, Int(0, 65535);
        /// Length of the queue of connections that wait to be accepted.
        tcp_backlog: u64 = 511, Int(0, INT) => Immutable;
        /// Seconds after which the kernel probes a silent client; 0 never does.
        tcp_keepalive: u64 = 300, Int(0, INT);
        /// Seconds after which an idle client is disconnected; 0 never does.
        timeout: u64 = 0, Int(0, INT);
        /// Path of a unix socket to listen on.
        unixsocket: Vec<u8> = text(""), Optional => Immutable;
        /// Access mode of the unix socket; 0 leaves it to the umask.
        unixsocketperm: u64 = 0, Octal(0, 0o777) => Immutable;
        /// Group that owns the unix socket.
        unixsocketgroup: Vec<u8> = text(""), Optional => Immutable | Hidden;
        /// Address from which connections to other servers go out.
        bind_source_addr: Vec<u8> = text(""), Optional => Inert;
        /// Mark that the kernel puts on the packets of listening sockets, for routing and filtering, if the server may have
        /// it do so.
        socket_mark_id: u64 = 0, Int(0, 4_294_967_295) => Immutable;
        /// Accept Multipath TCP connections where the kernel can.
        mptcp: bool = false => Immutable | Hidden | Inert;
        /// Without a password, serve only clients on this machine.
        protected_mode: bool = true;
        /// Clients connected at the same time.
        maxclients: u64 = 10_000, Int(1, 4_294_967_295);
        /// Connections accepted in one go of the event loop.
        max_new_connections_per_cycle: u64 = 10, Int(1, 1000) => Inert;
        /// TLS connections accepted in one go of the event loop.
        max_new_tls_connections_per_cycle: u64 = 1, Int(1, 1000) => Inert;
        /// Longest string that a request may carry.
        proto_max_bulk_len: u64 = 512 << 20, Memory(1 << 20, LONG);
        /// Bytes of an unfinished request at which its client is disconnected.
        client_query_buffer_limit: u64 = 1 << 30, Memory(1 << 20, LONG);
        /// Unsent replies at which a client that reads too slowly is disconnected, by class of clients.
        client_output_buffer_limit: OutputBufferLimits = OutputBufferLimits::default();
        /// Memory of all clients' buffers at which the largest are disconnected, 128 KiB at least; 0 is no limit.
        maxmemory_clients: MemoryOrPercent = MemoryOrPercent::Bytes(0);
        /// Keys that the invalidation table remembers for client-side caching; 0 is no limit.
        tracking_table_max_keys: u64 = 1_000_000, Int(0, LONG);
        /// Threads that read, parse and write for clients; 1 leaves it all to the main thread.
        io_threads: u64 = 1, Int(1, 256) => Immutable;
        /// Keep every I/O thread spinning whatever the load, for tests.
        io_threads_always_active: bool = false => Hidden;
        /// Commands of a pipeline that are parsed ahead so that their keys can be fetched early.
        lookahead: u64 = 16, Int(1, INT) => Inert;
        /// Commands whose keys are fetched into the cache together.
        prefetch_batch_max_size: u64 = 16, Int(0, 128) => Inert;
        /// I/O threads from which on large replies are sent without a copy.
        min_io_threads_avoid_copy_reply: u64 = 7, Int(0, INT) => Hidden | Inert;
        /// Bytes of a string from which on the main thread replies without a copy.
        min_string_size_avoid_copy_reply: u64 = 16_384, Int(0, INT) => Hidden | Inert;
        /// Bytes of a string from which on an I/O thread replies without a copy.
        min_string_size_avoid_copy_reply_threaded: u64 = 65_536, Int(0, INT) => Hidden | Inert;
        /// Addresses on which to listen for RDMA.
        rdma_bind: Vec<u8> = text(""), Optional => Inert;
        /// Port on which to listen for RDMA; 0 opens none.
        rdma_port: u16 = 0, Int(0, 65535) => Inert;
        /// Bytes of the receive buffer of an RDMA connection.
        rdma_rx_size: u64 = 1 << 20, Int(65_536, 16 << 20) => Immutable | Hidden | Inert;
        /// Interrupt vector for completions of RDMA; -1 takes any.
        rdma_completion_vector: i64 = -1, Int(-1, 1024) => Immutable | Hidden | Inert;
    } } };
}
