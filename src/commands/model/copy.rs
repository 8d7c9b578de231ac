//! Copies a file of this machine.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, anyhow, bail};

use super::{gguf, progress::Progress, unfinished::Unfinished};

/// Bytes that are copied at once.
const BLOCK_SIZE: usize = 1 << 20;

/// Copies a file; where the file system can share the bytes of two files, nothing is written.
///
/// A hard link would be one file with two names: whoever changes it there would change the model here.
///
/// # Errors
///
/// Where it can't be read or written, or is no GGUF file.
pub(super) async fn copy(
    path: &Path,
    unfinished: &mut Unfinished,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let shown = path.display();
    let mut file = File::open(path).with_context(|| format!("can't read {shown}"))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        bail!("{shown} is not a file");
    }
    let mut head = [0; gguf::HEAD_SIZE];
    let is_gguf = match File::open(path)?.read_exact(&mut head) {
        Ok(()) => gguf::check_head(head),
        Err(_) => Err("is not a GGUF file".to_owned()),
    };
    is_gguf.map_err(|problem| anyhow!("{shown} {problem}"))?;

    unfinished.begin(None)?;
    let size_bytes = metadata.len();
    if share(&file, unfinished.file()) {
        unfinished.set_length(size_bytes);
        return Ok(());
    }
    unfinished.check_room(size_bytes)?;
    progress.begin("copying", 0, Some(size_bytes));
    let mut block = vec![0; BLOCK_SIZE];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                unfinished.write(&block[..length])?;
                progress.advance(length as u64);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| format!("can't read {shown}")),
        }
        // So that Ctrl-C is heard.
        tokio::task::yield_now().await;
    }
}

/// Makes a file share the bytes of another, where the file system can; tells whether it does.
#[cfg(target_os = "linux")]
fn share(source: &File, target: &File) -> bool {
    rustix::fs::ioctl_ficlone(target, source).is_ok()
}

/// Elsewhere they are copied.
#[cfg(not(target_os = "linux"))]
fn share(_source: &File, _target: &File) -> bool {
    false
}
