//! What the parameters and the files they name make of TLS.

use super::certificate::Parsed;
use super::ciphers;
use super::sessions::Sessions;
use crate::actor::log::{self, reason};
use crate::engine::config::{Config, TlsAuthClients, TlsAuthClientsUser};
use crate::engine::effect::Level;
use crate::engine::server::certificates::{Certificate, Certificates};
use crate::runtime::{fs, rng, time};
use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a handshake needs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// For the handshake itself.
    pub server: Arc<ServerConfig>,
    /// Which part of a client's certificate names its user.
    pub user: TlsAuthClientsUser,
    /// What INFO tells.
    pub certificates: Certificates,
    /// What the files held, to see whether they change.
    files: Vec<Vec<u8>>,
}

/// Entropy of our runtime.
#[derive(Debug)]
struct Entropy;

impl SecureRandom for Entropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        rng::fill(bytes);
        Ok(())
    }
}

/// The clock of our runtime.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since = Duration::from_micros(u64::try_from(time::now().unix_us).ok()?);
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// Arithmetic over entropy and a clock that are ours, so that a simulated world is the same each time.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        secure_random: &Entropy,
        kx_groups: rng::key_exchanges(),
        ..rustls::crypto::ring::default_provider()
    }
}

impl Setup {
    /// Reads the files and puts everything together. Fails with the reason.
    pub fn new(config: &Config) -> Result<Self, String> {
        let mut files = Vec::new();
        let mut warn = |text: String| log::write(Level::Warning, &text);
        let versions = ciphers::versions(&text(&config.tls_protocols), &mut warn)?;
        let (names, names13) = (text(&config.tls_ciphers), text(&config.tls_ciphersuites));
        let cipher_suites = ciphers::suites(&names, &names13, &versions, &mut warn)?;
        if !config.tls_dh_params_file.is_empty() {
            warn("tls-dh-params-file has no effect: no cipher with finite fields is offered.".to_owned());
        }
        let provider = Arc::new(CryptoProvider { cipher_suites, ..provider() });
        let (shown, facts) = own_certificate(config, &provider, &mut files)?;
        let trusted = trusted(config, &mut files, &mut warn)?;
        let authorities = trusted.roots.iter().filter_map(|der| Parsed::from_der(der));
        // The one that ends first is the one to look after.
        let authority = authorities.map(|parsed| parsed.facts()).min_by_key(|facts| facts.until);
        let other = client_certificate(config, &mut files);
        let verifier = verifier(config.tls_auth_clients, trusted, &provider)?;
        let mut server = ServerConfig::builder_with_details(provider, Arc::new(Clock))
            .with_protocol_versions(&versions)
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        server.ignore_client_order = config.tls_prefer_server_ciphers;
        if config.tls_session_caching {
            let (size, seconds) = (config.tls_session_cache_size, config.tls_session_cache_timeout);
            server.session_storage = Arc::new(Sessions::new(size, seconds));
        } else {
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        Ok(Setup {
            server: Arc::new(server),
            user: config.tls_auth_clients_user,
            certificates: Certificates { server: Some(facts), client: other, authority },
            files,
        })
    }

    /// Whether the files hold something else than they did for `other`.
    pub fn differs_from(&self, other: &Setup) -> bool {
        self.files != other.files
    }

    /// The user that a client's certificate names.
    pub fn user_of(&self, certificate: &[u8]) -> Option<Vec<Vec<u8>>> {
        let parsed = Parsed::from_der(certificate)?;
        match self.user {
            TlsAuthClientsUser::Off => None,
            TlsAuthClientsUser::CommonName => Some(parsed.common_name().into_iter().collect()),
            TlsAuthClientsUser::Uri => Some(parsed.uris()),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads the file that a parameter names.
fn read(parameter: &str, name: &[u8], files: &mut Vec<Vec<u8>>) -> Result<Vec<u8>, String> {
    let path = Path::new(OsStr::from_bytes(name));
    let content = fs::read(path)
        .map_err(|error| format!("Failed to read {parameter}: {}: {}", path.display(), reason(&error)))?;
    files.push(content.clone());
    Ok(content)
}

/// The certificates in a file, of which there must be one.
fn certificates(
    parameter: &str,
    name: &[u8],
    files: &mut Vec<Vec<u8>>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let content = read(parameter, name, files)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("Failed to load {parameter}: {}: there is no certificate in it", text(name))),
        Err(error) => Err(format!("Failed to load {parameter}: {}: {error}", text(name))),
    }
}

/// The certificate that the server shows, with its key.
fn own_certificate(
    config: &Config,
    provider: &CryptoProvider,
    files: &mut Vec<Vec<u8>>,
) -> Result<(CertifiedKey, Certificate), String> {
    if config.tls_cert_file.is_empty() {
        return Err("No tls-cert-file configured!".to_owned());
    }
    if config.tls_key_file.is_empty() {
        return Err("No tls-key-file configured!".to_owned());
    }
    let chain = certificates("tls-cert-file", &config.tls_cert_file, files)?;
    let key = private_key(config, provider, files)?;
    let name = text(&config.tls_cert_file);
    let parsed = Parsed::from_der(&chain[0])
        .ok_or_else(|| format!("Failed to load tls-cert-file: {name}: this is no certificate"))?;
    // Compared here, since certificates of the first version of X.509 serve too.
    let public = key.public_key().map(|key| key.to_vec());
    if public.is_some() && public != parsed.public_key() {
        return Err(format!(
            "Failed to load tls-key-file: {}: it is not the key of {name}",
            text(&config.tls_key_file)
        ));
    }
    Ok((CertifiedKey::new(chain, key), parsed.facts()))
}

/// Around a private key with a password.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

fn private_key(
    config: &Config,
    provider: &CryptoProvider,
    files: &mut Vec<Vec<u8>>,
) -> Result<Arc<dyn SigningKey>, String> {
    let name = &config.tls_key_file;
    let content = read("tls-key-file", name, files)?;
    let failed = |why: &str| format!("Failed to load tls-key-file: {}: {why}", text(name));
    let holds = |mark: &[u8]| content.windows(mark.len()).any(|window| window == mark);
    let key = if holds(ENCRYPTED.as_bytes()) {
        decrypted(&content, &config.tls_key_file_pass).map_err(|why| failed(&why))?
    } else if holds(b"Proc-Type: 4,ENCRYPTED") {
        return Err(failed(
            "it is encrypted in the old form of OpenSSL: store it in the new one, as in \
             `openssl pkcs8 -topk8 -in key.pem -out new.pem`",
        ));
    } else {
        PrivateKeyDer::from_pem_slice(&content).map_err(|error| failed(&error.to_string()))?
    };
    provider.key_provider.load_private_key(key).map_err(|error| failed(&error.to_string()))
}

/// The key that a password protects, as PKCS #8 and PKCS #5 have it.
fn decrypted(content: &[u8], password: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if password.is_empty() {
        return Err("it is encrypted, and there is no tls-key-file-pass".to_owned());
    }
    // There may be a certificate beside it.
    let block = std::str::from_utf8(content).ok().and_then(|content| {
        let block = &content[content.find(ENCRYPTED)?..];
        block.get(..block.find(ENCRYPTED_END)? + ENCRYPTED_END.len())
    });
    let block = block.ok_or("it does not end")?;
    let (_, document) = SecretDocument::from_pem(block).map_err(|error| error.to_string())?;
    let key = EncryptedPrivateKeyInfo::try_from(document.as_bytes())
        .and_then(|key| key.decrypt(password))
        .map_err(|error| format!("tls-key-file-pass does not decrypt it: {error}"))?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

/// Whom we trust to say who clients are.
fn trusted(
    config: &Config,
    files: &mut Vec<Vec<u8>>,
    warn: &mut dyn FnMut(String),
) -> Result<Trusted, String> {
    let mut trusted = Trusted { store: RootCertStore::empty(), roots: Vec::new() };
    if !config.tls_ca_cert_file.is_empty() {
        for certificate in certificates("tls-ca-cert-file", &config.tls_ca_cert_file, files)? {
            let name = text(&config.tls_ca_cert_file);
            trusted
                .add(certificate)
                .map_err(|error| format!("Failed to load tls-ca-cert-file: {name}: {error}"))?;
        }
    }
    if !config.tls_ca_cert_dir.is_empty() {
        let directory = Path::new(OsStr::from_bytes(&config.tls_ca_cert_dir));
        let pattern = directory.join("*");
        let found = fs::glob(&pattern.to_string_lossy()).map_err(|error| {
            format!("Failed to read tls-ca-cert-dir: {}: {}", directory.display(), reason(&error))
        })?;
        for path in found {
            // Directories and files of other kinds are no concern of ours.
            let Ok(content) = fs::read(&path) else { continue };
            for certificate in CertificateDer::pem_slice_iter(&content).flatten() {
                if let Err(error) = trusted.add(certificate) {
                    warn(format!("tls-ca-cert-dir: {} is left out: {error}", path.display()));
                }
            }
            files.push(content);
        }
    }
    Ok(trusted)
}

struct Trusted {
    store: RootCertStore,
    roots: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), rustls::Error> {
        self.store.add(certificate.clone())?;
        self.roots.push(certificate);
        Ok(())
    }
}

fn verifier(
    who: TlsAuthClients,
    trusted: Trusted,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if who == TlsAuthClients::No {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    if trusted.store.is_empty() {
        return Err("Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, \
                    tls-replication or tls-auth-clients are enabled!"
            .to_owned());
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted.store), provider.clone());
    let builder = if who == TlsAuthClients::Optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(|verifier| verifier as _).map_err(|error| error.to_string())
}

/// What is known of the certificate that other servers are shown. Nobody is shown it yet, so that one that cannot be
/// read is no error.
fn client_certificate(config: &Config, files: &mut Vec<Vec<u8>>) -> Option<Certificate> {
    let name = &config.tls_client_cert_file;
    let chain =
        (!name.is_empty()).then(|| certificates("tls-client-cert-file", name, files).ok()).flatten()?;
    Parsed::from_der(&chain[0]).map(|parsed| parsed.facts())
}
