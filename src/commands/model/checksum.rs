//! SHA-256 of files.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    str::FromStr,
};

use ring::digest;

use super::progress::Progress;

/// Bytes that are read at once.
const BLOCK_SIZE: usize = 1 << 20;

/// A SHA-256 checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sha256([u8; digest::SHA256_OUTPUT_LEN]);

impl Sha256 {
    /// The checksum of a whole file. Lets other work of this thread go on meanwhile.
    ///
    /// # Errors
    ///
    /// Where the file can't be read.
    pub(super) async fn of(file: &File, progress: &mut Progress) -> io::Result<Self> {
        let mut file = file;
        file.seek(SeekFrom::Start(0))?;
        let mut context = digest::Context::new(&digest::SHA256);
        let mut block = vec![0; BLOCK_SIZE];
        loop {
            let length = match file.read(&mut block) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            context.update(&block[..length]);
            progress.advance(length as u64);
            tokio::task::yield_now().await;
        }
        let mut checksum = [0; digest::SHA256_OUTPUT_LEN];
        checksum.copy_from_slice(context.finish().as_ref());
        Ok(Self(checksum))
    }

    /// The checksum of a text.
    pub(super) fn of_text(text: &str) -> Self {
        let mut checksum = [0; digest::SHA256_OUTPUT_LEN];
        checksum.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(checksum)
    }
}

impl FromStr for Sha256 {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const TAKES: &str = "a SHA-256 checksum has 64 hexadecimal digits";
        let mut checksum = [0; digest::SHA256_OUTPUT_LEN];
        if text.len() != 2 * checksum.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TAKES);
        }
        for (byte, at) in checksum.iter_mut().zip((0..text.len()).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| TAKES)?;
        }
        Ok(Self(checksum))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6234 has it among its test vectors.
    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_checksum_is_read_and_written_in_hexadecimal() {
        let checksum = Sha256::of_text("abc");
        assert_eq!(checksum.to_string(), OF_ABC);
        assert_eq!(OF_ABC.to_uppercase().parse(), Ok(checksum));
        for wrong in [&OF_ABC[1..], "", &format!("{}é", &OF_ABC[2..])] {
            assert!(wrong.parse::<Sha256>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_file_has_the_checksum_of_all_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        let file = File::open(path).unwrap();
        for _ in 0..2 {
            let checksum = Sha256::of(&file, &mut Progress::hidden()).await.unwrap();
            assert_eq!(checksum.to_string(), OF_ABC);
        }
    }
}
