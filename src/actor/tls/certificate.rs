//! What we want to know of a certificate.

use crate::engine::server::certificates::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// A certificate, taken apart.
pub struct Parsed(x509_cert::Certificate);

impl Parsed {
    /// From DER; none if it is no certificate.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        x509_cert::Certificate::from_der(der).ok().map(Parsed)
    }

    /// Its number, and when it ends.
    pub fn facts(&self) -> Certificate {
        let number = self.0.tbs_certificate.serial_number.as_bytes();
        let first = number.iter().position(|byte| *byte != 0).unwrap_or(0);
        let serial = number[first..].iter().map(|byte| format!("{byte:02X}")).collect();
        let until = self.0.tbs_certificate.validity.not_after.to_unix_duration();
        Certificate { serial, until: until.as_secs() as i64 }
    }

    /// Its public key, encoded with the name of the algorithm.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject_public_key_info.to_der().ok()
    }

    /// The first common name of its subject.
    pub fn common_name(&self) -> Option<Vec<u8>> {
        let mut attributes = self.0.tbs_certificate.subject.0.iter().flat_map(|name| name.0.iter());
        let name = attributes.find(|attribute| attribute.oid == COMMON_NAME)?;
        Some(name.value.value().to_vec())
    }

    /// The URIs among its alternative names.
    pub fn uris(&self) -> Vec<Vec<u8>> {
        let extensions = self.0.tbs_certificate.extensions.iter().flatten();
        let names = extensions.filter(|extension| extension.extn_id == SUBJECT_ALT_NAME);
        let names = names.filter_map(|extension| names_in(&extension.extn_value)).flatten();
        names
            .filter_map(|name| match name {
                GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_bytes().to_vec()),
                _ => None,
            })
            .collect()
    }
}

fn names_in(value: &OctetString) -> Option<Vec<GeneralName>> {
    SubjectAltName::from_der(value.as_bytes()).ok().map(|names| names.0)
}
