//! Names of the Cardano pictures of roles (tokens.md §8, CIP-67, CIP-68): a label of four bytes with its checksum.

/// CRC-8, polynomial 7, initial 0, most significant bit first.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 7 })
    })
}

/// The label's four bytes: 4 zero bits, u16 label, CRC-8 of the two label bytes, 4 zero bits.
#[must_use]
pub fn cip67(label: u16) -> [u8; 4] {
    let checksum = u32::from(crc8(&label.to_be_bytes()));
    (u32::from(label) << 12 | checksum << 4).to_be_bytes()
}

/// `label ‖ role u16 BE ‖ instance u64 BE`.
#[must_use]
pub fn role_name(label: u16, role: u16, instance: u64) -> [u8; 14] {
    let mut name = [0; 14];
    name[..4].copy_from_slice(&cip67(label));
    name[4..6].copy_from_slice(&role.to_be_bytes());
    name[6..].copy_from_slice(&instance.to_be_bytes());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_standard() {
        let known: [(u16, u32); 6] =
            [(0, 0), (1, 0x1070), (100, 0x0006_43B0), (222, 0x000D_E140), (333, 0x0014_DF10), (65_535, 0x0FFF_F240)];
        for (label, prefix) in known {
            assert_eq!(cip67(label), prefix.to_be_bytes(), "{label}");
        }
    }
}
