//! The YAML of market.md §14: strict, at most 64 KiB, money as decimal strings. Gives workloads for the hosts, and the
//! tenant's placement and budget.
//!
//! # Deviations
//! - `exec: blake2b:...` names a binary for the development plugin `process`.
//! - The mount source `scratch` is the lease's own disk. Named volumes, clouds of apps, data offers and sponsors are
//!   refused by name until the modules that serve them exist.

use nupeer_client::manifest::{
    Artifact, ArtifactKind, EgressMode, Expose, ManifestError, Restart, SCRATCH, Workload, meter_kind, name,
};
use nupeer_primitives::Amount;
use nupeer_primitives::market::{Family, Grade, Spread, Term};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use thiserror::Error;

/// Bytes of a manifest.
pub const YAML_BYTES_MAX: usize = 65_536;
/// Services of an app.
pub const SERVICES_MAX: usize = 16;
/// Replicas of a service.
pub const REPLICAS_MAX: u32 = 32;

/// A whole manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct App {
    /// Its name.
    pub name: String,
    /// One or more, by name.
    pub services: Vec<Service>,
    /// Where it may run.
    pub placement: Placement,
    /// What it may cost.
    pub budget: Budget,
}

/// A service and how often it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// What each lease of it runs.
    pub workload: Workload,
    /// GPU or FPGA model.
    pub device: Option<String>,
    /// How many leases.
    pub replicas: u32,
    /// What they must not share.
    pub spread: Spread,
    /// Warm spares and their price, bps.
    pub standby: (u8, u16),
}

/// Where an app may run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// Zone names; empty = anywhere.
    pub zones: Vec<String>,
    /// Least grade.
    pub grade: Grade,
    /// How long leases bind.
    pub term: Term,
    /// Traits by name.
    pub require: Vec<String>,
}

/// What an app may cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Ticker of the quote asset.
    pub asset: String,
    /// Highest price per lot-hour, net, by family; absent = as high as the band goes.
    pub max_price: BTreeMap<String, Amount>,
    /// The same for every family.
    pub max_price_any: Option<Amount>,
    /// Shared by all leases.
    pub deposit: Amount,
    /// Automatic top-up of each lease.
    pub auto_topup: Option<AutoTopUp>,
}

/// Automatic top-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AutoTopUp {
    /// Runway, ms.
    pub below_ms: u64,
    /// Step.
    pub amount: Amount,
    /// Most in 720 hours.
    pub cap_monthly: Amount,
}

/// Why a manifest is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum YamlError {
    #[error("manifest has {bytes} bytes, at most {YAML_BYTES_MAX} are permitted")]
    TooLong { bytes: usize },
    #[error("manifest: {0}")]
    Yaml(#[from] serde_norway::Error),
    #[error("manifest version {version} is not known, say `nupeer: 1`")]
    Version { version: u64 },
    #[error("`{key}` is not supported by this version of nupeer")]
    NotYet { key: &'static str },
    #[error("service `{service}`: {source}")]
    Service { service: String, source: ManifestError },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("service `{service}` needs exactly one of `wasm`, `image` and `exec`")]
    Artifact { service: String },
    #[error("`{text}` is not a digest: {expected}")]
    Digest { text: String, expected: &'static str },
    #[error("{what} `{text}` is not an amount of money: write a decimal string like \"0.002\"")]
    Money { what: &'static str, text: String },
    #[error("`{text}` is not a duration: write 90s, 15m, 24h or 30d")]
    Duration { text: String },
    #[error("{what} `{text}` is unknown: {expected}")]
    Unknown { what: &'static str, text: String, expected: &'static str },
    #[error("auto_topup by {amount} must be above 0 and at most cap_monthly {cap_monthly}")]
    TopUp { amount: Amount, cap_monthly: Amount },
    #[error("{count} {what}, {min} to {max} are permitted")]
    Count { what: &'static str, count: u64, min: u64, max: u64 },
}

/// A map that refuses a key standing twice, which YAML readers otherwise overlook.
#[derive(Debug)]
struct UniqueMap<V>(BTreeMap<String, V>);

impl<V> Default for UniqueMap<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = UniqueMap<V>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    if out.insert(key.clone(), value).is_some() {
                        return Err(A::Error::custom(format!("`{key}` stands twice")));
                    }
                }
                Ok(UniqueMap(out))
            }
        }
        deserializer.deserialize_map(Entries(std::marker::PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppYaml {
    nupeer: u64,
    name: String,
    #[serde(default)]
    services: UniqueMap<ServiceYaml>,
    placement: PlacementYaml,
    budget: BudgetYaml,
    kind: Option<serde::de::IgnoredAny>,
    volumes: Option<serde::de::IgnoredAny>,
    apps: Option<serde::de::IgnoredAny>,
    data: Option<serde::de::IgnoredAny>,
    sponsor: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceYaml {
    wasm: Option<String>,
    image: Option<String>,
    exec: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    env: UniqueMap<String>,
    #[serde(default)]
    secrets: Vec<String>,
    lots: LotsYaml,
    #[serde(default)]
    mounts: UniqueMap<String>,
    expose: Option<ExposeYaml>,
    #[serde(default)]
    meters: Vec<String>,
    egress: Option<EgressYaml>,
    #[serde(default = "one")]
    replicas: u32,
    spread: Option<String>,
    standby: Option<StandbyYaml>,
    restart: Option<String>,
}

const fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LotsYaml {
    family: String,
    count: u32,
    device: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExposeYaml {
    http: HttpYaml,
    host: Option<String>,
    health: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`http` is true, or a port from 1 to 65535")]
enum HttpYaml {
    Own(bool),
    Port(u16),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`egress` is none, open, or a list of host names")]
enum EgressYaml {
    Word(String),
    Hosts(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StandbyYaml {
    count: u8,
    max_bps: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlacementYaml {
    #[serde(default)]
    zones: Vec<String>,
    grade: String,
    term: String,
    #[serde(default)]
    require: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetYaml {
    asset: String,
    max_price: Option<PriceYaml>,
    deposit: Quoted,
    auto_topup: Option<AutoTopUpYaml>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`max_price` is a decimal string like \"0.002\", or one for each family")]
enum PriceYaml {
    Any(Quoted),
    ByFamily(UniqueMap<Quoted>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoTopUpYaml {
    below: String,
    amount: Quoted,
    cap_monthly: Quoted,
}

/// A text that is one in YAML too: `5` and `0.10` are numbers, which another reader may round.
struct Quoted(String);

impl<'de> Deserialize<'de> for Quoted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Quoted;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal string in quotes, like \"0.002\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quoted, E> {
                Ok(Quoted(text.into()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl App {
    /// Reads and checks a manifest.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        if text.len() > YAML_BYTES_MAX {
            return Err(YamlError::TooLong { bytes: text.len() });
        }
        let yaml: AppYaml = serde_norway::from_str(text)?;
        if yaml.nupeer != 1 {
            return Err(YamlError::Version { version: yaml.nupeer });
        }
        let doors = [
            ("kind", yaml.kind.is_some()),
            ("volumes", yaml.volumes.is_some()),
            ("apps", yaml.apps.is_some()),
            ("data", yaml.data.is_some()),
            ("sponsor", yaml.sponsor.is_some()),
        ];
        if let Some((key, _)) = doors.into_iter().find(|(_, present)| *present) {
            return Err(YamlError::NotYet { key });
        }
        name(&yaml.name)?;
        count("services", yaml.services.0.len() as u64, 1, SERVICES_MAX as u64)?;
        let services = yaml.services.0.into_iter().map(|(service, s)| s.read(&yaml.name, &service));
        Ok(Self {
            services: services.collect::<Result<_, _>>()?,
            placement: yaml.placement.read()?,
            budget: yaml.budget.read()?,
            name: yaml.name,
        })
    }
}

fn count(what: &'static str, count: u64, min: u64, max: u64) -> Result<(), YamlError> {
    if (min..=max).contains(&count) { Ok(()) } else { Err(YamlError::Count { what, count, min, max }) }
}

impl ServiceYaml {
    fn read(self, app: &str, service: &str) -> Result<Service, YamlError> {
        count("replicas", self.replicas.into(), 1, REPLICAS_MAX.into())?;
        let artifact = match (&self.wasm, &self.image, &self.exec) {
            (Some(text), None, None) => blake2b(text, ArtifactKind::Wasm)?,
            (None, Some(text), None) => image(text)?,
            (None, None, Some(text)) => blake2b(text, ArtifactKind::Exec)?,
            _ => return Err(YamlError::Artifact { service: service.into() }),
        };
        if self.mounts.0.values().any(|volume| volume != SCRATCH) {
            return Err(YamlError::NotYet { key: "volumes" });
        }
        let (egress, mut egress_hosts) = match self.egress {
            None => (EgressMode::None, Vec::new()),
            Some(EgressYaml::Hosts(hosts)) => (EgressMode::List, hosts),
            Some(EgressYaml::Word(word)) => match word.as_str() {
                "none" => (EgressMode::None, Vec::new()),
                "open" => (EgressMode::Open, Vec::new()),
                _ => return Err(unknown("egress", &word, "none, open, or a list of host names")),
            },
        };
        egress_hosts.sort();
        let at = |source| YamlError::Service { service: service.into(), source };
        let mut meters: Vec<u8> =
            self.meters.iter().map(|name| meter_kind(name)).collect::<Result<_, _>>().map_err(at)?;
        meters.sort_unstable();
        let mut secrets = self.secrets;
        secrets.sort();
        let family = Family::ALL.iter().find(|family| family.name() == self.lots.family);
        let family = family.ok_or_else(|| unknown("family", &self.lots.family, "S, C, M, G, F, W, V or N"))?;
        let workload = Workload {
            app: app.into(),
            service: service.into(),
            artifact,
            command: self.command,
            env: self.env.0.into_iter().collect(),
            secrets,
            family: *family,
            lots: self.lots.count,
            mounts: self.mounts.0.into_iter().collect(),
            expose: self.expose.map(ExposeYaml::read).transpose()?,
            meters,
            egress,
            egress_hosts,
            restart: restart(self.restart.as_deref())?,
        };
        workload.check().map_err(at)?;
        let standby = self.standby.map_or((0, 0), |standby| (standby.count, standby.max_bps));
        count("standby", standby.0.into(), 0, 2)?;
        Ok(Service {
            workload,
            device: self.lots.device,
            replicas: self.replicas,
            spread: spread(self.spread.as_deref())?,
            standby,
        })
    }
}

impl ExposeYaml {
    fn read(self) -> Result<Expose, YamlError> {
        let port = match self.http {
            HttpYaml::Own(true) => 0,
            HttpYaml::Port(port) if port > 0 => port,
            HttpYaml::Own(false) | HttpYaml::Port(_) => {
                return Err(unknown("http", "false", "true, or a port from 1 to 65535; leave `expose` out instead"));
            }
        };
        Ok(Expose { port, host: self.host, health: self.health })
    }
}

impl PlacementYaml {
    fn read(self) -> Result<Placement, YamlError> {
        let grade = Grade::ALL.iter().find(|grade| grade.name() == self.grade);
        let term = Term::ALL.iter().find(|term| term.name().to_lowercase() == self.term);
        Ok(Placement {
            grade: *grade.ok_or_else(|| unknown("grade", &self.grade, "A, B, C or D"))?,
            term: *term.ok_or_else(|| unknown("term", &self.term, "rolling, spot, day, week or month"))?,
            zones: self.zones,
            require: self.require,
        })
    }
}

impl BudgetYaml {
    fn read(self) -> Result<Budget, YamlError> {
        let (mut by_family, mut any) = (BTreeMap::new(), None);
        match self.max_price {
            None => {}
            Some(PriceYaml::Any(text)) => any = Some(money("max_price", &text.0)?),
            Some(PriceYaml::ByFamily(prices)) => {
                for (family, text) in prices.0 {
                    if !Family::ALL.iter().any(|known| known.name() == family) {
                        return Err(unknown("family", &family, "S, C, M, G, F, W, V or N"));
                    }
                    by_family.insert(family, money("max_price", &text.0)?);
                }
            }
        }
        let auto_topup = match self.auto_topup {
            None => None,
            Some(rule) => {
                let (amount, cap_monthly) =
                    (money("amount", &rule.amount.0)?, money("cap_monthly", &rule.cap_monthly.0)?);
                if amount == Amount::ZERO || amount > cap_monthly {
                    return Err(YamlError::TopUp { amount, cap_monthly });
                }
                Some(AutoTopUp { below_ms: duration_ms(&rule.below)?, amount, cap_monthly })
            }
        };
        let deposit = money("deposit", &self.deposit.0)?;
        Ok(Budget { asset: self.asset, max_price: by_family, max_price_any: any, deposit, auto_topup })
    }
}

fn unknown(what: &'static str, text: &str, expected: &'static str) -> YamlError {
    YamlError::Unknown { what, text: text.chars().take(80).collect(), expected }
}

fn money(what: &'static str, text: &str) -> Result<Amount, YamlError> {
    Amount::from_decimal(text).ok_or_else(|| YamlError::Money { what, text: text.chars().take(80).collect() })
}

/// `24h` and the like, in ms.
pub fn duration_ms(text: &str) -> Result<u64, YamlError> {
    let wrong = || YamlError::Duration { text: text.chars().take(80).collect() };
    let unit = match text.chars().last().ok_or_else(wrong)? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let digits = text.get(..text.len() - 1).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let count: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    count.checked_mul(unit).ok_or_else(wrong)
}

fn restart(text: Option<&str>) -> Result<Restart, YamlError> {
    match text {
        None | Some("on-failure") => Ok(Restart::OnFailure),
        Some("never") => Ok(Restart::Never),
        Some("always") => Ok(Restart::Always),
        Some(text) => Err(unknown("restart", text, "never, on-failure or always")),
    }
}

fn spread(text: Option<&str>) -> Result<Spread, YamlError> {
    match text {
        None | Some("none") => Ok(Spread::None),
        Some("host") => Ok(Spread::Host),
        Some("provider") => Ok(Spread::Provider),
        Some(text) => Err(unknown("spread", text, "none, host or provider")),
    }
}

fn blake2b(text: &str, kind: ArtifactKind) -> Result<Artifact, YamlError> {
    let digest = text.strip_prefix("blake2b:").and_then(digest);
    let expected = "write blake2b: and 64 hex digits, as `b2sum -l 256` prints them";
    let digest = digest.ok_or_else(|| YamlError::Digest { text: text.chars().take(80).collect(), expected })?;
    Ok(Artifact { kind, reference: String::new(), digest })
}

fn image(text: &str) -> Result<Artifact, YamlError> {
    let wrong = || YamlError::Digest {
        text: text.chars().take(120).collect(),
        expected: "images are named by digest alone, like registry.example/app@sha256: and 64 hex digits",
    };
    let (reference, hex) = text.split_once("@sha256:").ok_or_else(wrong)?;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b'/' | b':');
    if reference.is_empty() || reference.len() > 255 || !reference.bytes().all(plain) {
        return Err(wrong());
    }
    Ok(Artifact { kind: ArtifactKind::Image, reference: reference.into(), digest: digest(hex).ok_or_else(wrong)? })
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    hex::decode_to_slice(hex, &mut out).ok().map(|()| out)
}

#[cfg(test)]
mod tests;
