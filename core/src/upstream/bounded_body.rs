//! Reads a small body whole, within bounds.

use std::time::Duration;

use http_body_util::BodyExt;

use super::http_client::{ConnectionError, ResponseBody};

/// What was read.
pub(crate) struct Bounded {
    pub(crate) bytes: Vec<u8>,
    /// Why that is not all.
    pub(crate) incomplete: Option<Incomplete>,
}

/// Why a body was not read to its end.
pub(crate) enum Incomplete {
    TooLarge,
    TimedOut,
    Broken(ConnectionError),
}

/// Reads a body until it ends, is larger than `limit`, breaks, or the time is up.
pub(crate) async fn read_bounded(mut body: ResponseBody, limit: usize, time: Duration) -> Bounded {
    let mut bytes = Vec::new();
    let read = async {
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(Incomplete::Broken)?.into_data() else {
                continue;
            };
            let room = limit - bytes.len();
            if piece.len() > room {
                bytes.extend_from_slice(&piece[..room]);
                return Err(Incomplete::TooLarge);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(())
    };
    let incomplete = match tokio::time::timeout(time, read).await {
        Ok(read) => read.err(),
        Err(_) => Some(Incomplete::TimedOut),
    };
    Bounded { bytes, incomplete }
}
