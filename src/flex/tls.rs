//! Whom the client believes: the system's authorities and those of a file, and how an error says that it does not.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use reqwest::Certificate;
use rustls::{AlertDescription, Error as TlsError};

use crate::error::{Error, Result};

/// The certificates of a PEM bundle.
///
/// # Errors
/// When the file cannot be read, or holds no certificate or a broken one.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>> {
    let bad = |why: String| {
        Error::config(format!("flex ca: {}: {why}; a file of PEM certificates is wanted", path.display()))
    };
    let pem = std::fs::read(path).map_err(|cause| bad(cause.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|cause| bad(cause.to_string()))?;
    if found.is_empty() { Err(bad("no certificate in it".to_owned())) } else { Ok(found) }
}

/// Why TLS did not come about, where trying again would not help: the server did not prove its identity, or does not
/// speak TLS 1.2 or later. Nothing but the handshake was sent then.
pub(super) fn distrust(error: &reqwest::Error) -> Option<String> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        // An io::Error gives the source of what it wraps as its own source.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls =
            wrapped.and_then(|inner| inner.downcast_ref::<TlsError>()).or_else(|| cause.downcast_ref::<TlsError>());
        if let Some(tls) = tls {
            return is_lasting(tls).then(|| tls.to_string());
        }
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

fn is_lasting(error: &TlsError) -> bool {
    match error {
        TlsError::AlertReceived(alert) => matches!(
            alert,
            AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity
                | AlertDescription::UnrecognisedName
        ),
        TlsError::InvalidCertificate(_) | TlsError::PeerIncompatible(_) | TlsError::InvalidMessage(_) => true,
        _ => false,
    }
}
