//! What a tenant keeps of a deployment: the bundle's key and address, to seal it to the next host after a failover or a
//! second match. One secret file per bid, beside the keystore.

use crate::wallet::secret_file::{self, SecretFileError};
use nupeer_client::bundle::{BundleAddress, BundleKey};
use nupeer_primitives::GenesisHash;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// A sealed bundle that leases run.
#[derive(Debug)]
pub struct Deployment {
    /// Name of the app.
    pub app: String,
    /// Name of the service.
    pub service: String,
    /// Opens the bundle.
    pub key: BundleKey,
    /// Where the bundle is found.
    pub address: BundleAddress,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeploymentFile {
    nupeer_deployment: u32,
    app: String,
    service: String,
    bundle_key: String,
    bundle_address: String,
}

impl Drop for DeploymentFile {
    fn drop(&mut self) {
        self.bundle_key.zeroize();
    }
}

impl Deployment {
    /// Writes the file of a bid that was placed.
    pub fn save(&self, keystore: &Path, genesis: &GenesisHash, order: u64) -> Result<(), SecretFileError> {
        let file = DeploymentFile {
            nupeer_deployment: 1,
            app: self.app.clone(),
            service: self.service.clone(),
            bundle_key: hex::encode(self.key.expose()),
            bundle_address: self.address.to_hex(),
        };
        let text = Zeroizing::new(serde_json::to_vec_pretty(&file).expect("strings and numbers always make JSON"));
        secret_file::create(&path(keystore, genesis, order), &text)
    }

    /// Reads the file of a bid; `None` if this machine didn't place it, or the file is damaged.
    #[must_use]
    pub fn load(keystore: &Path, genesis: &GenesisHash, order: u64) -> Option<Self> {
        let bytes = secret_file::read(&path(keystore, genesis, order)).ok()?;
        let file: DeploymentFile =
            serde_json::from_slice(&bytes).ok().filter(|f: &DeploymentFile| f.nupeer_deployment == 1)?;
        let mut key = [0; 32];
        hex::decode_to_slice(file.bundle_key.as_bytes(), &mut key).ok()?;
        let address = BundleAddress::from_hex(&file.bundle_address)?;
        Some(Self { app: file.app.clone(), service: file.service.clone(), key: BundleKey::from_bytes(key), address })
    }
}

/// `deployments/<network>/<order>.json`: order numbers are unique on a chain.
fn path(keystore: &Path, genesis: &GenesisHash, order: u64) -> PathBuf {
    let network: String = genesis.0.to_hex().chars().take(16).collect();
    keystore.parent().unwrap_or(Path::new(".")).join("deployments").join(network).join(format!("{order}.json"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bundle_key_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let keystore = folder.path().join("keystore.json");
        let genesis = GenesisHash(nupeer_primitives::Hash([1; 32]));
        let kept = Deployment {
            app: "hello".into(),
            service: "web".into(),
            key: BundleKey::from_bytes([7; 32]),
            address: BundleAddress([9; 24]),
        };
        kept.save(&keystore, &genesis, 12).unwrap();
        let found = Deployment::load(&keystore, &genesis, 12).unwrap();
        assert_eq!((found.key.expose(), found.address), (kept.key.expose(), kept.address));
        assert!(Deployment::load(&keystore, &genesis, 13).is_none());
        assert!(kept.save(&keystore, &genesis, 12).is_err(), "a key is never overwritten");
    }
}
