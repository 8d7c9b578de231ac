//! Clients for credentials that have a proxy of their own.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use reqwest::Client;
use url::Url;

/// Clients that are kept. Each holds some 20 KiB and its idle connections; ten thousand credentials may have as many proxies.
const MAX_CLIENTS: usize = 512;

/// A client for each proxy on each runtime, as far as they were used of late.
#[derive(Debug, Default)]
pub(super) struct ClientsByProxy {
    kept: Mutex<HashMap<Key, Kept>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    runtime: usize,
    proxy: Url,
}

#[derive(Debug)]
struct Kept {
    client: Client,
    last_used: Instant,
}

impl ClientsByProxy {
    /// The client for a proxy on a runtime, which `make` makes where there is none.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub(super) fn get<E>(
        &self,
        runtime: usize,
        proxy: &Url,
        make: impl FnOnce() -> Result<Client, E>,
    ) -> Result<Client, E> {
        let key = Key {
            runtime,
            proxy: proxy.clone(),
        };
        let last_used = Instant::now();
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(kept) = kept.get_mut(&key) {
                kept.last_used = last_used;
                return Ok(kept.client.clone());
            }
        }
        // Without the lock: it takes a moment. Whoever makes it at the same time does so in vain.
        let client = make()?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_CLIENTS {
            forget_half(&mut kept);
        }
        let new = Kept {
            client: client.clone(),
            last_used,
        };
        kept.insert(key, new);
        Ok(client)
    }
}

/// Forgets those that were not used for longest. What runs over their connections goes on.
fn forget_half(kept: &mut HashMap<Key, Kept>) {
    let mut times: Vec<Instant> = kept.values().map(|kept| kept.last_used).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    kept.retain(|_, kept| kept.last_used > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(number: usize) -> Url {
        Url::parse(&format!("http://p{number}:1")).expect("valid")
    }

    #[test]
    fn a_client_is_made_once_for_each_proxy_and_runtime() {
        let clients = ClientsByProxy::default();
        let made = |runtime, number| {
            let mut is_made = false;
            let got = clients.get(runtime, &proxy(number), || {
                is_made = true;
                Ok::<_, ()>(Client::new())
            });
            got.expect("made");
            is_made
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = [(0, 1), (0, 1), (1, 1), (0, 2), (0, 1)].map(|(at, number)| made(at, number));
        assert_eq!(made, [true, false, true, true, false]);
        assert_eq!(clients.get(0, &proxy(3), || Err("why")).err(), Some("why"));
    }

    #[test]
    fn those_not_used_for_longest_are_forgotten() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clients = ClientsByProxy::default();
        let client = Client::new();
        for number in 0..=MAX_CLIENTS {
            let got = clients.get(0, &proxy(number), || Ok::<_, ()>(client.clone()));
            got.expect("made");
        }
        let is_kept = |number| clients.get(0, &proxy(number), || Err(())).is_ok();
        assert!(!is_kept(0));
        assert!(is_kept(MAX_CLIENTS));
        let count = clients.kept.lock().expect("whole").len();
        assert!((MAX_CLIENTS / 4..=MAX_CLIENTS).contains(&count), "{count}");
    }
}
