//! `tls-protocols`, `tls-ciphers` and `tls-ciphersuites`: the names of OpenSSL, as far as what they name is there.
//!
//! There are only versions 1.2 and 1.3, and only ciphers with forward secrecy and authenticated encryption. What is
//! named beside them is left out with a warning, as OpenSSL leaves out what it does not know; if nothing is left, that is
//! an error.

use rustls::crypto::ring::cipher_suite as suite;
use rustls::{ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion, version};

/// A cipher up to TLS 1.2: OpenSSL's name, and the words that stand for it and others.
struct Cipher {
    name: &'static str,
    words: &'static [&'static str],
    suite: SupportedCipherSuite,
}

/// In the order in which we prefer them.
const CIPHERS: &[Cipher] = &[
    Cipher {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["ECDHE", "EECDH", "ECDSA", "aECDSA", "AES", "AES256", "AESGCM", "SHA384"],
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["ECDHE", "EECDH", "ECDSA", "aECDSA", "AES", "AES128", "AESGCM", "SHA256"],
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Cipher {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["ECDHE", "EECDH", "ECDSA", "aECDSA", "CHACHA20"],
        suite: suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["ECDHE", "EECDH", "aRSA", "RSA", "AES", "AES256", "AESGCM", "SHA384"],
        suite: suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["ECDHE", "EECDH", "aRSA", "RSA", "AES", "AES128", "AESGCM", "SHA256"],
        suite: suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["ECDHE", "EECDH", "aRSA", "RSA", "CHACHA20"],
        suite: suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
];

/// Words for all of them.
const ALL: &[&str] = &["DEFAULT", "ALL", "HIGH", "COMPLEMENTOFDEFAULT", "TLSv1.2", "TLSv1.0", "AEAD"];

const SUITES: &[(&str, SupportedCipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
];

/// Adds a warning.
type Warn<'a> = &'a mut dyn FnMut(String);

/// The versions that `tls-protocols` names.
pub fn versions(text: &str, warn: Warn) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::new();
    for word in text.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&version::TLS12),
            "tlsv1.3" => versions.push(&version::TLS13),
            "tlsv1" | "tlsv1.1" => warn(format!("tls-protocols: {word} is not offered: it is not safe.")),
            _ => {
                return Err(format!(
                    "Invalid tls-protocols specified ({word}). Use a combination of 'TLSv1.2' and 'TLSv1.3'."
                ));
            }
        }
    }
    if text.trim().is_empty() {
        versions = vec![&version::TLS12, &version::TLS13];
    }
    if versions.is_empty() {
        return Err("tls-protocols names no version that this server offers (TLSv1.2, TLSv1.3).".to_owned());
    }
    Ok(versions)
}

/// The suites that the two lists name, those of TLS 1.3 first, for these versions.
pub fn suites(
    ciphers: &str,
    ciphersuites: &str,
    versions: &[&SupportedProtocolVersion],
    warn: Warn,
) -> Result<Vec<SupportedCipherSuite>, String> {
    let offers = |wanted| versions.iter().any(|version| version.version == wanted);
    let mut suites = Vec::new();
    if offers(ProtocolVersion::TLSv1_3) {
        let named = named_suites(ciphersuites, warn);
        if named.is_empty() {
            return Err("tls-ciphersuites names no cipher that this server offers in TLS 1.3.".to_owned());
        }
        suites.extend(named);
    }
    if offers(ProtocolVersion::TLSv1_2) {
        let named = named_ciphers(ciphers, warn);
        if named.is_empty() {
            return Err("tls-ciphers names no cipher that this server offers in TLS 1.2.".to_owned());
        }
        suites.extend(named);
    }
    Ok(suites)
}

fn named_suites(list: &str, warn: Warn) -> Vec<SupportedCipherSuite> {
    if list.trim().is_empty() {
        return SUITES.iter().map(|(_, suite)| *suite).collect();
    }
    let mut named = Vec::new();
    for word in words(list) {
        match SUITES.iter().find(|(name, _)| *name == word) {
            Some((_, suite)) if !named.contains(suite) => named.push(*suite),
            Some(_) => {}
            None => warn(format!("tls-ciphersuites: {word} is not offered.")),
        }
    }
    named
}

fn named_ciphers(list: &str, warn: Warn) -> Vec<SupportedCipherSuite> {
    let list = if list.trim().is_empty() { "DEFAULT" } else { list };
    let (mut named, mut banned): (Vec<&Cipher>, Vec<&str>) = (Vec::new(), Vec::new());
    for word in words(list) {
        // The order of what was named before, and levels of OpenSSL's own, which all of ours pass.
        if word.starts_with('@') {
            continue;
        }
        let (action, word) = match word.chars().next() {
            Some(action @ ('!' | '-' | '+')) => (action, &word[1..]),
            _ => (' ', word),
        };
        let fits = |cipher: &Cipher| stands_for(word, cipher) && !banned.contains(&cipher.name);
        match action {
            ' ' => {
                let new: Vec<&Cipher> = CIPHERS.iter().filter(|cipher| fits(cipher)).collect();
                if new.is_empty() {
                    warn(format!("tls-ciphers: {word} is not offered."));
                }
                for cipher in new {
                    if !named.iter().any(|known| known.name == cipher.name) {
                        named.push(cipher);
                    }
                }
            }
            '+' => named.sort_by_key(|cipher| stands_for(word, cipher)),
            _ => {
                named.retain(|cipher| !stands_for(word, cipher));
                if action == '!' {
                    let all = CIPHERS.iter().filter(|cipher| stands_for(word, cipher));
                    banned.extend(all.map(|cipher| cipher.name));
                }
            }
        }
    }
    named.into_iter().map(|cipher| cipher.suite).collect()
}

/// Whether a word of OpenSSL's, maybe several joined by plus signs, stands for a cipher.
fn stands_for(word: &str, cipher: &Cipher) -> bool {
    word == cipher.name
        || ALL.contains(&word)
        || word.split('+').all(|part| cipher.words.contains(&part) || ALL.contains(&part))
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([':', ',', ' ']).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(list: &str) -> (Vec<&'static str>, usize) {
        let mut warnings = 0;
        let suites = named_ciphers(list, &mut |_| warnings += 1);
        let name = |suite: &SupportedCipherSuite| {
            CIPHERS.iter().find(|cipher| cipher.suite == *suite).map_or("", |cipher| cipher.name)
        };
        (suites.iter().map(name).collect(), warnings)
    }

    #[test]
    fn lists_mean_what_they_mean_to_openssl() {
        assert_eq!((chosen("").0.len(), chosen("DEFAULT:!MEDIUM:!aNULL").0.len()), (6, 6));
        assert_eq!(chosen("DEFAULT:!ECDSA").0, chosen("ALL:-aECDSA").0);
        assert_eq!(
            chosen("ECDHE-RSA-CHACHA20-POLY1305:ECDHE+AESGCM+aRSA").0,
            ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(chosen("HIGH:+CHACHA20:@STRENGTH").0.last(), Some(&"ECDHE-RSA-CHACHA20-POLY1305"));
        assert_eq!(chosen("!CHACHA20:ALL").0.len(), 4);
        assert_eq!(
            chosen("AES128-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256"),
            (vec!["ECDHE-ECDSA-AES128-GCM-SHA256"], 1)
        );
    }

    #[test]
    fn what_leaves_nothing_is_refused() {
        let mut ignored = |_| {};
        let both = versions("", &mut ignored).expect("these are the defaults");
        assert!(suites("AES128-SHA", "", &both, &mut ignored).is_err());
        assert!(suites("", "TLS_NO_SUCH", &both, &mut ignored).is_err());
        assert_eq!(suites("", "", &both, &mut ignored).map(|suites| suites.len()), Ok(9));
        let new = versions("tlsv1.3", &mut ignored).expect("there is such a version");
        assert_eq!(
            suites("AES128-SHA", "TLS_AES_128_GCM_SHA256", &new, &mut ignored).map(|s| s.len()),
            Ok(1)
        );
        assert!(versions("TLSv1.1", &mut ignored).is_err());
        assert!(versions("SSLv3 TLSv1.2", &mut ignored).is_err());
        assert_eq!(versions("TLSv1 TLSv1.2", &mut ignored).map(|versions| versions.len()), Ok(1));
    }
}
