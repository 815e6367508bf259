//! Brings up the loopback device of a fresh network namespace: one RTM_NEWLINK message over netlink.

use std::io;

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

const MESSAGE_BYTES: u32 = 32;
const RTM_NEWLINK: u16 = 16;
/// NLM_F_REQUEST | NLM_F_ACK
const FLAGS: u16 = 5;
/// The loopback device is the first of every namespace.
const LOOPBACK_INDEX: i32 = 1;
const IFF_UP: u32 = 1;

/// Sets IFF_UP on the loopback device.
///
/// # Errors
/// What the kernel answers.
pub fn up() -> io::Result<()> {
    let mut message = Vec::with_capacity(32);
    // nlmsghdr: length, type, flags, sequence, port
    message.extend_from_slice(&MESSAGE_BYTES.to_ne_bytes());
    message.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    message.extend_from_slice(&FLAGS.to_ne_bytes());
    message.extend_from_slice(&1u32.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    // ifinfomsg: family, padding, type, index, flags, mask of flags to change
    message.extend_from_slice(&[0, 0, 0, 0]);
    message.extend_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    message.extend_from_slice(&IFF_UP.to_ne_bytes());
    let route = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
    use std::os::fd::AsRawFd as _;
    sendto(route.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0u8; 256];
    let length = recv(route.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // nlmsgerr: the error number, negative, follows the header; 0 is the acknowledgement.
    match answer.get(..length).and_then(|answer| answer.get(16..20)) {
        Some(code) => match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        },
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "netlink answered too little")),
    }
}
