//! Limits of RPP/1 (spec/provider.md sections 1 and 8). Beyond a limit the new is refused and the old kept.

use std::time::Duration;

/// The protocol version this crate speaks.
pub const RPP_VERSION: u32 = 1;
/// Largest message either side accepts.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Unary calls end after this, unless the method's comment in `rpp.proto` says otherwise.
pub const UNARY_TIMEOUT: Duration = Duration::from_secs(30);
/// From spawning a plugin to its handshake line.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A handshake line longer than this is not one.
pub const HANDSHAKE_LINE_BYTES_MAX: usize = 1_024;
/// Largest descriptor; real ones are about 1 KiB.
pub const DESCRIPTOR_BYTES_MAX: usize = 64 << 10;
/// Largest opaque `Handle.state`.
pub const HANDLE_STATE_BYTES_MAX: usize = 64 << 10;
/// Log ring of one workload.
pub const LOG_RING_BYTES: u64 = 16 << 20;
/// Workloads per daemon, hence at most per plugin.
pub const WORKLOADS_MAX: u32 = 256;
/// Exec streams per lease.
pub const EXEC_STREAMS_MAX: u32 = 16;
/// Log streams per lease.
pub const LOG_STREAMS_MAX: u32 = 32;
/// Largest Wasm component.
pub const WASM_COMPONENT_BYTES_MAX: u64 = 64 << 20;
/// Longest workload id.
pub const ID_BYTES_MAX: usize = 160;
/// Arguments and environment entries of one workload, each.
pub const STRINGS_MAX: usize = 256;
/// Bytes of one argument, environment entry, host or path.
pub const STRING_BYTES_MAX: usize = 64 << 10;
/// Mounts of one workload.
pub const MOUNTS_MAX: usize = 16;
/// Entries of an egress list.
pub const HOSTS_MAX: usize = 256;
/// Longest grace a Stop may ask for.
pub const GRACE_MS_MAX: u32 = 600_000;
/// Shortest meter interval.
pub const METER_EVERY_MS_MIN: u32 = 100;
