//! A server that speaks OpenAI's protocol byte for byte, as each test tells it to.

mod connection;
mod record;
mod script;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
};

pub use self::{
    record::{Ending, RecordedRequest},
    script::Script,
};
use crate::within;

/// Connections that may wait to be accepted: thousands come at once in the tests of many streams.
const BACKLOG: u32 = 8192;

/// An upstream on a port of its own, which answers each request by a [`Script`] and records what it sees. Ends when dropped, its
/// connections with it.
#[derive(Debug)]
pub struct ScriptedUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    scripts: Mutex<Scripts>,
    log: watch::Sender<Log>,
}

/// What to answer.
#[derive(Debug)]
struct Scripts {
    /// `GET …/models`.
    models: Script,
    /// What is neither a chat nor asks for models.
    others: Option<Script>,
    /// The next chats, whatever they ask for; each is used once, and before those below.
    queued: VecDeque<Script>,
    /// Chats by bearer key; before those by model.
    by_key: HashMap<String, Script>,
    /// Keys to which `GET …/models` is refused. Where there is one, so it is without a key.
    refused_keys: HashSet<String>,
    /// Chats by model.
    by_model: HashMap<String, Script>,
}

/// What was seen.
#[derive(Debug, Default)]
struct Log {
    chats: Vec<Arc<RecordedRequest>>,
    others: Vec<Arc<RecordedRequest>>,
    connections: usize,
    open_connections: usize,
}

impl ScriptedUpstream {
    /// Starts one that lists these models.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start(models: &[&str]) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket can be had");
        socket
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a port can be had");
        let listener = socket.listen(BACKLOG).expect("a bound socket listens");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            scripts: Mutex::new(Scripts {
                models: model_list(models),
                others: None,
                queued: VecDeque::new(),
                by_key: HashMap::new(),
                refused_keys: HashSet::new(),
                by_model: HashMap::new(),
            }),
            log: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as `UPSTREAM_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers every chat with this model so.
    pub fn answer(&self, model: &str, script: Script) {
        self.scripts().by_model.insert(model.to_owned(), script);
    }

    /// Answers every chat with this key so.
    pub fn answer_key(&self, key: &str, script: Script) {
        self.scripts().by_key.insert(key.to_owned(), script);
    }

    /// Doesn't let this key in, neither to chats nor to the list of models, which nobody gets without a key any more.
    pub fn refuse_key(&self, key: &str) {
        let mut scripts = self.scripts();
        scripts.by_key.insert(key.to_owned(), unauthorized());
        scripts.refused_keys.insert(key.to_owned());
    }

    /// Lets a refused key in again.
    pub fn accept_key(&self, key: &str) {
        let mut scripts = self.scripts();
        scripts.by_key.remove(key);
        // Others are still refused, and so is whoever has no key.
        scripts.refused_keys.insert(String::new());
        scripts.refused_keys.remove(key);
    }

    /// Answers the next chat so, once, after those queued before.
    pub fn queue(&self, script: Script) {
        self.scripts().queued.push_back(script);
    }

    /// Answers `GET …/models` so from now on.
    pub fn answer_models(&self, script: Script) {
        self.scripts().models = script;
    }

    /// Answers so from now on what is neither a chat nor asks for models.
    pub fn answer_others(&self, script: Script) {
        self.scripts().others = Some(script);
    }

    fn scripts(&self) -> std::sync::MutexGuard<'_, Scripts> {
        self.shared
            .scripts
            .lock()
            .expect("nothing panics with the scripts")
    }

    /// The chat of this number, from 0: waits until it is there.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub async fn chat(&self, number: usize) -> Arc<RecordedRequest> {
        let mut log = self.shared.log.subscribe();
        let what = format!("the upstream's chat request {number}");
        let log = within(&what, log.wait_for(|log| log.chats.len() > number)).await;
        Arc::clone(&log.expect("the sender lives in self").chats[number])
    }

    /// The chats that came so far.
    #[must_use]
    pub fn chats(&self) -> Vec<Arc<RecordedRequest>> {
        self.shared.log.borrow().chats.clone()
    }

    /// The requests that came so far and were no chats.
    #[must_use]
    pub fn other_requests(&self) -> Vec<Arc<RecordedRequest>> {
        self.shared.log.borrow().others.clone()
    }

    /// Waits until this many chats have come.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub async fn has_chats(&self, count: usize) {
        self.until(&format!("{count} chats"), |log| log.chats.len() >= count)
            .await;
    }

    /// Waits until this many requests have come that were no chats.
    ///
    /// # Panics
    ///
    /// When they do not come.
    pub async fn has_other_requests(&self, count: usize) {
        let what = format!("{count} requests that are no chats");
        self.until(&what, |log| log.others.len() >= count).await;
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.log.borrow().connections
    }

    /// Waits until this many connections have been made.
    ///
    /// # Panics
    ///
    /// When they are not.
    pub async fn has_connections(&self, count: usize) {
        let what = format!("{count} connections");
        self.until(&what, |log| log.connections >= count).await;
    }

    /// Waits until at most this many connections are open.
    ///
    /// # Panics
    ///
    /// When more stay open.
    pub async fn has_connections_at_most(&self, count: usize) {
        self.until(&format!("at most {count} open connections"), |log| {
            log.open_connections <= count
        })
        .await;
    }

    async fn until(&self, what: &str, condition: impl FnMut(&Log) -> bool) {
        let mut log = self.shared.log.subscribe();
        drop(within(what, log.wait_for(condition)).await);
    }
}

/// OpenAI's list of these models.
fn model_list(models: &[&str]) -> Script {
    let models = models
        .iter()
        .map(|id| serde_json::json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "script"}))
        .collect::<Vec<_>>();
    Script::json(
        200,
        serde_json::json!({"object": "list", "data": models}).to_string(),
    )
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("the test has sockets enough");
                connections.spawn(connection::serve(stream, count, Arc::clone(&shared)));
                count += 1;
            }
            Some(ended) = connections.join_next() => ended.expect("a connection does not panic"),
        }
    }
}

impl Shared {
    fn record(&self, request: &Arc<RecordedRequest>) {
        self.log.send_modify(|log| match request.is_chat() {
            true => log.chats.push(Arc::clone(request)),
            false => log.others.push(Arc::clone(request)),
        });
    }

    fn script_for(&self, request: &RecordedRequest) -> Script {
        let mut scripts = self
            .scripts
            .lock()
            .expect("nothing panics with the scripts");
        let key = request.bearer_key();
        if request.method == "GET" && request.path.ends_with("/models") {
            let is_let_in = match &key {
                Some(key) => !scripts.refused_keys.contains(key),
                None => scripts.refused_keys.is_empty(),
            };
            return if is_let_in {
                scripts.models.clone()
            } else {
                unauthorized()
            };
        }
        if let Some(script) = scripts.others.as_ref().filter(|_| !request.is_chat()) {
            return script.clone();
        }
        if let Some(script) = request
            .is_chat()
            .then(|| scripts.queued.pop_front())
            .flatten()
        {
            return script;
        }
        if let Some(script) = key.and_then(|key| scripts.by_key.get(&key)) {
            return script.clone();
        }
        request
            .model()
            .and_then(|model| scripts.by_model.get(&model).cloned())
            .unwrap_or_else(|| no_script(&request.body))
    }
}

/// OpenAI's answer to a key that it doesn't know.
fn unauthorized() -> Script {
    let error = serde_json::json!({
        "message": "Incorrect API key provided", "type": "invalid_request_error", "param": null, "code": "invalid_api_key",
    });
    Script::json(401, serde_json::json!({"error": error}).to_string())
}

/// What a request gets that the test did not foresee: a client's error, which is passed on and so seen.
fn no_script(body: &Bytes) -> Script {
    let message = format!("the test has no script for {:.200?}", body);
    Script::json(
        400,
        serde_json::json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": "no_script"}})
            .to_string(),
    )
}

#[cfg(test)]
mod tests;
