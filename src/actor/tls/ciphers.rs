//! `tls-protocols`, `tls-ciphers` and `tls-ciphersuites`: the names of OpenSSL, as far as what they name is there.
//!
//! There are only versions 1.2 and 1.3, and only ciphers with forward secrecy and authenticated encryption. What is
//! named beside them is left out with a warning, as OpenSSL leaves out what it does not know; if nothing is left, that is
//! an error. The language of cipher lists is that of `openssl-ciphers(1)`.

use rustls::crypto::ring::cipher_suite as suite;
use rustls::{ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion, version};

/// A cipher up to TLS 1.2: OpenSSL's name, and the words that stand for it and others.
struct Cipher {
    name: &'static str,
    words: &'static [&'static str],
    /// Strength in bits.
    bits: u16,
    suite: SupportedCipherSuite,
}

/// In OpenSSL's order.
const CIPHERS: &[Cipher] = &[
    Cipher {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM", "FIPS"],
        bits: 256,
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["aRSA", "AES", "AES256", "AESGCM", "FIPS"],
        bits: 256,
        suite: suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    },
    Cipher {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["ECDSA", "aECDSA", "CHACHA20"],
        bits: 256,
        suite: suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["aRSA", "CHACHA20"],
        bits: 256,
        suite: suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    },
    Cipher {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM", "FIPS"],
        bits: 128,
        suite: suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    },
    Cipher {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["aRSA", "AES", "AES128", "AESGCM", "FIPS"],
        bits: 128,
        suite: suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    },
];

/// Words that stand for all of them. `RSA`, `SHA256` and others are not here: they stand for ciphers without forward
/// secrecy or authenticated encryption, so that excluding them excludes none of ours.
const ALL: &[&str] = &["ALL", "HIGH", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH"];

const SUITES: &[(&str, SupportedCipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
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
            return Err(nothing_left("tls-ciphersuites", SUITES.iter().map(|(name, _)| *name)));
        }
        suites.extend(named);
    }
    if offers(ProtocolVersion::TLSv1_2) {
        let named = named_ciphers(ciphers, warn);
        if named.is_empty() {
            return Err(nothing_left("tls-ciphers", CIPHERS.iter().map(|cipher| cipher.name)));
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

fn nothing_left(parameter: &str, offered: impl Iterator<Item = &'static str>) -> String {
    let offered: Vec<&str> = offered.collect();
    format!("{parameter} leaves none of the ciphers that this server has: {}.", offered.join(", "))
}

/// Does what a list says, word by word.
fn named_ciphers(list: &str, warn: Warn) -> Vec<SupportedCipherSuite> {
    let mut choice = Choice::default();
    let list = list.trim();
    // Stands for the usual list at the start, and for nothing anywhere else.
    let rest = if list.is_empty() { Some("") } else { list.strip_prefix("DEFAULT") };
    if rest.is_some() {
        choice.add("ALL");
    }
    for word in words(rest.unwrap_or(list)) {
        match word.split_at_checked(1) {
            Some(("!", word)) => choice.ban(|cipher| stands_for(word, cipher)),
            Some(("-", word)) => choice.remove(word),
            Some(("+", word)) => choice.put_last(word),
            Some(("@", "STRENGTH")) => choice.named.sort_by_key(|cipher| u16::MAX - cipher.bits),
            // Below the fourth level all of ours are allowed.
            Some(("@", "SECLEVEL=4")) => choice.ban(|cipher| cipher.bits < 192),
            Some(("@", "SECLEVEL=5")) => choice.ban(|cipher| cipher.bits < 256),
            Some(("@", _)) => {}
            _ => {
                if !CIPHERS.iter().any(|cipher| stands_for(word, cipher)) {
                    warn(format!("tls-ciphers: {word} is not offered."));
                }
                choice.add(word);
            }
        }
    }
    choice.named.into_iter().map(|cipher| cipher.suite).collect()
}

/// What a list has named so far.
struct Choice {
    /// In the order in which they are offered.
    named: Vec<&'static Cipher>,
    /// Those that may still be named, in the order in which one word names several.
    others: Vec<&'static Cipher>,
}

impl Default for Choice {
    fn default() -> Self {
        Choice { named: Vec::new(), others: CIPHERS.iter().collect() }
    }
}

impl Choice {
    fn add(&mut self, word: &str) {
        self.named.extend(self.others.extract_if(.., |cipher| stands_for(word, cipher)));
    }

    /// They may be named again, before all others.
    fn remove(&mut self, word: &str) {
        let removed = self.named.extract_if(.., |cipher| stands_for(word, cipher)).collect::<Vec<_>>();
        self.others.splice(0..0, removed);
    }

    fn put_last(&mut self, word: &str) {
        self.named.sort_by_key(|cipher| stands_for(word, cipher));
    }

    fn ban(&mut self, which: impl Fn(&Cipher) -> bool) {
        self.named.retain(|cipher| !which(cipher));
        self.others.retain(|cipher| !which(cipher));
    }
}

/// Whether a word of OpenSSL's, maybe several joined by plus signs, stands for a cipher.
fn stands_for(word: &str, cipher: &Cipher) -> bool {
    let fits = |part: &str| part == cipher.name || cipher.words.contains(&part) || ALL.contains(&part);
    word.split('+').all(fits)
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split([':', ',', ';', ' ']).filter(|word| !word.is_empty())
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

    const E256: &str = "ECDHE-ECDSA-AES256-GCM-SHA384";
    const R256: &str = "ECDHE-RSA-AES256-GCM-SHA384";
    const ECHA: &str = "ECDHE-ECDSA-CHACHA20-POLY1305";
    const RCHA: &str = "ECDHE-RSA-CHACHA20-POLY1305";
    const E128: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
    const R128: &str = "ECDHE-RSA-AES128-GCM-SHA256";

    #[test]
    fn lists_mean_what_they_mean_to_openssl() {
        let all = [E256, R256, ECHA, RCHA, E128, R128];
        // As `openssl ciphers -tls1_2 LIST` answers, less what is not offered here.
        for list in [
            "",
            "DEFAULT",
            "ALL",
            "HIGH:!aNULL:!MD5",
            "DEFAULT:!MEDIUM:!aNULL",
            "ALL:!COMPLEMENTOFDEFAULT:!eNULL",
        ] {
            assert_eq!(chosen(list), (all.to_vec(), 0), "{list}");
        }
        for list in
            ["ALL:!RSA:!kRSA:!SHA256:!SHA384:!SHA1", "ALL:@STRENGTH", "ALL:@SECLEVEL=3", "kECDHE", "ECDH"]
        {
            assert_eq!(chosen(list).0, all, "{list}");
        }
        for (list, wanted) in [
            ("DEFAULT:!ECDSA", &[R256, RCHA, R128][..]),
            ("ALL:-aECDSA", &[R256, RCHA, R128]),
            ("FIPS", &[E256, R256, E128, R128]),
            ("ALL+AESGCM", &[E256, R256, E128, R128]),
            ("DEFAULT+AESGCM", &[ECHA, RCHA, E256, R256, E128, R128]),
            ("ECDHE-RSA-CHACHA20-POLY1305:ECDHE+AESGCM+aRSA", &[RCHA, R256, R128]),
            ("ECDHE-RSA-AES128-GCM-SHA256+AESGCM", &[R128]),
            ("AES128::AES256,CHACHA20;ALL", &[E128, R128, E256, R256, ECHA, RCHA]),
            ("AES128:ALL:@STRENGTH", &[E256, R256, ECHA, RCHA, E128, R128]),
            ("ALL:+AES256:-RSA", &[ECHA, RCHA, E128, R128, E256, R256]),
            ("AES128+aRSA:ALL", &[R128, E256, R256, ECHA, RCHA, E128]),
            ("ALL:-AESGCM:AESGCM", &[ECHA, RCHA, E256, R256, E128, R128]),
            ("ALL:-aRSA:+AES256:aRSA", &[ECHA, E128, E256, R256, RCHA, R128]),
            ("ALL:-aRSA:-CHACHA20:ALL", &[E256, E128, ECHA, R256, RCHA, R128]),
            ("ALL:!AES128:AES128", &[E256, R256, ECHA, RCHA]),
            ("!CHACHA20:ALL", &[E256, R256, E128, R128]),
            ("@SECLEVEL=5:ALL", &[E256, R256, ECHA, RCHA]),
            ("-ALL:AES128", &[E128, R128]),
            ("ALL:-ECDHE:AES128", &[E128, R128]),
            ("!ALL:AES", &[]),
            ("+AES", &[]),
        ] {
            assert_eq!(chosen(list).0, wanted, "{list}");
        }
    }

    #[test]
    fn what_is_not_offered_is_left_out_with_a_warning() {
        assert_eq!(chosen("AES128-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256"), (vec![E128], 1));
        assert_eq!(chosen("RSA:no-such:AES256+aRSA:DEFAULT:aesgcm"), (vec![R256], 4));
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
