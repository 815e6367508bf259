//! Validation of what a host asks to be run (spec/provider.md section 1, `spec`). Structural only: whether this
//! machine and this runtime can run it is the plugin's Check.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::limits::{HOSTS_MAX, ID_BYTES_MAX, MOUNTS_MAX, STRING_BYTES_MAX, STRINGS_MAX};
use crate::reason::{Reason, Refusal};
use crate::v1::{ArtifactKind, Egress, Mount, Spec};

/// `lease_id/service`, checked: two parts of `[A-Za-z0-9_.-]`, neither starting with a dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadId(String);

impl WorkloadId {
    /// Checks an id from the wire.
    ///
    /// # Errors
    /// `SpecInvalid`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let invalid = || {
            let shown: String = text.chars().take(80).collect();
            Refusal::new(Reason::SpecInvalid, format!("id {shown:?} is not lease_id/service"))
        };
        let part_ok = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        match text.split_once('/') {
            Some((lease, service)) if text.len() <= ID_BYTES_MAX && part_ok(lease) && part_ok(service) => {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => Err(invalid()),
        }
    }

    /// The id as on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A directory name: fixed length, no character that a path, a cgroup or a shell would mind.
    #[must_use]
    pub fn directory_name(&self) -> String {
        let hash = crate::descriptor::hash(self.0.as_bytes());
        hex::encode(hash.get(..16).unwrap_or(&hash))
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::SpecInvalid, text)
}

/// Checks everything about a spec that does not depend on the runtime.
///
/// # Errors
/// All violations, each `SpecInvalid`.
pub fn validate(spec: &Spec) -> Result<WorkloadId, Vec<Refusal>> {
    let mut faults = Vec::new();
    let id = WorkloadId::parse(&spec.id).map_err(|fault| faults.push(fault)).ok();
    match &spec.artifact {
        None => faults.push(invalid("artifact is absent")),
        Some(artifact) => {
            if artifact.digest.len() != 32 {
                faults.push(invalid(format!("artifact digest has {} bytes, not 32", artifact.digest.len())));
            }
            match ArtifactKind::try_from(artifact.kind) {
                Err(_) | Ok(ArtifactKind::Unspecified) => {
                    faults.push(invalid(format!("artifact kind {} is unknown", artifact.kind)));
                }
                Ok(ArtifactKind::Wasm | ArtifactKind::Image | ArtifactKind::Exec | ArtifactKind::Disk) => {}
            }
        }
    }
    strings("argv", spec.argv.iter(), &mut faults);
    strings("env", spec.env.keys().chain(spec.env.values()), &mut faults);
    if spec.env.keys().any(|key| key.is_empty() || key.contains('=')) {
        faults.push(invalid("env has an empty name or one with '='"));
    }
    limits(spec, &mut faults);
    mounts(&spec.mounts, &mut faults);
    network(spec, &mut faults);
    match (faults.is_empty(), id) {
        (true, Some(id)) => Ok(id),
        (true, None) | (false, _) => Err(faults),
    }
}

fn strings<'a>(what: &str, items: impl Iterator<Item = &'a String>, faults: &mut Vec<Refusal>) {
    let mut count = 0usize;
    for item in items {
        count = count.saturating_add(1);
        if item.len() > STRING_BYTES_MAX || item.contains('\0') {
            faults.push(invalid(format!("{what} holds an entry of {} bytes or with a zero byte", item.len())));
        }
    }
    if count > STRINGS_MAX.saturating_mul(2) {
        faults.push(invalid(format!("{what} has {count} strings, too many")));
    }
}

fn limits(spec: &Spec, faults: &mut Vec<Refusal>) {
    let Some(limits) = &spec.limits else {
        faults.push(invalid("limits are absent"));
        return;
    };
    for (name, value) in [("ram_bytes", limits.ram_bytes), ("cpu_milli", limits.cpu_milli)] {
        if value == 0 {
            faults.push(invalid(format!("limits.{name} is 0")));
        }
    }
}

fn mounts(mounts: &[Mount], faults: &mut Vec<Refusal>) {
    if mounts.len() > MOUNTS_MAX {
        faults.push(invalid(format!("{} mounts, at most {MOUNTS_MAX}", mounts.len())));
    }
    for (place, mount) in mounts.iter().enumerate() {
        let name_ok = !mount.volume.is_empty()
            && mount.volume.len() <= 63
            && mount.volume.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !name_ok {
            faults.push(invalid(format!("volume name {:?} is not [a-z0-9-]{{1,63}}", mount.volume)));
        }
        let path_ok = mount.path.len() <= 255
            && mount.path.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0'))
            });
        if !path_ok {
            faults.push(invalid(format!("mount path {:?} is not absolute and plain", mount.path)));
        }
        if mounts.iter().take(place).any(|other| other.volume == mount.volume || other.path == mount.path) {
            faults.push(invalid(format!("volume {:?} at {:?} is mounted twice", mount.volume, mount.path)));
        }
    }
}

fn network(spec: &Spec, faults: &mut Vec<Refusal>) {
    if let Some(port) = &spec.port {
        if port.number == 0 || port.number > 65_535 {
            faults.push(invalid(format!("port {} is not 1..=65535", port.number)));
        }
        if !port.socket.is_empty() && (!port.socket.starts_with('/') || port.socket.len() > 4_000) {
            faults.push(invalid(format!("port socket {:?} is not an absolute path", port.socket)));
        }
    }
    if Egress::try_from(spec.egress).is_err() {
        faults.push(invalid(format!("egress {} is unknown", spec.egress)));
    }
    if spec.hosts.len() > HOSTS_MAX {
        faults.push(invalid(format!("{} egress hosts, at most {HOSTS_MAX}", spec.hosts.len())));
    }
    for host in &spec.hosts {
        let plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'*' | b':'));
        if host.is_empty() || host.len() > 260 || !plain {
            faults.push(invalid(format!("egress host {host:?} is not a name, *.name or name:port")));
        }
    }
    if let Some(health) = &spec.health
        && (!health.path.starts_with('/') || health.path.bytes().any(|b| b <= b' ' || b == 0x7f))
    {
        faults.push(invalid(format!("health path {:?} does not start with / or holds blanks", health.path)));
    }
}

/// Whether a tenant must never reach an address (spec/provider.md section 5): loopback, private and link-local
/// ranges with the cloud metadata addresses in them, and everything that is not global unicast.
#[must_use]
pub fn is_out_of_reach(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => {
            let embedded = v6.to_ipv4_mapped().or_else(|| embedded_v4(v6));
            if let Some(v4) = embedded {
                return is_out_of_reach(IpAddr::V4(v4));
            }
            let [first, second, ..] = v6.segments();
            // Global unicast is 2000::/3; inside it, 2001:db8::/32 is for documentation and 2001::/32 is Teredo.
            first & 0xe000 != 0x2000 || (first == 0x2001 && (second == 0x0db8 || second == 0)) || first == 0x3fff
        }
    }
}

/// The IPv4 address that a translator or tunnel would send to: NAT64 64:ff9b::/96 and 6to4 2002::/16.
fn embedded_v4(v6: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let octets = v6.octets();
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some([octets[12], octets[13], octets[14], octets[15]].into()),
        [0x2002, ..] => Some([octets[2], octets[3], octets[4], octets[5]].into()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
