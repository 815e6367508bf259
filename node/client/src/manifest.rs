//! The normalised manifest (market.md §14): what one lease runs, as canonical CBOR. Its hash is on chain, its content isn't.
//!
//! A person's YAML describes an app of several services; the command line splits it into one [`Workload`] per service,
//! and each lease carries the hash of its own. Placement and budget stay with the tenant: a host has no use for them.
//!
//! # Invariants
//! - One workload has one encoding: lists whose order has no meaning are ascending, and decoding refuses others.
//! - [`Workload::decode`] accepts only what [`Workload::check`] accepts, on both sides.

use nupeer_primitives::cbor::{Cbor, Reader, Writer};
use nupeer_primitives::error::Malformed;
use nupeer_primitives::hash::blake2b_256;
use nupeer_primitives::market::{Family, METER_EGRESS_BYTES, METER_REQUESTS, METER_WASM_FUEL};
use nupeer_primitives::{code_enum, record};
use thiserror::Error;

/// Bytes of a normalised manifest, as of its YAML.
pub const MANIFEST_BYTES_MAX: usize = 65_536;
/// Bytes of a name: app, service, volume, secret.
pub const NAME_BYTES_MAX: usize = 63;
/// Arguments, variables, secrets, mounts or egress hosts.
pub const ENTRIES_MAX: usize = 64;
/// Bytes of one argument, variable or path.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Volume name that means the lease's own disk.
pub const SCRATCH: &str = "scratch";

code_enum! {
    /// What an artifact is.
    pub enum ArtifactKind {
        /// A WebAssembly component.
        Wasm = 0,
        /// An OCI image.
        Image = 1,
        /// A binary, for the development plugin `process`.
        Exec = 2,
    }
}

code_enum! {
    /// When a stopped workload is started again.
    pub enum Restart {
        /// Never.
        Never = 0,
        /// After a failure.
        OnFailure = 1,
        /// Always.
        Always = 2,
    }
}

code_enum! {
    /// Where a workload may connect to.
    pub enum EgressMode {
        /// Nowhere.
        None = 0,
        /// The listed hosts.
        List = 1,
        /// Any public address.
        Open = 2,
    }
}

record! {
    /// What runs.
    pub struct Artifact {
        /// Kind.
        pub kind: ArtifactKind,
        /// Repository of an image; empty where the digest says all.
        pub reference: String,
        /// blake2b-256 of a component or binary; sha-256 of an image, as registries have it.
        pub digest: [u8; 32],
    }
}

record! {
    /// The workload's one port.
    pub struct Expose {
        /// Port inside; 0 = the component's own `wasi:http` export.
        pub port: u16,
        /// Host name that clients ask for.
        pub host: Option<String>,
        /// Path that answers 2xx when healthy.
        pub health: Option<String>,
    }
}

/// What one lease runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// Name of the app.
    pub app: String,
    /// Name of the service in it.
    pub service: String,
    /// What runs.
    pub artifact: Artifact,
    /// Arguments; empty = the artifact's own.
    pub command: Vec<String>,
    /// Variables, names ascending.
    pub env: Vec<(String, String)>,
    /// Names of secrets, ascending; values travel sealed, as files.
    pub secrets: Vec<String>,
    /// Family of the lots.
    pub family: Family,
    /// Number of lots.
    pub lots: u32,
    /// (path, volume), paths ascending; [`SCRATCH`] is the lease's own disk.
    pub mounts: Vec<(String, String)>,
    /// Its port, if clients may reach it.
    pub expose: Option<Expose>,
    /// Meter kinds that are billed, ascending.
    pub meters: Vec<u8>,
    /// Where it may connect to.
    pub egress: EgressMode,
    /// Hosts of [`EgressMode::List`], ascending.
    pub egress_hosts: Vec<String>,
    /// When it is started again.
    pub restart: Restart,
}

/// Why a workload is refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[allow(missing_docs)]
pub enum ManifestError {
    #[error("manifest is not canonical CBOR of a workload: {0}")]
    Malformed(Malformed),
    #[error("`{name}` is not a name: 1 to 63 of a-z, 0-9 and `-`")]
    Name { name: String },
    #[error("`{name}` is not a secret's name: 1 to 63 of A-Z, a-z, 0-9, `_` and `-`")]
    SecretName { name: String },
    #[error("{what} has {count} entries, at most {ENTRIES_MAX} are permitted")]
    TooMany { what: &'static str, count: usize },
    #[error("{what} has an entry of {bytes} bytes, at most {TEXT_BYTES_MAX} are permitted")]
    TooLong { what: &'static str, bytes: usize },
    #[error("{what} is not in ascending order, or an entry stands twice")]
    Order { what: &'static str },
    #[error("{what} `{text}` is not valid: {expected}")]
    Text { what: &'static str, text: String, expected: &'static str },
    #[error("lots of a service are 0")]
    NoLots,
    #[error("egress hosts stand there, but egress is not by list")]
    EgressHosts,
    #[error("a wasm component has no port of its own to choose: say `http: true`")]
    WasmPort,
    #[error("manifest has {bytes} bytes, at most {MANIFEST_BYTES_MAX} are permitted")]
    Size { bytes: usize },
    #[error("meter `{name}` is unknown: egress, requests, users, fuel, gpu, cpu, storage, io and units exist")]
    UnknownMeter { name: String },
}

/// Names of meters in manifests, by kind (market.md §2).
pub const METERS: [(&str, u8); 9] = [
    ("egress", METER_EGRESS_BYTES),
    ("requests", METER_REQUESTS),
    ("users", 3),
    ("fuel", METER_WASM_FUEL),
    ("gpu", 5),
    ("cpu", 6),
    ("storage", 7),
    ("io", 8),
    ("units", 9),
];

/// The kind of a meter's name.
pub fn meter_kind(name: &str) -> Result<u8, ManifestError> {
    let found = METERS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    found.ok_or_else(|| ManifestError::UnknownMeter { name: name.into() })
}

impl Workload {
    /// The hash that stands on chain.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        blake2b_256(&self.to_cbor()).0
    }

    /// Decodes and checks bytes from outside.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let workload = Self::from_cbor(bytes, MANIFEST_BYTES_MAX).map_err(ManifestError::Malformed)?;
        workload.check()?;
        Ok(workload)
    }

    /// Every rule that the shape alone does not carry.
    pub fn check(&self) -> Result<(), ManifestError> {
        name(&self.app)?;
        name(&self.service)?;
        if self.lots == 0 {
            return Err(ManifestError::NoLots);
        }
        texts("command", self.command.iter().map(String::as_str))?;
        texts("env", self.env.iter().map(|(_, value)| value.as_str()))?;
        ascending("env", self.env.iter().map(|(key, _)| key.as_str()))?;
        for (key, _) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) {
                return Err(text("variable", key, "a name without `=`"));
            }
        }
        ascending("secrets", self.secrets.iter().map(String::as_str))?;
        self.secrets.iter().try_for_each(|secret| secret_name(secret))?;
        self.check_mounts()?;
        self.check_network()?;
        let bytes = self.to_cbor().len();
        if bytes > MANIFEST_BYTES_MAX { Err(ManifestError::Size { bytes }) } else { Ok(()) }
    }

    fn check_mounts(&self) -> Result<(), ManifestError> {
        ascending("mounts", self.mounts.iter().map(|(path, _)| path.as_str()))?;
        for (path, volume) in &self.mounts {
            name(volume)?;
            let plain = path.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0'))
            });
            if !plain {
                return Err(text("mount", path, "an absolute path without `.` and `..`"));
            }
            if self.mounts.iter().filter(|(_, other)| other == volume).count() > 1 {
                return Err(text("volume", volume, "each is mounted once"));
            }
        }
        Ok(())
    }

    fn check_network(&self) -> Result<(), ManifestError> {
        if !self.meters.iter().zip(self.meters.iter().skip(1)).all(|(a, b)| a < b) {
            return Err(ManifestError::Order { what: "meters" });
        }
        ascending("egress", self.egress_hosts.iter().map(String::as_str))?;
        self.egress_hosts.iter().try_for_each(|host| host_name("egress host", host))?;
        if (self.egress == EgressMode::List) == self.egress_hosts.is_empty() {
            return Err(ManifestError::EgressHosts);
        }
        let Some(expose) = &self.expose else { return Ok(()) };
        if self.artifact.kind == ArtifactKind::Wasm && expose.port != 0 {
            return Err(ManifestError::WasmPort);
        }
        if let Some(host) = &expose.host {
            host_name("host", host)?;
        }
        match &expose.health {
            Some(path) if !path.starts_with('/') || path.len() > 255 => Err(text("health", path, "a path from `/` on")),
            Some(_) | None => Ok(()),
        }
    }
}

fn text(what: &'static str, text: &str, expected: &'static str) -> ManifestError {
    ManifestError::Text { what, text: text.chars().take(80).collect(), expected }
}

/// Checks the name of an app, service or volume.
pub fn name(name: &str) -> Result<(), ManifestError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(()) } else { Err(ManifestError::Name { name: name.chars().take(80).collect() }) }
}

fn secret_name(name: &str) -> Result<(), ManifestError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fits { Ok(()) } else { Err(ManifestError::SecretName { name: name.chars().take(80).collect() }) }
}

fn host_name(what: &'static str, host: &str) -> Result<(), ManifestError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let fits = host.len() <= 253 && host.split('.').all(label);
    if fits { Ok(()) } else { Err(text(what, host, "a host name in lower case")) }
}

fn texts<'a>(what: &'static str, items: impl Iterator<Item = &'a str>) -> Result<(), ManifestError> {
    let mut count = 0;
    for item in items {
        count += 1;
        if item.len() > TEXT_BYTES_MAX {
            return Err(ManifestError::TooLong { what, bytes: item.len() });
        }
    }
    if count > ENTRIES_MAX { Err(ManifestError::TooMany { what, count }) } else { Ok(()) }
}

fn ascending<'a>(what: &'static str, items: impl Iterator<Item = &'a str> + Clone) -> Result<(), ManifestError> {
    texts(what, items.clone())?;
    let rising = items.clone().zip(items.skip(1)).all(|(a, b)| a < b);
    if rising { Ok(()) } else { Err(ManifestError::Order { what }) }
}

/// A text longer than the primitives' own limit for names.
struct Long(String);

impl Cbor for Long {
    fn write(&self, w: &mut Writer) {
        w.text(&self.0);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.text(TEXT_BYTES_MAX).map(|text| Self(text.into()))
    }
}

fn put_long(w: &mut Writer, items: &[String]) {
    w.array(items.len());
    for item in items {
        w.text(item);
    }
}

impl Cbor for Workload {
    fn write(&self, w: &mut Writer) {
        w.array(15).uint(1).put(&self.app).put(&self.service).put(&self.artifact);
        put_long(w, &self.command);
        w.array(self.env.len());
        for (key, value) in &self.env {
            w.array(2).text(key).text(value);
        }
        w.put(&self.secrets).put(&self.family).put(&self.lots).put(&self.mounts).put(&self.expose);
        w.put(&self.meters).put(&self.egress).put(&self.egress_hosts).put(&self.restart);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.array(15)?;
        let version = r.uint()?;
        if version != 1 {
            return Err(Malformed::UnknownVersion { version });
        }
        Ok(Self {
            app: r.get()?,
            service: r.get()?,
            artifact: r.get()?,
            command: r.list::<Long>(ENTRIES_MAX)?.into_iter().map(|text| text.0).collect(),
            env: r.list::<(Long, Long)>(ENTRIES_MAX)?.into_iter().map(|(key, value)| (key.0, value.0)).collect(),
            secrets: r.list(ENTRIES_MAX)?,
            family: r.get()?,
            lots: r.get()?,
            mounts: r.list(ENTRIES_MAX)?,
            expose: r.get()?,
            meters: r.list(ENTRIES_MAX)?,
            egress: r.get()?,
            egress_hosts: r.list(ENTRIES_MAX)?,
            restart: r.get()?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
