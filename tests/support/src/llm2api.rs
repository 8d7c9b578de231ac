//! llm2api itself, as an operator runs it: in one process, or as core and gateway.

mod process;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use tempfile::TempDir;

pub use self::process::Process;
use crate::{Answer, RawClient, Request, within};

/// The key for administration of every instance that a test starts, unless it sets another.
pub const ADMIN_KEY: &str = "admin-key-of-the-tests";

/// What proves a test's gateway to its core.
const CORE_KEY: &str = "core-key-of-the-tests";

/// How the parts are spread over processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployment {
    /// `llm2api serve`: one process.
    Serve,
    /// `llm2api core` and `llm2api gateway`.
    Split,
}

/// The configuration file, in the folder with the state.
const FILE_NAME: &str = "llm2api.toml";

/// An instance that runs. Ends when dropped; where a test fails, its log is shown.
#[derive(Debug)]
pub struct Llm2Api {
    gateway: Process,
    core: Option<Process>,
    http: SocketAddr,
    grpc: SocketAddr,
    starting: Starting,
    data: TempDir,
}

/// What is left of an instance that has ended: its state.
#[derive(Debug)]
pub struct Ended {
    starting: Starting,
    data: TempDir,
}

/// An instance to be started.
#[derive(Debug, Clone)]
pub struct Starting {
    program: PathBuf,
    deployment: Deployment,
    settings: Vec<(String, String)>,
    file: Option<String>,
}

impl Llm2Api {
    /// Prepares to start this binary.
    #[must_use]
    pub fn prepare(program: &Path, deployment: Deployment) -> Starting {
        Starting {
            program: program.to_owned(),
            deployment,
            settings: Vec::new(),
            file: None,
        }
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where the core listens.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// The folder with its state.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// A connection to the gateway.
    pub async fn client(&self) -> RawClient {
        RawClient::connect(self.http).await
    }

    /// Sends a request on a connection of its own and reads the whole answer.
    pub async fn exchange(&self, request: &Request) -> Answer {
        self.client().await.exchange(request).await
    }

    /// Asks for a chat completion, and reads the whole answer.
    pub async fn chat(&self, body: impl Into<bytes::Bytes>) -> Answer {
        self.exchange(&Request::chat(body)).await
    }

    /// Does what an administrator may, and reads the whole answer.
    pub async fn administer(&self, request: Request) -> Answer {
        self.exchange(&request.bearer(ADMIN_KEY)).await
    }

    /// Kills all processes, as `kill -9` does.
    pub async fn kill(mut self) -> Ended {
        if let Some(core) = &mut self.core {
            core.kill().await;
        }
        self.gateway.kill().await;
        Ended {
            starting: self.starting,
            data: self.data,
        }
    }

    /// Stops all processes, as an orchestrator does, and waits until they have ended.
    ///
    /// # Panics
    ///
    /// When they don't end.
    pub async fn stop(mut self) -> Ended {
        self.terminate();
        within("all processes to end", self.ended()).await;
        Ended {
            starting: self.starting,
            data: self.data,
        }
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let core = self.core.as_ref().map(Process::log).unwrap_or_default();
        format!("{core}{}", self.gateway.log())
    }

    /// The process that holds the core.
    #[must_use]
    pub fn core_process(&self) -> &Process {
        self.core.as_ref().unwrap_or(&self.gateway)
    }

    /// Replaces its configuration file, as editors and orchestrators do.
    ///
    /// # Panics
    ///
    /// Where that can't be written.
    pub fn replace_file(&self, toml: &str) {
        let path = self.data.path().join(FILE_NAME);
        let new = path.with_extension("new");
        std::fs::write(&new, toml).expect("the folder takes a file");
        std::fs::rename(new, path).expect("a file can be replaced");
    }

    /// Asks all processes to stop, as an orchestrator does, gateway and core at once.
    pub fn terminate(&self) {
        self.gateway.terminate();
        if let Some(core) = &self.core {
            core.terminate();
        }
    }

    /// Waits until all processes have ended, and tells how the gateway's did.
    ///
    /// # Panics
    ///
    /// When they don't end.
    pub async fn ended(&mut self) -> ExitStatus {
        if let Some(core) = &mut self.core {
            core.ended().await;
        }
        self.gateway.ended().await
    }

    /// The processes, gateway first.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        std::iter::once(&self.gateway).chain(&self.core)
    }
}

impl Starting {
    /// Sets an environment variable, for all processes.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives it a configuration file.
    #[must_use]
    pub fn file(mut self, toml: &str) -> Self {
        self.file = Some(toml.to_owned());
        self
    }

    /// Starts it, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not get ready.
    pub async fn start(self) -> Llm2Api {
        let data = TempDir::new().expect("a temporary folder can be made");
        self.start_in(data).await
    }

    async fn start_in(self, data: TempDir) -> Llm2Api {
        let mut settings = vec![
            ("LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("GRPC_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("ADMIN_KEY".to_owned(), ADMIN_KEY.to_owned()),
            ("CORE_KEY".to_owned(), CORE_KEY.to_owned()),
            ("LOG_FORMAT".to_owned(), "json".to_owned()),
            // By default it is a public instance of somebody else's.
            ("SEARXNG_URL".to_owned(), "off".to_owned()),
        ];
        if let Some(file) = &self.file {
            let path = data.path().join(FILE_NAME);
            std::fs::write(&path, file).expect("a temporary folder takes a file");
            settings.push(("CONFIG".to_owned(), path.display().to_string()));
        }
        settings.extend(self.settings.iter().cloned());
        let instance = match self.deployment {
            Deployment::Serve => {
                let serve = Process::start(&self.program, "serve", &with_data(&settings, &data));
                let http = serve.address("http").await;
                let grpc = serve.address("grpc").await;
                Llm2Api {
                    gateway: serve,
                    core: None,
                    http,
                    grpc,
                    starting: self,
                    data,
                }
            }
            Deployment::Split => {
                let core = Process::start(&self.program, "core", &with_data(&settings, &data));
                let grpc = core.address("grpc").await;
                settings.push(("CORE_URL".to_owned(), format!("http://{grpc}")));
                let gateway = Process::start(&self.program, "gateway", &settings);
                let http = gateway.address("http").await;
                Llm2Api {
                    gateway,
                    core: Some(core),
                    http,
                    grpc,
                    starting: self,
                    data,
                }
            }
        };
        within("the instance to be ready", instance.ready()).await;
        instance
    }
}

impl Ended {
    /// The folder with its state.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// Starts it again with the same state, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not get ready.
    pub async fn start_again(self) -> Llm2Api {
        self.starting.start_in(self.data).await
    }
}

impl Llm2Api {
    /// Asks `/readyz` until it says yes: the answer is a level, and each question waits for the one before.
    async fn ready(&self) {
        while self.exchange(&Request::get("/readyz")).await.status != 200 {
            tokio::task::yield_now().await;
        }
    }
}

fn with_data(settings: &[(String, String)], data: &TempDir) -> Vec<(String, String)> {
    let mut settings = settings.to_vec();
    settings.push(("DATA_DIR".to_owned(), data.path().display().to_string()));
    settings
}
