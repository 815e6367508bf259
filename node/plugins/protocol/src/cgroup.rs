//! Control groups of workloads: the unified hierarchy (v2) where it has the controllers, else the v1 hierarchies,
//! also beside a bare v2 mount that has none.
//!
//! A group's text form goes into `Handle.cgroup` and names each directory, so the daemon needs no detection of its
//! own to read usage: `v2:/sys/fs/cgroup/nupeer/x` or `v1:cpu=/…;memory=/…;unified=/…`.
//!
//! Non-goals: delegation to the tenant, cpusets, devices.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::v1::Limits;

/// The v1 controllers used, by the names of /proc/self/cgroup.
const V1_CONTROLLERS: [&str; 5] = ["blkio", "cpu", "cpuacct", "memory", "pids"];
const V2_CONTROLLERS: [&str; 4] = ["cpu", "io", "memory", "pids"];
/// Our own level below the parent group.
const LEVEL: &str = "nupeer";
/// Ends the name of a holder's own group.
pub const HOLDER_SUFFIX: &str = ".h";
const CPU_PERIOD_US: u64 = 100_000;

/// Where the hierarchies are mounted and where this process is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Mount point and own group of the unified hierarchy.
    unified: Option<(PathBuf, String)>,
    unified_controllers: BTreeSet<String>,
    legacy: BTreeMap<String, (PathBuf, String)>,
}

/// One workload's group in every hierarchy used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroup {
    /// All controllers in one directory.
    V2(PathBuf),
    /// A directory per controller, and one under "unified" when a bare v2 mount exists.
    V1(BTreeMap<String, PathBuf>),
}

/// What a group used so far, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time, cumulative.
    pub cpu_us: u64,
    /// Memory charged now.
    pub ram_bytes: u64,
    /// Bytes read and written on block devices, cumulative.
    pub io_bytes: u64,
    /// Reads and writes on block devices, cumulative.
    pub io_ops: u64,
    /// Processes killed for want of memory, cumulative.
    pub oom_kills: u64,
    /// Tasks now.
    pub pids: u64,
}

impl Layout {
    /// Reads /proc/self/mountinfo and /proc/self/cgroup.
    ///
    /// # Errors
    /// When procfs cannot be read.
    pub fn detect() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut layout = Self::parse(&mounts, &own);
        if let Some((mount, _)) = &layout.unified {
            let controllers = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
            layout.unified_controllers = controllers.split_whitespace().map(str::to_owned).collect();
        }
        Ok(layout)
    }

    fn parse(mountinfo: &str, own: &str) -> Self {
        let mut own_groups = BTreeMap::new();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(names), Some(path)) = (fields.next(), fields.next(), fields.next()) else { continue };
            for name in names.split(',') {
                own_groups.insert(name.to_owned(), path.to_owned());
            }
        }
        let own_of = |name: &str| own_groups.get(name).cloned().unwrap_or_else(|| "/".to_owned());
        let mut layout = Self::default();
        for line in mountinfo.lines() {
            // id parent major:minor root mountpoint options - type source super-options
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let Some(mount) = left.split(' ').nth(4).map(PathBuf::from) else { continue };
            let mut fields = right.split(' ');
            match (fields.next(), fields.nth(1)) {
                (Some("cgroup2"), _) if layout.unified.is_none() => layout.unified = Some((mount, own_of(""))),
                (Some("cgroup"), Some(options)) => {
                    for name in V1_CONTROLLERS.iter().filter(|name| options.split(',').any(|o| o == **name)) {
                        layout.legacy.entry((*name).to_owned()).or_insert_with(|| (mount.clone(), own_of(name)));
                    }
                }
                _ => {}
            }
        }
        layout
    }

    fn is_unified(&self) -> bool {
        ["memory", "pids"].iter().all(|name| self.unified_controllers.contains(*name))
    }

    /// For selftest: which hierarchies will be used.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.is_unified() {
            return "cgroup v2".to_owned();
        }
        let names: Vec<&str> = self.legacy.keys().map(String::as_str).collect();
        let bare = if self.unified.is_some() { " beside a bare v2 mount" } else { "" };
        format!("cgroup v1 ({}){bare}", names.join(", "))
    }
}

impl Cgroup {
    /// Makes a workload's group below `parent` (relative to each mount; empty: this process's own group).
    ///
    /// # Errors
    /// When no hierarchy lets us limit memory and pids.
    pub fn create(layout: &Layout, parent: &str, name: &str) -> io::Result<Self> {
        if layout.is_unified() { Self::create_v2(layout, parent, name) } else { Self::create_v1(layout, parent, name) }
    }

    fn create_v2(layout: &Layout, parent: &str, name: &str) -> io::Result<Self> {
        let Some((mount, own)) = &layout.unified else { return Err(absent("unified hierarchy")) };
        // A group with processes cannot hand controllers down, except the root; so the root is tried last.
        let parents =
            if parent.is_empty() { vec![below(mount, own), mount.clone()] } else { vec![below(mount, parent)] };
        let mut last = absent("unified hierarchy");
        for parent in parents {
            match enable_v2(&parent).and_then(|level| {
                let group = level.join(name);
                make_group(&group)?;
                Ok(group)
            }) {
                Ok(group) => return Ok(Self::V2(group)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn create_v1(layout: &Layout, parent: &str, name: &str) -> io::Result<Self> {
        let mut groups = BTreeMap::new();
        for (controller, (mount, own)) in &layout.legacy {
            let parent = if parent.is_empty() { own } else { parent };
            let group = below(mount, parent).join(LEVEL).join(name);
            match make_group(&group) {
                Ok(()) => drop(groups.insert(controller.clone(), group)),
                Err(error) if matches!(controller.as_str(), "memory" | "pids") => {
                    Self::V1(groups).remove();
                    return Err(error);
                }
                Err(_) => {}
            }
        }
        if !["memory", "pids"].iter().all(|name| groups.contains_key(*name)) {
            Self::V1(groups).remove();
            return Err(absent("memory and pids controllers"));
        }
        if let Some((mount, own)) = &layout.unified {
            let parent = if parent.is_empty() { own } else { parent };
            let group = below(mount, parent).join(LEVEL).join(name);
            if make_group(&group).is_ok() {
                groups.insert("unified".to_owned(), group);
            }
        }
        Ok(Self::V1(groups))
    }

    /// The directories of a group that exist, made by whichever holder and found without its handle.
    #[must_use]
    pub fn existing(layout: &Layout, parent: &str, name: &str) -> Option<Self> {
        let candidates = |mount: &Path, own: &str| {
            let group = |parent: PathBuf| parent.join(LEVEL).join(name);
            let all = if parent.is_empty() {
                vec![group(below(mount, own)), group(mount.to_owned())]
            } else {
                vec![group(below(mount, parent))]
            };
            all.into_iter().find(|path| path.is_dir())
        };
        if layout.is_unified() {
            let (mount, own) = layout.unified.as_ref()?;
            return candidates(mount, own).map(Self::V2);
        }
        let unified = layout.unified.iter().map(|place| ("unified", place));
        let legacy = layout.legacy.iter().map(|(name, place)| (name.as_str(), place));
        let found: BTreeMap<String, PathBuf> = legacy
            .chain(unified)
            .filter_map(|(controller, (mount, own))| Some((controller.to_owned(), candidates(mount, own)?)))
            .collect();
        (!found.is_empty()).then_some(Self::V1(found))
    }

    /// The group of a holder that is not the workload, beside the workload's.
    #[must_use]
    pub fn of_holder(&self) -> Self {
        let beside = |path: &PathBuf| {
            let mut name = path.clone().into_os_string();
            name.push(HOLDER_SUFFIX);
            PathBuf::from(name)
        };
        match self {
            Self::V2(path) => Self::V2(beside(path)),
            Self::V1(groups) => Self::V1(groups.iter().map(|(name, path)| (name.clone(), beside(path))).collect()),
        }
    }

    /// Writes the limits; 0 leaves one open. `device` is the major and minor number that `io_bps` applies to.
    ///
    /// # Errors
    /// When memory or pids cannot be limited; CPU and I/O are best effort where the controller is absent.
    pub fn limit(&self, limits: &Limits, device: Option<(u32, u32)>) -> io::Result<()> {
        let write = |controller: &str, file: &str, value: String| match self.directory(controller) {
            Some(directory) => fs::write(directory.join(file), value),
            None => Ok(()),
        };
        let v2 = matches!(self, Self::V2(_));
        if limits.ram_bytes > 0 {
            let file = if v2 { "memory.max" } else { "memory.limit_in_bytes" };
            write("memory", file, limits.ram_bytes.to_string())?;
            // Swap is the way around a memory limit; kernels without swap accounting lack the file.
            let _ = if v2 {
                write("memory", "memory.swap.max", "0".to_owned())
            } else {
                write("memory", "memory.memsw.limit_in_bytes", limits.ram_bytes.to_string())
            };
        }
        if limits.pids > 0 {
            write("pids", "pids.max", limits.pids.to_string())?;
        }
        if limits.cpu_milli > 0 {
            let quota = limits.cpu_milli.saturating_mul(CPU_PERIOD_US) / 1_000;
            let quota = quota.max(1_000);
            if v2 {
                let _ = write("cpu", "cpu.max", format!("{quota} {CPU_PERIOD_US}"));
            } else {
                let _ = write("cpu", "cpu.cfs_period_us", CPU_PERIOD_US.to_string());
                let _ = write("cpu", "cpu.cfs_quota_us", quota.to_string());
            }
        }
        if let (Some((major, minor)), true) = (device, limits.io_bps > 0) {
            let bps = limits.io_bps;
            if v2 {
                let _ = write("io", "io.max", format!("{major}:{minor} rbps={bps} wbps={bps}"));
            } else {
                let _ = write("blkio", "blkio.throttle.read_bps_device", format!("{major}:{minor} {bps}"));
                let _ = write("blkio", "blkio.throttle.write_bps_device", format!("{major}:{minor} {bps}"));
            }
        }
        Ok(())
    }

    /// Moves a process, with all its threads, into the group.
    ///
    /// # Errors
    /// I/O.
    pub fn join(&self, pid: u32) -> io::Result<()> {
        for directory in self.directories() {
            fs::write(directory.join("cgroup.procs"), pid.to_string())?;
        }
        Ok(())
    }

    /// Processes in the group.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let Some(directory) = self.directory("pids") else { return Vec::new() };
        let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Reads the counters; what a hierarchy does not account stays 0.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let read = |controller: &str, file: &str| {
            let directory = self.directory(controller)?;
            fs::read_to_string(directory.join(file)).ok()
        };
        let number = |controller: &str, file: &str| {
            read(controller, file).and_then(|text| text.trim().parse().ok()).unwrap_or(0u64)
        };
        let pids = number("pids", "pids.current");
        match self {
            Self::V2(_) => {
                let io = read("io", "io.stat").unwrap_or_default();
                Usage {
                    cpu_us: keyed(&read("cpu", "cpu.stat").unwrap_or_default(), "usage_usec"),
                    ram_bytes: number("memory", "memory.current"),
                    io_bytes: assigned(&io, &["rbytes", "wbytes"]),
                    io_ops: assigned(&io, &["rios", "wios"]),
                    oom_kills: keyed(&read("memory", "memory.events").unwrap_or_default(), "oom_kill"),
                    pids,
                }
            }
            Self::V1(_) => Usage {
                cpu_us: number("cpuacct", "cpuacct.usage") / 1_000,
                ram_bytes: number("memory", "memory.usage_in_bytes"),
                io_bytes: keyed(&read("blkio", "blkio.throttle.io_service_bytes").unwrap_or_default(), "Total"),
                io_ops: keyed(&read("blkio", "blkio.throttle.io_serviced").unwrap_or_default(), "Total"),
                oom_kills: keyed(&read("memory", "memory.oom_control").unwrap_or_default(), "oom_kill"),
                pids,
            },
        }
    }

    /// Kills every process in the group and waits until none is left, at most `patience`. True when empty.
    #[cfg(feature = "plugin")]
    #[must_use]
    pub fn kill(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(directory) = self.directory("unified") {
                let _ = fs::write(directory.join("cgroup.kill"), "1");
            }
            let pids = self.pids();
            if pids.is_empty() {
                return true;
            }
            for pid in pids {
                if let Ok(pid) = i32::try_from(pid) {
                    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
                }
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Removes the group's directories; an emptied group may stay busy for a moment.
    pub fn remove(&self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        for directory in self.directories() {
            while let Err(error) = fs::remove_dir(directory) {
                if error.kind() == io::ErrorKind::NotFound || Instant::now() >= deadline {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // Our own level goes with its last group; it is busy as long as another workload uses it.
            if let Some(level) = directory.parent().filter(|level| level.ends_with(LEVEL)) {
                let _ = fs::remove_dir(level);
            }
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("v2:") {
            return path.starts_with('/').then(|| Self::V2(PathBuf::from(path)));
        }
        let pairs = text.strip_prefix("v1:")?.split(';').map(|pair| pair.split_once('='));
        let groups: Option<BTreeMap<String, PathBuf>> =
            pairs.map(|pair| pair.map(|(name, path)| (name.to_owned(), PathBuf::from(path)))).collect();
        groups.filter(|groups| groups.values().all(|path| path.is_absolute())).map(Self::V1)
    }

    /// The group's directory in each hierarchy.
    #[must_use]
    pub fn directories(&self) -> Vec<&Path> {
        match self {
            Self::V2(path) => vec![path],
            Self::V1(groups) => groups.values().map(PathBuf::as_path).collect(),
        }
    }

    fn directory(&self, controller: &str) -> Option<&Path> {
        match self {
            Self::V2(path) => Some(path),
            Self::V1(groups) => groups.get(controller).map(PathBuf::as_path),
        }
    }
}

impl fmt::Display for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V2(path) => write!(f, "v2:{}", path.display()),
            Self::V1(groups) => {
                let pairs: Vec<String> =
                    groups.iter().map(|(name, path)| format!("{name}={}", path.display())).collect();
                write!(f, "v1:{}", pairs.join(";"))
            }
        }
    }
}

fn absent(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("cgroup: {what} not available"))
}

/// A group path of /proc/self/cgroup or of the configuration under a mount point.
fn below(mount: &Path, group: &str) -> PathBuf {
    mount.join(group.trim_start_matches('/'))
}

fn make_group(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Makes our level below `parent` with the controllers handed down to its children.
fn enable_v2(parent: &Path) -> io::Result<PathBuf> {
    let level = parent.join(LEVEL);
    make_group(&level)?;
    for group in [parent, &level] {
        let available = fs::read_to_string(group.join("cgroup.controllers"))?;
        for controller in V2_CONTROLLERS {
            if available.split_whitespace().any(|name| name == controller) {
                let enabled = fs::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
                if matches!(controller, "memory" | "pids") {
                    enabled?;
                }
            } else if matches!(controller, "memory" | "pids") {
                return Err(absent(controller));
            }
        }
    }
    Ok(level)
}

/// The number after a key at the start of a line.
fn keyed(text: &str, key: &str) -> u64 {
    let value = |line: &str| {
        let mut fields = line.split_whitespace();
        if fields.next() == Some(key) { fields.next().and_then(|n| n.parse().ok()) } else { None }
    };
    text.lines().find_map(value).unwrap_or(0)
}

/// The sum of `key=number` fields over all lines.
fn assigned(text: &str, keys: &[&str]) -> u64 {
    let pairs = text.split_whitespace().filter_map(|field| field.split_once('='));
    pairs
        .filter(|(key, _)| keys.contains(key))
        .filter_map(|(_, value)| value.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const HYBRID_MOUNTS: &str = "\
24 1 0:20 / /proc rw - proc proc rw
30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
31 24 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn a_hybrid_layout_is_found() {
        let layout = Layout::parse(HYBRID_MOUNTS, "4:memory:/box/a\n8:pids:/\n1:cpu:/\n0::/\n");
        assert!(!layout.is_unified());
        assert_eq!(layout.legacy["memory"], ("/sys/fs/cgroup/memory".into(), "/box/a".into()));
        assert_eq!(layout.unified, Some(("/sys/fs/cgroup/unified".into(), "/".into())));
        assert_eq!(layout.describe(), "cgroup v1 (cpu, memory, pids) beside a bare v2 mount");
    }

    #[test]
    fn a_unified_layout_is_found() {
        let mut layout = Layout::parse("30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/user.slice\n");
        layout.unified_controllers = ["cpu", "memory", "pids"].map(str::to_owned).into();
        assert!(layout.is_unified());
        assert_eq!(layout.unified, Some(("/sys/fs/cgroup".into(), "/user.slice".into())));
    }

    #[test]
    fn the_text_form_survives() {
        let groups = [("memory".to_owned(), PathBuf::from("/m/x")), ("pids".to_owned(), PathBuf::from("/p/x"))];
        for group in [Cgroup::V2("/c/x".into()), Cgroup::V1(groups.into())] {
            assert_eq!(Cgroup::parse(&group.to_string()), Some(group));
        }
        for bad in ["", "v2:relative", "v1:memory", "v1:memory=relative", "v3:/x"] {
            assert_eq!(Cgroup::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn counters_are_read_from_both_formats() {
        assert_eq!(keyed("usage_usec 12\nuser_usec 5\n", "usage_usec"), 12);
        assert_eq!(keyed("254:0 Read 1\nTotal 99\n", "Total"), 99);
        assert_eq!(assigned("254:0 rbytes=5 wbytes=7 rios=1\n8:0 rbytes=1\n", &["rbytes", "wbytes"]), 13);
    }
}
