//! TLS over real sockets and threads: who gets in, as whom, and that nobody waits for those who do not.

use super::server::{Server, request};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

type Client = StreamOwned<ClientConnection, TcpStream>;

fn file(name: &str) -> String {
    format!("{}/tests/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server that listens for TLS as well, and its port.
fn start(arguments: &[&str]) -> (Server, u16) {
    // Free a moment ago, so most likely free now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (text, files) = (port.to_string(), ["server.pem", "server.key", "ca.pem"].map(file));
    let mut all = vec!["--tls-port", &text, "--tls-cert-file", &files[0], "--tls-key-file", &files[1]];
    all.extend(["--tls-ca-cert-file", &files[2], "--tls-auth-clients", "optional"]);
    all.extend(arguments);
    (Server::start(&all), port)
}

fn connect(port: u16, certificate: Option<&str>) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = vec![CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let session = ClientConnection::new(Arc::new(config), "server".try_into().unwrap()).unwrap();
    StreamOwned::new(session, stream)
}

fn call(client: &mut Client, words: &[&str], reply: &str) {
    client.write_all(&request(words)).unwrap();
    expect(client, reply.as_bytes());
}

fn expect(client: &mut Client, reply: &[u8]) {
    let mut heard = vec![0; reply.len()];
    client.read_exact(&mut heard).unwrap();
    assert!(heard == reply, "{} and not {}", String::from_utf8_lossy(&heard), String::from_utf8_lossy(reply));
}

#[test]
fn large_values_and_long_pipelines_pass() {
    for threads in ["1", "3"] {
        let (_server, port) = start(&["--io-threads", threads]);
        let mut client = connect(port, None);
        let value = "0123456789".repeat(300_000);
        call(&mut client, &["SET", "k", &value], "+OK\r\n");
        let reply = format!("${}\r\n{value}\r\n", value.len());
        client.write_all(&request(&["GET", "k"]).repeat(3)).unwrap();
        expect(&mut client, reply.repeat(3).as_bytes());
        client.write_all(&request(&["PING"]).repeat(20_000)).unwrap();
        expect(&mut client, "+PONG\r\n".repeat(20_000).as_bytes());
        call(&mut client, &["QUIT"], "+OK\r\n");
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "told of the end, not cut off");
    }
}

#[test]
fn certificates_change_while_connections_go_on() {
    let (server, port) = start(&[]);
    let (mut before, mut control) = (connect(port, None), server.connect());
    call(&mut before, &["PING"], "+PONG\r\n");
    let (key, renewed) = (file("renewed.key"), [file("renewed.pem"), file("renewed.key")]);
    let why = control.call(&["CONFIG", "SET", "tls-key-file", &key]);
    assert!(why.ends_with("Unable to update TLS configuration. Check server logs."), "{why}");
    assert_eq!(
        control.call(&["CONFIG", "GET", "tls-key-file"]),
        format!("tls-key-file {}", file("server.key"))
    );
    let serial = control.call(&["INFO", "tls"]);
    let changed = ["CONFIG", "SET", "tls-cert-file", &renewed[0], "tls-key-file", &renewed[1]];
    assert_eq!(control.call(&changed), "OK");
    assert_ne!(control.call(&["INFO", "tls"]), serial);
    let mut after = connect(port, None);
    call(&mut after, &["PING"], "+PONG\r\n");
    let shown = |client: &Client| client.conn.peer_certificates().unwrap()[0].to_vec();
    assert_ne!(shown(&before), shown(&after));
    call(&mut before, &["PING"], "+PONG\r\n");
    assert_eq!(control.call(&["CONFIG", "SET", "tls-auth-clients", "yes"]), "OK");
    let mut nobody = connect(port, None);
    let refused = nobody.write_all(&request(&["PING"])).and_then(|()| nobody.read(&mut [0]));
    assert!(refused.is_err(), "{refused:?}");
    call(&mut connect(port, Some("alice")), &["PING"], "+PONG\r\n");
    call(&mut before, &["PING"], "+PONG\r\n");
}

#[test]
fn a_certificate_can_name_a_user() {
    let (server, port) = start(&["--tls-auth-clients-user", "CN", "--io-threads", "2"]);
    let mut control = server.connect();
    call(&mut connect(port, Some("alice")), &["ACL", "WHOAMI"], "$7\r\ndefault\r\n");
    assert!(
        control.call(&["ACL", "LOG"]).contains("reason tls-cert context toplevel object TLS username alice")
    );
    assert!(control.call(&["INFO", "stats"]).contains("acl_access_denied_tls_cert:1\r\n"));
    control.call(&["ACL", "SETUSER", "alice", "on", "nopass", "+@all", "~*"]);
    call(&mut connect(port, Some("alice")), &["ACL", "WHOAMI"], "$5\r\nalice\r\n");
    call(&mut connect(port, None), &["ACL", "WHOAMI"], "$7\r\ndefault\r\n");
    control.call(&["CONFIG", "SET", "tls-auth-clients-user", "URI"]);
    control.call(&["ACL", "SETUSER", "urn:user:alice", "on", "nopass", "+@all", "~*"]);
    call(&mut connect(port, Some("alice")), &["ACL", "WHOAMI"], "$14\r\nurn:user:alice\r\n");
}

#[test]
fn nobody_waits_for_those_who_do_not_begin() {
    let (server, port) = start(&[]);
    let silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.write_all(b"PING\r\n").unwrap();
    let mut alert = [0; 7];
    plain.read_exact(&mut alert).unwrap();
    assert_eq!(alert[0], 21, "an alert, not a reply");
    call(&mut connect(port, None), &["PING"], "+PONG\r\n");
    let mut control = server.connect();
    assert!(control.call(&["INFO", "clients"]).contains("connected_clients:1\r\n"), "they are no clients");
    assert_eq!(control.call(&["CONFIG", "SET", "tls-port", "0"]), "OK");
    let refused = TcpStream::connect(("127.0.0.1", port)).map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    drop(silent);
}

#[test]
fn a_server_without_its_certificate_does_not_start() {
    let directory = std::sync::Arc::new(super::server::Directory::new());
    let log = Server::refused_in(&directory, &["--tls-port", "1"]);
    assert!(
        log.contains("No tls-cert-file configured!") && log.contains("Failed to configure TLS."),
        "{log}"
    );
}
