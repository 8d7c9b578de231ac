//! What makes a file a GGUF file, by its first bytes. Whether its model can be computed here is for the core to say, of the whole.

/// Bytes by which a GGUF file is known: its mark, and the format's version.
pub(super) const HEAD_SIZE: usize = 8;

/// The mark that each GGUF file begins with (ggml, docs/gguf.md).
const MARK: &[u8; 4] = b"GGUF";

/// Tells what is wrong with a file that begins so: what it is instead of a GGUF file.
///
/// # Errors
///
/// That, to be read after the file's name.
pub(super) fn check_head(head: [u8; HEAD_SIZE]) -> Result<(), String> {
    let [mark @ .., v0, v1, v2, v3] = head;
    if mark != *MARK {
        return Err("is not a GGUF file".to_owned());
    }
    match u32::from_le_bytes([v0, v1, v2, v3]) {
        2 | 3 => Ok(()),
        version if matches!(version.swap_bytes(), 2 | 3) => {
            Err("is a GGUF file for big-endian machines".to_owned())
        }
        version => Err(format!(
            "is of GGUF's version {version}, where 2 and 3 are known"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gguf_file_is_known_by_its_first_bytes() {
        for (head, result) in [
            (b"GGUF\x03\0\0\0", Ok(())),
            (b"GGUF\x02\0\0\0", Ok(())),
            (
                b"GGUF\x01\0\0\0",
                Err("is of GGUF's version 1, where 2 and 3 are known"),
            ),
            (
                b"GGUF\0\0\0\x03",
                Err("is a GGUF file for big-endian machines"),
            ),
            (b"<!DOCTYP", Err("is not a GGUF file")),
        ] {
            assert_eq!(check_head(*head), result.map_err(str::to_owned));
        }
    }
}
