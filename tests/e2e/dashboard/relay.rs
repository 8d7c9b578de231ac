//! An address that stays the same while the server behind it is restarted, as a reverse proxy's does.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Passes connections on. Ends when dropped, its connections with it.
pub(super) struct Relay {
    address: SocketAddr,
    target: watch::Sender<Option<SocketAddr>>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Starts one that leads to this address.
    pub(super) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = watch::Sender::new(Some(target));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target.subscribe()));
        Self {
            address,
            target,
            _tasks: tasks,
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and refuses new ones.
    pub(super) fn cut(&self) {
        self.target.send_replace(None);
    }

    /// Leads to this address from now on.
    pub(super) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(Some(target));
    }
}

async fn accept(listener: TcpListener, target: watch::Receiver<Option<SocketAddr>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let mut target = target.clone();
        let address = *target.borrow_and_update();
        let Some(address) = address else {
            continue;
        };
        connections.spawn(async move {
            tokio::select! {
                _ = target.changed() => {}
                () = pass_on(client, address) => {}
            }
        });
    }
}

async fn pass_on(mut client: TcpStream, address: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(address).await {
        // Either side may go at any time.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
