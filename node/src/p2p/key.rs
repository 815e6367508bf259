//! The peer key: names this node to its peers and signs nothing of the chain.

use super::NetworkError;
use libp2p::identity::Keypair;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

const FILE: &str = "peer.key";
/// Bytes of the file; an ed25519 key takes 68.
const BYTES_MAX: u64 = 256;

/// Reads the peer key of a folder, making one where there is none.
pub fn load_or_create(folder: &Path) -> Result<Keypair, NetworkError> {
    let path = folder.join(FILE);
    let failed = |why: String| NetworkError::Key { path: path.clone(), why };
    match fs::metadata(&path) {
        Ok(meta) if meta.len() > BYTES_MAX => Err(failed(format!("{} bytes long, expected 68", meta.len()))),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            Err(failed("readable by others; run chmod 600 on it".to_owned()))
        }
        Ok(_) => {
            let bytes = Zeroizing::new(fs::read(&path).map_err(|error| failed(error.to_string()))?);
            Keypair::from_protobuf_encoding(&bytes).map_err(|error| failed(format!("not a peer key: {error}")))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
            create(&path).map_err(failed)
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Written aside and moved into place, so that a crash leaves a whole key or none.
fn create(path: &Path) -> Result<Keypair, String> {
    let key = Keypair::generate_ed25519();
    let bytes = Zeroizing::new(key.to_protobuf_encoding().map_err(|error| error.to_string())?);
    let aside = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    write().map_err(|error| error.to_string())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_create(folder.path()).unwrap().public();
        assert_eq!(load_or_create(folder.path()).unwrap().public(), first);
        let path = folder.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_create(folder.path()).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"junk").unwrap();
        assert!(load_or_create(folder.path()).is_err());
        fs::write(&path, vec![0; 300]).unwrap();
        assert!(load_or_create(folder.path()).is_err());
    }
}
