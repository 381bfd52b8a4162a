//! Encryption and certificates.

macro_rules! tls {
    ([$($next:ident)*] $($before:tt)*) => { chain! { [$($next)*] $($before)* "TLS" {
        /// Port on which to listen for TLS; 0 opens none.
        tls_port: u16 = 0, Int(0, 65535);
        /// Encrypt the cluster bus.
        tls_cluster: bool = false;
        /// Encrypt the connection to the primary.
        tls_replication: bool = false;
        /// Whether clients must show a certificate.
        tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes;
        /// Certificate field that names the user a client is logged in as.
        tls_auth_clients_user: TlsAuthClientsUser = TlsAuthClientsUser::Off;
        /// File of the certificate shown to clients, PEM.
        tls_cert_file: Vec<u8> = text(""), Optional => Reapply;
        /// File of the private key for it, PEM; an encrypted one has to be PKCS#8.
        tls_key_file: Vec<u8> = text(""), Optional => Reapply;
        /// Password of that key, if it needs one.
        tls_key_file_pass: Vec<u8> = text(""), Optional => Sensitive;
        /// File of the certificate shown to other servers; the one for clients if not set.
        tls_client_cert_file: Vec<u8> = text(""), Optional => Reapply;
        /// File of the private key for it.
        tls_client_key_file: Vec<u8> = text(""), Optional => Reapply | Inert;
        /// Password of that key.
        tls_client_key_file_pass: Vec<u8> = text(""), Optional => Sensitive | Inert;
        /// File of Diffie-Hellman parameters, for old clients. No cipher here uses it.
        tls_dh_params_file: Vec<u8> = text(""), Optional => Reapply;
        /// File of the certificate authorities that are trusted.
        tls_ca_cert_file: Vec<u8> = text(""), Optional => Reapply;
        /// Directory of the certificate authorities that are trusted.
        tls_ca_cert_dir: Vec<u8> = text(""), Optional => Reapply;
        /// Name that the certificate of another server must carry.
        tls_expected_peer_name: Vec<u8> = text(""), Optional => Inert;
        /// Versions of the protocol to offer, as in `TLSv1.2 TLSv1.3`, which are all there are.
        tls_protocols: Vec<u8> = text(""), Optional;
        /// Ciphers to offer in TLS 1.2, as OpenSSL lists them; those without forward secrecy and authenticated
        /// encryption are left out.
        tls_ciphers: Vec<u8> = text(""), Optional;
        /// Ciphers to offer in TLS 1.3.
        tls_ciphersuites: Vec<u8> = text(""), Optional;
        /// Choose the cipher by the server's order, not by the client's.
        tls_prefer_server_ciphers: bool = false;
        /// Let clients resume sessions.
        tls_session_caching: bool = true;
        /// Sessions remembered; 0 is no limit.
        tls_session_cache_size: u64 = 20_480, Int(0, INT);
        /// Seconds for which a session is remembered.
        tls_session_cache_timeout: u64 = 300, Int(0, INT);
        /// Seconds between looks for changed certificate files; 0 never looks.
        tls_auto_reload_interval: u64 = 0, Int(0, INT);
    } } };
}
