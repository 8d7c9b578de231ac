//! The ways from the client to the scripted upstream that are compared.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    client::{CLIENT_KEY, Connection, Question},
    process::{self, Process},
    script::Script,
};

/// How long a deployment may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// A way from the client to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// None in between.
    Direct,
    /// nginx, which moves bytes.
    Nginx,
    /// `llm2api serve`: gateway and core in one process.
    Serve,
    /// `llm2api gateway` and `llm2api core`.
    Split,
}

impl Kind {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 4] = [Self::Direct, Self::Nginx, Self::Serve, Self::Split];

    /// As it is called in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Serve => "serve",
            Self::Split => "core + gateway",
        }
    }
}

/// What deployments are made of.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// The program under measurement.
    pub(crate) llm2api: PathBuf,
    /// The program it is compared with.
    pub(crate) nginx: PathBuf,
    /// Where the upstream listens.
    pub(crate) upstream: SocketAddr,
    /// Processor cores, each of which gets a worker.
    pub(crate) core_count: usize,
    /// Files that a process may have open.
    pub(crate) open_file_limit: u64,
}

/// A running deployment. Dropping it ends its processes.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// Which way it is.
    pub(crate) kind: Kind,
    /// Where it takes requests.
    pub(crate) address: SocketAddr,
    processes: Vec<Process>,
    /// Configuration, state and logs of the processes; goes after them.
    _folder: TempDir,
}

impl Deployment {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    ///
    /// Where it doesn't; with the last of what its processes said.
    pub(crate) async fn start(kind: Kind, parts: &Parts) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (address, processes) = match kind {
            Kind::Direct => (parts.upstream, Vec::new()),
            Kind::Nginx => start_nginx(parts, folder.path())?,
            Kind::Serve => start_serve(parts, folder.path())?,
            Kind::Split => start_split(parts, folder.path())?,
        };
        let mut deployment = Self {
            kind,
            address,
            processes,
            _folder: folder,
        };
        deployment.wait_until_ready().await?;
        Ok(deployment)
    }

    /// The ids of all its processes.
    pub(crate) fn process_ids(&self) -> Vec<u32> {
        let roots: Vec<u32> = self.processes.iter().map(Process::id).collect();
        process::tree(&roots)
    }

    /// The processor time that it has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        process::cpu_time(&self.process_ids())
    }

    /// The memory that it uses.
    ///
    /// # Errors
    ///
    /// Where it can't be looked into.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        process::memory_bytes(&self.process_ids())
    }

    /// The last of what its processes said.
    pub(crate) fn last_words(&self) -> String {
        let words: Vec<String> = self.processes.iter().map(Process::last_words).collect();
        words.join("\n")
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let question = Question::new(Script::Short, true);
        let begin = Instant::now();
        loop {
            let asked = async {
                let mut connection = Connection::open(self.address).await?;
                connection.ask(&question).await
            };
            let Err(error) = asked.await else {
                return Ok(());
            };
            if self.processes.iter_mut().any(Process::has_ended) || begin.elapsed() > START_PATIENCE
            {
                bail!(
                    "{} does not answer: {error:#}\n{}",
                    self.kind.name(),
                    self.last_words()
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // llm2api would let its streams finish first, and has nothing to lose here; nginx's master stops its workers.
            process.end(match self.kind {
                Kind::Nginx => Signal::TERM,
                Kind::Direct | Kind::Serve | Kind::Split => Signal::KILL,
            });
        }
    }
}

/// A port that is free now. Another program could take it before ours does; then the start fails and says so.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn start_nginx(parts: &Parts, folder: &Path) -> Result<(SocketAddr, Vec<Process>)> {
    let address = free_address()?;
    let configuration = include_str!("nginx.conf")
        .replace("{workers}", &parts.core_count.to_string())
        .replace("{open_files}", &parts.open_file_limit.to_string())
        .replace("{listen}", &address.to_string())
        .replace("{upstream}", &parts.upstream.to_string());
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration)?;
    let arguments = [
        OsStr::new("-p"),
        folder.as_os_str(),
        OsStr::new("-c"),
        file.as_os_str(),
        OsStr::new("-e"),
        OsStr::new("stderr"),
    ];
    let process = Process::start(&parts.nginx, &arguments, &[], folder.join("nginx.log"))?;
    Ok((address, vec![process]))
}

fn start_serve(parts: &Parts, folder: &Path) -> Result<(SocketAddr, Vec<Process>)> {
    let address = free_address()?;
    let mut variables = core_variables(parts, folder)?;
    variables.push(("LISTEN", address.to_string()));
    variables.push(("GRPC_LISTEN", "off".to_owned()));
    let process = start_llm2api(parts, "serve", &variables, folder)?;
    Ok((address, vec![process]))
}

fn start_split(parts: &Parts, folder: &Path) -> Result<(SocketAddr, Vec<Process>)> {
    let core_address = free_address()?;
    let mut variables = core_variables(parts, folder)?;
    variables.push(("GRPC_LISTEN", core_address.to_string()));
    let core = start_llm2api(parts, "core", &variables, folder)?;

    let address = free_address()?;
    ensure!(address != core_address, "one port was given out twice");
    let variables = [
        ("LISTEN", address.to_string()),
        ("CORE_URL", format!("http://{core_address}")),
        ("CORE_KEY", ADMIN_KEY.to_owned()),
        ("LOG", "warn".to_owned()),
    ];
    let gateway = start_llm2api(parts, "gateway", &variables, folder)?;
    Ok((address, vec![gateway, core]))
}

/// The admin key of every llm2api here.
const ADMIN_KEY: &str = "bench-admin-key";

/// What a core is told: access by key and one upstream, as in earnest.
fn core_variables(parts: &Parts, folder: &Path) -> Result<Vec<(&'static str, String)>> {
    let data = folder.join("data");
    fs::create_dir(&data)?;
    let data = data.to_str().context("the temporary folder's name")?;
    Ok(vec![
        ("API_KEY", CLIENT_KEY.to_owned()),
        ("ADMIN_KEY", ADMIN_KEY.to_owned()),
        ("UPSTREAM_URL", format!("http://{}/v1", parts.upstream)),
        ("UPSTREAM_KIND", "openai".to_owned()),
        ("UPSTREAM_API_KEY", "bench-upstream-key".to_owned()),
        ("DATA_DIR", data.to_owned()),
        ("LOG", "warn".to_owned()),
    ])
}

fn start_llm2api(
    parts: &Parts,
    command: &str,
    variables: &[(&str, String)],
    folder: &Path,
) -> Result<Process> {
    Process::start(
        &parts.llm2api,
        &[OsStr::new(command)],
        variables,
        folder.join(format!("{command}.log")),
    )
}
