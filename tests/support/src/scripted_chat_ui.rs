//! A server that speaks chat-ui's protocol byte for byte, as each test tells it to.
//!
//! It knows both families of versions, sessions in every state, the rule about `Origin`, and limits; and it keeps a record of each
//! conversation: what was said in it, and when it was stopped, closed and deleted.

mod connection;
mod form;
mod protocol;
mod record;
mod reply;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use self::{form::UploadedFile, record::Conversation, reply::Reply};
use crate::{Signal, within};

/// The families of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Since the rewrite of 2025-09.
    New,
    /// Before 2025-06.
    Old,
}

/// What a session is worth at an instance with login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// A user's.
    Valid,
    /// Not known any more.
    Expired,
    /// Refused by something in front of the instance.
    Banned,
    /// Dropped by the server: each POST hands out another value.
    Dropped,
}

/// How an instance is set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which versions it is of.
    pub family: Family,
    /// Whether it wants a login; then only the sessions that a test names are any.
    pub has_login: bool,
    /// Whether guests are sent to the login at once, wherever they go.
    pub has_automatic_login: bool,
    /// The host that it believes to have. `None`: the one that it listens at.
    pub public_host: Option<String>,
    /// The name of its session cookie.
    pub cookie_name: String,
    /// Whether each session must accept a disclaimer before it may write.
    pub has_disclaimer: bool,
    /// How many messages it takes; more are too many. `None`: no limit.
    pub message_limit: Option<usize>,
    /// Its models, and whether each takes images.
    pub models: Vec<(String, bool)>,
}

impl Setup {
    /// Without login and limits, with one model that takes no images.
    #[must_use]
    pub fn new(family: Family, model: &str) -> Self {
        Self {
            family,
            has_login: false,
            has_automatic_login: false,
            public_host: None,
            cookie_name: "hf-chat".to_owned(),
            has_disclaimer: false,
            message_limit: None,
            models: vec![(model.to_owned(), false)],
        }
    }
}

/// An instance on a port of its own, below `/chat`. Ends when dropped, its connections with it.
#[derive(Debug)]
pub struct ScriptedChatUi {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    setup: Setup,
    address: SocketAddr,
    state: Mutex<State>,
    conversations: watch::Sender<Vec<Conversation>>,
}

/// What to answer.
#[derive(Debug)]
struct State {
    sessions: HashMap<String, Session>,
    /// The answers to the next messages, each used once, and before the one below.
    queued: VecDeque<Reply>,
    reply: Reply,
    /// Instead of the ones above, for messages of these sessions.
    by_session: HashMap<String, Reply>,
    /// How many messages these sessions may send; more are too many.
    session_limits: HashMap<String, usize>,
    /// How often each session was refused a conversation.
    refusals: HashMap<String, usize>,
    /// How often each session was asked after.
    probes: HashMap<String, usize>,
    message_count: usize,
    /// How many of the next deletions fail.
    failing_deletions: usize,
    /// Sessions that accepted the disclaimer.
    accepted: HashSet<String>,
    /// What the answers to the making of conversations wait for.
    creations: Option<Signal>,
}

impl ScriptedChatUi {
    /// Starts one that answers each message with `Hello`.
    ///
    /// # Panics
    ///
    /// When no port can be had.
    pub async fn start(setup: Setup) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a port can be had");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            setup,
            address,
            state: Mutex::new(State {
                sessions: HashMap::new(),
                queued: VecDeque::new(),
                reply: Reply::text(&["Hello"]),
                by_session: HashMap::new(),
                session_limits: HashMap::new(),
                refusals: HashMap::new(),
                probes: HashMap::new(),
                message_count: 0,
                failing_deletions: 0,
                accepted: HashSet::new(),
                creations: None,
            }),
            conversations: watch::Sender::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// Its address as `UPSTREAM_URL` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/chat", self.address)
    }

    /// Says what a session is worth from now on.
    pub fn session(&self, cookie: &str, session: Session) {
        self.state().sessions.insert(cookie.to_owned(), session);
    }

    /// Answers every message so.
    pub fn answer(&self, reply: Reply) {
        self.state().reply = reply;
    }

    /// Answers every message of this session so, whatever is said for all.
    pub fn answer_session(&self, cookie: &str, reply: Reply) {
        self.state().by_session.insert(cookie.to_owned(), reply);
    }

    /// Lets a session send so many messages from now on, and refuses more as too many.
    pub fn limit_session(&self, cookie: &str, messages: usize) {
        let mut state = self.state();
        state.session_limits.insert(cookie.to_owned(), messages);
    }

    /// How often it was asked what a session is worth.
    #[must_use]
    pub fn probes(&self, cookie: &str) -> usize {
        self.state().probes.get(cookie).copied().unwrap_or(0)
    }

    /// How often a session was refused a conversation.
    #[must_use]
    pub fn refusals(&self, cookie: &str) -> usize {
        self.state().refusals.get(cookie).copied().unwrap_or(0)
    }

    /// Answers the next message so, once, after those queued before.
    pub fn queue(&self, reply: Reply) {
        self.state().queued.push_back(reply);
    }

    /// Fails the next deletions, so many of them.
    pub fn fail_deletions(&self, count: usize) {
        self.state().failing_deletions = count;
    }

    /// How many of the next deletions are still to fail.
    #[must_use]
    pub fn failing_deletions(&self) -> usize {
        self.state().failing_deletions
    }

    /// Makes conversations from now on, but says so only when this is opened.
    pub fn hold_creations(&self, signal: &Signal) {
        self.state().creations = Some(signal.clone());
    }

    /// The conversations that were made so far.
    #[must_use]
    pub fn conversations(&self) -> Vec<Conversation> {
        self.shared.conversations.borrow().clone()
    }

    /// Waits until the conversation of this number, from 0, is in some state, and gives it back.
    ///
    /// # Panics
    ///
    /// When it does not come to be so.
    pub async fn conversation(
        &self,
        number: usize,
        what: &str,
        is_so: impl Fn(&Conversation) -> bool,
    ) -> Conversation {
        let mut conversations = self.shared.conversations.subscribe();
        let what = format!("conversation {number} to be {what}");
        let found = conversations.wait_for(|all| all.get(number).is_some_and(&is_so));
        let found = within(&what, found).await;
        found.expect("the sender lives in self")[number].clone()
    }

    /// Waits until this many conversations were made, and all of them are deleted.
    ///
    /// # Panics
    ///
    /// When one stays.
    pub async fn has_deleted(&self, count: usize) {
        let mut conversations = self.shared.conversations.subscribe();
        let what = format!("{count} conversations, all deleted");
        let deleted = conversations
            .wait_for(|all| all.len() >= count && all.iter().all(|one| one.deleted_at.is_some()));
        drop(within(&what, deleted).await);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with the state")
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("the test has sockets enough");
                connections.spawn(connection::serve(stream, Arc::clone(&shared)));
            }
            Some(ended) = connections.join_next() => ended.expect("a connection does not panic"),
        }
    }
}
