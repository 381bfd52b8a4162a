//! Passwords, users, and what is allowed to whom.

macro_rules! security {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "Security" {
        /// Password of the default user.
        requirepass: Vec<u8> = text(""), Optional => Sensitive;
        /// File of the users; without it they stand in the configuration file.
        aclfile: Vec<u8> = text("") => Immutable;
        /// Refused logins and commands that ACL LOG remembers.
        acllog_max_len: u64 = 128, Int(0, LONG);
        /// Channels of users to whom none are granted.
        acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::Resetchannels;
        /// Who may change protected parameters.
        enable_protected_configs: ProtectedAction = ProtectedAction::No => Immutable;
        /// Who may use DEBUG.
        enable_debug_command: ProtectedAction = ProtectedAction::No => Immutable;
        /// Who may load and unload modules.
        enable_module_command: ProtectedAction = ProtectedAction::No => Immutable;
        /// Let DEBUG ASSERT fail for real, for tests.
        enable_debug_assert: bool = false => Immutable | Hidden | Inert;
        /// Seed of the hash function; one that nobody knows if not set.
        hash_seed: Vec<u8> = text(""), Optional => Immutable | Sensitive | Hidden | Inert;
        /// Keep users' data out of the log.
        hide_user_data_from_log: bool = false;
    } } };
}
