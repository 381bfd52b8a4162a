//! Real handshakes over the streams of our runtime: over the operating system, and, built with `--cfg madsim`, inside the
//! simulator.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use super::handshake::told;
use super::setup::{Setup, provider};
use super::stream::TlsStream;
use crate::engine::config::{Config, TlsAuthClients, TlsAuthClientsUser};
use crate::runtime::net::{Listener, Stream};
use crate::runtime::testing::{Directory, listen, run};
use crate::runtime::{fs, task};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

const AUTHORITY: &[u8] = include_bytes!("../../../tests/tls/ca.pem");
const FILES: [(&str, &[u8]); 6] = [
    ("ca.pem", AUTHORITY),
    ("server.pem", include_bytes!("../../../tests/tls/server.pem")),
    ("server.key", include_bytes!("../../../tests/tls/server.key")),
    ("locked.key", include_bytes!("../../../tests/tls/locked.key")),
    ("alice.pem", include_bytes!("../../../tests/tls/alice.pem")),
    ("alice.key", include_bytes!("../../../tests/tls/alice.key")),
];

/// The files, in a directory of their own.
struct Files(Directory);

impl Files {
    fn new() -> Self {
        let directory = Directory::fresh();
        for (name, content) in FILES {
            fs::write_atomically(&directory.join(name), content).unwrap();
        }
        Files(directory)
    }

    fn path(&self, name: &str) -> Vec<u8> {
        self.0.join(name).into_os_string().into_vec()
    }

    fn config(&self) -> Config {
        Config {
            tls_cert_file: self.path("server.pem"),
            tls_key_file: self.path("server.key"),
            tls_ca_cert_file: self.path("ca.pem"),
            tls_auth_clients: TlsAuthClients::Optional,
            ..Config::default()
        }
    }
}

fn client_config(certificate: bool) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    if !certificate {
        return builder.with_no_client_auth();
    }
    let chain = vec![CertificateDer::from_pem_slice(FILES[4].1).unwrap()];
    builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(FILES[5].1).unwrap()).unwrap()
}

/// A client, whose every call sends all before it reads.
struct Client {
    stream: Stream,
    session: ClientConnection,
}

impl Client {
    fn new(stream: Stream, config: ClientConfig) -> Self {
        let session = ClientConnection::new(Arc::new(config), "server".try_into().unwrap()).unwrap();
        Client { stream, session }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            if !self.session.is_handshaking() {
                let count = self.session.writer().write(rest)?;
                rest = &rest[count..];
            }
            let mut encrypted = Vec::new();
            while self.session.wants_write() {
                self.session.write_tls(&mut encrypted)?;
            }
            self.stream.write_all(&encrypted).await?;
            if self.session.is_handshaking() {
                self.receive().await?;
            } else if rest.is_empty() && !self.session.wants_write() {
                return Ok(());
            }
        }
    }

    async fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 1000];
        let count = self.stream.read(&mut buffer).await?;
        let mut arrived = &buffer[..count];
        loop {
            self.session.read_tls(&mut arrived)?;
            self.session.process_new_packets().map_err(io::Error::other)?;
            if arrived.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads so many bytes, or what comes before the end.
    async fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 5000]);
        while bytes.len() < count {
            match self.session.reader().read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }
}

/// Sends back what comes, to the end, which it returns.
async fn echo(listener: Listener, setup: Setup) -> io::Result<TlsStream> {
    let (stream, _) = listener.accept().await?;
    let mut stream = TlsStream::accept(stream, setup.server.clone()).await?;
    let mut buffer = [0; 3000];
    loop {
        let count = poll_fn(|context| stream.poll_read(context, &mut buffer)).await?;
        if count == 0 {
            poll_fn(|context| stream.poll_end(context)).await?;
            return Ok(stream);
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            match stream.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll_fn(|context| stream.poll_write_ready(context)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        poll_fn(|context| stream.poll_flush(context)).await?;
    }
}

async fn conversation(protocols: &str) {
    let (listener, address) = listen();
    let files = Files::new();
    let mut config = files.config();
    (config.tls_protocols, config.tls_auth_clients_user) = (protocols.into(), TlsAuthClientsUser::CommonName);
    let setup = Setup::new(&config).unwrap();
    let server = task::spawn_local("echo", echo(listener, setup.clone()));
    let mut client = Client::new(Stream::connect(&address).await.unwrap(), client_config(true));
    let message: Vec<u8> = (0..30_000u32).flat_map(u32::to_le_bytes).collect();
    for part in message.chunks(20_000) {
        client.send(part).await.unwrap();
        assert_eq!(client.read(part.len()).await.unwrap(), part);
    }
    client.session.send_close_notify();
    client.send(&[]).await.unwrap();
    assert_eq!(client.read(1).await.unwrap(), [], "told of the end, not cut off");
    let stream = server.await.unwrap().unwrap();
    let users = stream.peer_certificate().and_then(|shown| setup.user_of(shown));
    assert_eq!(users, Some(vec![b"alice".to_vec()]));
}

#[test]
fn bytes_arrive_in_order_both_ways() {
    run(conversation(""));
    run(conversation("TLSv1.2"));
}

/// What a server says to a client that begins in some way.
async fn refusal(config: Config, begin: impl AsyncFnOnce(Stream) -> io::Result<()> + 'static) -> io::Error {
    let (listener, address) = listen();
    let server = task::spawn_local("echo", echo(listener, Setup::new(&config).unwrap()));
    let client = task::spawn_local("client", async move { begin(Stream::connect(&address).await?).await });
    let refused = server.await.unwrap().unwrap_err();
    assert!(client.await.unwrap().is_err(), "the client hears of it");
    refused
}

#[test]
fn who_is_not_welcome_is_told_so() {
    run(async {
        let files = Files::new();
        let config = || files.config();
        let strict = Config { tls_auth_clients: TlsAuthClients::Yes, ..config() };
        let talk = |certificate| {
            async move |stream| {
                let mut client = Client::new(stream, client_config(certificate));
                client.send(b"PING").await?;
                client.read(4).await.map(drop)
            }
        };
        let error = refusal(strict.clone(), talk(false)).await;
        assert!(error.to_string().contains("peer sent no certificates"), "{error}");
        let error = refusal(config(), async |mut stream: Stream| {
            stream.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
            let mut heard = [0; 100];
            // An alert, then the end.
            assert_eq!((stream.read(&mut heard).await?, heard[0]), (7, 21));
            Err(ErrorKind::ConnectionAborted.into())
        })
        .await;
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn what_is_wrong_with_files_and_parameters_is_said() {
    run(async {
        let files = Files::new();
        let (config, file) = (|| files.config(), |name| files.path(name));
        let refused = |config: Config| Setup::new(&config).map(drop).unwrap_err();
        let missing = refused(Config { tls_cert_file: Vec::new(), ..config() });
        assert_eq!(missing, "No tls-cert-file configured!");
        let other = refused(Config { tls_key_file: file("alice.key"), ..config() });
        assert!(other.contains("it is not the key of"), "{other}");
        let locked = refused(Config { tls_key_file: file("locked.key"), ..config() });
        assert!(locked.contains("there is no tls-key-file-pass"), "{locked}");
        let locked = |pass: &str| {
            let tls_key_file_pass = pass.as_bytes().to_vec();
            Config { tls_key_file: file("locked.key"), tls_key_file_pass, ..config() }
        };
        let wrong = refused(locked("wrong"));
        assert!(wrong.contains("tls-key-file-pass does not decrypt it"), "{wrong}");
        assert!(Setup::new(&locked("1234")).is_ok());
        let swapped = refused(Config { tls_ca_cert_file: file("server.key"), ..config() });
        assert!(swapped.contains("there is no certificate in it"), "{swapped}");
        let nobody = refused(Config { tls_ca_cert_file: Vec::new(), ..config() });
        assert!(
            nobody.starts_with("Either tls-ca-cert-file or tls-ca-cert-dir must be specified"),
            "{nobody}"
        );
        let mut open = Config { tls_ca_cert_file: Vec::new(), ..config() };
        open.tls_auth_clients = TlsAuthClients::No;
        let setup = Setup::new(&open).unwrap();
        let certificate = setup.certificates.server.as_ref().unwrap();
        assert!(certificate.serial.len() >= 30 && certificate.until > 4_000_000_000, "{certificate:?}");
        let directory = file("");
        let named = Setup::new(&Config { tls_ca_cert_dir: directory, ..open }).unwrap();
        assert!(named.certificates.authority.is_some() && named.differs_from(&setup));
    });
}

/// The world with its segments, keys and all is the same each time.
#[cfg(madsim)]
#[test]
fn a_seed_replays_a_session() {
    use crate::runtime::simulation::{self, Link, SimNet};
    let world = |seed| {
        let life = async || {
            let link = Link { segment: 7, short_writes: 300_000, ..Link::default() };
            SimNet::current().set_default_link(link);
            conversation("").await;
            SimNet::current().trace_hash()
        };
        simulation::world(seed, life).unwrap()
    };
    assert_eq!(world(3), world(3));
    assert_ne!(world(3), world(4));
}

#[test]
fn a_certificate_of_the_first_version_is_refused_in_words() {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider())).build().unwrap();
    let old = CertificateDer::from_pem_slice(include_bytes!("../../../tests/tls/old.pem")).unwrap();
    let refused =
        verifier.verify_client_cert(&old, &[], UnixTime::since_unix_epoch(Duration::from_secs(1 << 30)));
    let told = told(&io::Error::new(ErrorKind::InvalidData, refused.map(drop).unwrap_err()));
    assert!(told.starts_with("invalid peer certificate: it is of X.509 version 1"), "{told}");
}
