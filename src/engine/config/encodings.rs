//! Up to which size the types of values keep their compact encodings.

macro_rules! encodings {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Encodings" {
        /// Fields up to which a hash is a listpack.
        hash_max_listpack_entries ("hash-max-ziplist-entries"): u64 = 512, Int(0, LONG);
        /// Bytes of a field or value up to which a hash is a listpack.
        hash_max_listpack_value ("hash-max-ziplist-value"): u64 = 64, Memory(0, LONG);
        /// Fields from which on hashes of equal fields share a template; 0 turns templates off.
        hash_min_template_entries: u64 = 0, Int(0, LONG) => Inert;
        /// Fields up to which hashes of equal fields share a template.
        hash_max_template_entries: u64 = 0, Int(0, LONG) => Inert;
        /// As `hash-min-template-entries`, while an RDB file is loaded.
        hash_rdb_load_min_template_entries: u64 = 0, Int(0, LONG) => Inert;
        /// As `hash-max-template-entries`, while an RDB file is loaded.
        hash_rdb_load_max_template_entries: u64 = 0, Int(0, LONG) => Inert;
        /// Hashes of a template below which it is given up after loading.
        hash_rdb_load_template_disassembly_threshold: u64 = 0, Int(0, LONG) => Inert;
        /// Elements up to which a list is a listpack, or with -1 to -5 its size: 4, 8, 16, 32 or 64 kb.
        list_max_listpack_size ("list-max-ziplist-size"): i64 = -2, Int(-INT - 1, INT);
        /// Nodes at both ends of a list that are not compressed: none ever is.
        list_compress_depth: u64 = 0, Int(0, INT) => Inert;
        /// Members up to which a set of integers is an intset.
        set_max_intset_entries: u64 = 512, Int(0, LONG);
        /// Members up to which a set is a listpack.
        set_max_listpack_entries: u64 = 128, Int(0, LONG);
        /// Bytes of a member up to which a set is a listpack.
        set_max_listpack_value: u64 = 64, Int(0, LONG);
        /// Members up to which a sorted set is a listpack.
        zset_max_listpack_entries ("zset-max-ziplist-entries"): u64 = 128, Int(0, LONG);
        /// Bytes of a member up to which a sorted set is a listpack.
        zset_max_listpack_value ("zset-max-ziplist-value"): u64 = 64, Memory(0, LONG);
        /// Bytes up to which a HyperLogLog is sparse.
        hll_sparse_max_bytes: u64 = 3000, Memory(0, LONG);
        /// Bytes of a stream node; 0 is no limit.
        stream_node_max_bytes: u64 = 4096, Memory(0, LONG);
        /// Entries of a stream node; 0 is no limit.
        stream_node_max_entries: u64 = 100, Int(0, LONG);
        /// Seconds for which a stream remembers the ids of idempotent producers.
        stream_idmp_duration: u64 = 100, Int(1, 86_400);
        /// Ids of idempotent producers that a stream remembers.
        stream_idmp_maxsize: u64 = 100, Int(1, 10_000);
        /// Elements of a slice of an array.
        array_slice_size: u64 = 4096, PowerOfTwo(256, 65_536);
        /// Elements below which a full slice of an array becomes sparse.
        array_sparse_kmin: u64 = 5, Int(0, 256);
        /// Elements above which a sparse slice of an array becomes full.
        array_sparse_kmax: u64 = 10, Int(0, 256);
        /// Run commands of vector sets on the main thread only.
        vset_force_single_threaded_execution: bool = false => Inert;
    } } };
}
