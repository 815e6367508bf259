//! The root directory that a workload sees, built on a small tmpfs and entered by pivot_root.
//!
//! The old root is detached, so host paths have no name any more. Everything bound is nosuid and nodev, the system's
//! directories and the root itself are read-only.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nupeer_plugin_protocol::plugin::workload::WorkloadDir;
use nupeer_plugin_protocol::v1::{Port, Spec};
use prost::Message as _;

use crate::config::Config;

/// Where the tenant's binary is inside.
pub const ARTIFACT: &str = "/app/artifact";
/// What `init` reads.
pub const SPEC: &str = "/.nupeer/spec";
/// Scratch for specs that name no limit.
const SCRATCH_BYTES_DEFAULT: u64 = 64 << 20;
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// First parts of paths that volumes may not cover.
pub const RESERVED: [&str; 8] = ["proc", "dev", "sys", "etc", "app", "tmp", ".nupeer", "sbin"];

const NONE: Option<&str> = None;
const HARMLESS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// Builds the root and makes it this process's. The caller is alone in a fresh mount namespace.
///
/// # Errors
/// The step that failed.
pub fn enter(dir: &WorkloadDir, spec: &Spec, config: &Config) -> anyhow::Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).context("making mounts private")?;
    let root = dir.join("root");
    fs::create_dir_all(&root)?;
    let options = Some("mode=0755,size=4m,nr_inodes=2k");
    mount(Some("tmpfs"), &root, Some("tmpfs"), HARMLESS, options).context("mounting the root")?;
    for name in ["proc", "dev", "tmp", "app", ".nupeer", "etc"] {
        fs::create_dir(root.join(name))?;
    }
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/tmp:/bin/sh\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\n")?;
    system_directories(&root, config)?;
    for name in DEVICES {
        bind_file(&Path::new("/dev").join(name), &root.join("dev").join(name), MsFlags::MS_NOSUID)?;
    }
    let artifact = root.join(ARTIFACT.trim_start_matches('/'));
    bind_file(&dir.join("artifact"), &artifact, HARMLESS | MsFlags::MS_RDONLY)?;
    for volume in &spec.mounts {
        let target = root.join(volume.path.trim_start_matches('/'));
        fs::create_dir_all(&target)?;
        let rights = if volume.read_only { HARMLESS | MsFlags::MS_RDONLY } else { HARMLESS };
        bind(&dir.volume(&volume.volume), &target, rights)?;
    }
    let scratch = spec.limits.map_or(0, |limits| limits.scratch_bytes);
    let scratch = if scratch == 0 { SCRATCH_BYTES_DEFAULT } else { scratch };
    let options = format!("mode=1777,size={scratch}");
    mount(Some("tmpfs"), &root.join("tmp"), Some("tmpfs"), HARMLESS, Some(options.as_str()))
        .context("mounting /tmp")?;
    // A user namespace may only mount a proc of its own while it sees a whole one; init covers this with its own.
    let whole = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/proc"), &root.join("proc"), NONE, whole, NONE).context("binding /proc")?;
    fs::write(root.join(SPEC.trim_start_matches('/')), without_host_paths(spec).encode_to_vec())?;
    pivot(&root)
}

fn pivot(root: &Path) -> anyhow::Result<()> {
    std::env::set_current_dir(root)?;
    rustix::process::pivot_root(".", ".").context("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).context("leaving the old root")?;
    std::env::set_current_dir("/")?;
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | HARMLESS;
    mount(NONE, "/", NONE, read_only, NONE).context("making the root read-only")
}

/// Directories are bound; what is a symlink on the host, as on systems with a merged /usr, is one inside.
fn system_directories(root: &Path, config: &Config) -> anyhow::Result<()> {
    for dir in &config.system_dirs {
        let (source, target) = (Path::new(dir), root.join(dir.trim_start_matches('/')));
        let Ok(meta) = fs::symlink_metadata(source) else { continue };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        if meta.is_symlink() {
            symlink(fs::read_link(source)?, &target)?;
        } else {
            fs::create_dir_all(&target)?;
            bind(source, &target, HARMLESS | MsFlags::MS_RDONLY)?;
        }
    }
    Ok(())
}

fn bind_file(source: &Path, target: &Path, rights: MsFlags) -> anyhow::Result<()> {
    fs::File::create(target)?;
    bind(source, target, rights)
}

fn bind(source: &Path, target: &Path, rights: MsFlags) -> anyhow::Result<()> {
    let what = || format!("binding {}", source.display());
    mount(Some(source), target, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE).with_context(what)?;
    // In a user namespace the flags that the source has may only be kept, never dropped.
    let kept = existing_flags(target).with_context(what)?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | rights | kept;
    mount(NONE, target, NONE, flags, NONE).with_context(what)
}

fn existing_flags(path: &Path) -> io::Result<MsFlags> {
    use rustix::fs::StatVfsMountFlags as Seen;
    let seen = rustix::fs::statvfs(path)?.f_flag;
    let pairs = [
        (Seen::RDONLY, MsFlags::MS_RDONLY),
        (Seen::NOSUID, MsFlags::MS_NOSUID),
        (Seen::NODEV, MsFlags::MS_NODEV),
        (Seen::NOEXEC, MsFlags::MS_NOEXEC),
        (Seen::NOATIME, MsFlags::MS_NOATIME),
        (Seen::NODIRATIME, MsFlags::MS_NODIRATIME),
        (Seen::RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = pairs.into_iter().filter(|(seen_flag, _)| seen.contains(*seen_flag)).map(|(_, flag)| flag);
    Ok(kept.fold(MsFlags::empty(), MsFlags::union))
}

/// What init needs, without paths of the host.
fn without_host_paths(spec: &Spec) -> Spec {
    let port = spec.port.as_ref().map(|port| Port { socket: String::new(), ..port.clone() });
    Spec { port, artifact: None, ..spec.clone() }
}

/// Whether a volume may be mounted at a path.
#[must_use]
pub fn is_mountable(path: &str, config: &Config) -> bool {
    let first = PathBuf::from("/").join(path.trim_start_matches('/').split('/').next().unwrap_or_default());
    let reserved = RESERVED.iter().any(|name| first == Path::new("/").join(name));
    !reserved && !config.system_dirs.iter().any(|dir| Path::new(dir).starts_with(&first))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn volumes_cannot_cover_the_system() {
        let config = Config::default();
        for bad in ["/proc/x", "/dev", "/usr/lib", "/lib64", "/etc/x", "/.nupeer", "/app", "/tmp/x"] {
            assert!(!is_mountable(bad, &config), "{bad}");
        }
        for good in ["/data", "/srv/files", "/var/lib/app"] {
            assert!(is_mountable(good, &config), "{good}");
        }
    }
}
