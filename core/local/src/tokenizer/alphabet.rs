//! GPT-2's alphabet: how a vocabulary writes bytes as characters.
//!
//! Printable bytes of Latin-1 stand for themselves; the others, in order, are the characters from U+0100 on (openai/gpt-2,
//! src/encoder.py, `bytes_to_unicode`).

/// The bytes that a vocabulary's text stands for. What is not of the alphabet stands for itself.
pub(super) fn to_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match to_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

fn to_byte(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ (0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF) => u8::try_from(code).ok(),
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7F).ok(),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The character that a byte is written as.
#[cfg(test)]
pub(crate) fn to_character(byte: u8) -> char {
    ('\0'..='\u{143}')
        .find(|&character| to_byte(character) == Some(byte))
        .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_has_one_character() {
        let mut bytes: Vec<u8> = ('\0'..='\u{143}').filter_map(to_byte).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn known_texts_are_their_bytes() {
        assert_eq!(to_bytes("Ġthe"), b" the");
        assert_eq!(to_bytes("ĊĊ"), b"\n\n");
        assert_eq!(to_bytes("Ã©"), "é".as_bytes());
        assert_eq!(to_bytes("ł"), [0xA0]);
    }
}
