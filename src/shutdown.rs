//! Stopping, step by step, so that nobody who is being answered is cut off without need.

use std::{io, process, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{sleep, timeout},
};

/// How gateway and core are told to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stops {
    /// The gateway's steps.
    pub(crate) gateway: llm2api_gateway::Stopping,
    /// The core's steps.
    pub(crate) core: llm2api_core::Stopping,
}

impl Stops {
    fn drain(&self) {
        self.gateway.draining.cancel();
        self.core.draining.cancel();
    }

    fn refuse(&self) {
        self.gateway.refusing.cancel();
        self.core.refusing.cancel();
    }

    /// Whether nobody is being answered.
    fn is_idle(&self) -> bool {
        self.gateway.running.is_empty() && self.core.running.is_empty()
    }

    /// Waits until nobody is being answered.
    async fn idle(&self) {
        self.gateway.running.close();
        self.core.running.close();
        self.gateway.running.wait().await;
        self.core.running.wait().await;
    }

    fn end(&self) {
        self.gateway.ending.cancel();
        self.core.ending.cancel();
    }
}

/// How long each step may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrainTimes {
    /// For how long new requests are still served: until load balancers have noticed.
    pub(crate) delay: Duration,
    /// For how long running answers may then go on.
    pub(crate) timeout: Duration,
}

/// The time that ended answers get to tell their clients.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why the process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// SIGTERM, from an orchestrator.
    Terminate,
    /// SIGINT, from a person at a terminal.
    Interrupt,
}

impl StopSignal {
    /// The exit code of a process that a signal ended, as shells have it.
    fn exit_code(self) -> i32 {
        let number = match self {
            Self::Terminate => SignalKind::terminate(),
            Self::Interrupt => SignalKind::interrupt(),
        };
        128 + number.as_raw_value()
    }
}

/// The signals that stop the process.
#[derive(Debug)]
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Listens from now on, instead of dying of them.
    ///
    /// # Errors
    ///
    /// What the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.terminate.recv() => StopSignal::Terminate,
            _ = self.interrupt.recv() => StopSignal::Interrupt,
        }
    }

    /// Waits for the next one, and ends the process at once.
    pub(crate) async fn end_process(&mut self) {
        let signal = self.next().await;
        tracing::warn!(?signal, "ending at once: a second signal came");
        process::exit(signal.exit_code());
    }
}

/// Takes all steps; the longer ones are over as soon as nobody is being answered any more, and all are when the servers have ended.
pub(crate) async fn stop(
    signal: StopSignal,
    stops: &Stops,
    times: DrainTimes,
    servers_ended: impl Future<Output = ()>,
) {
    tokio::pin!(servers_ended);
    stops.drain();
    if signal == StopSignal::Terminate && !times.delay.is_zero() {
        tracing::info!(delay = ?times.delay, "stopping: new requests are still served for a while");
        tokio::select! {
            () = sleep(times.delay) => {}
            () = &mut servers_ended => return,
        }
    }
    stops.refuse();
    if !stops.is_idle() {
        tracing::info!(timeout = ?times.timeout, "stopping: running answers may go on for a while");
    }
    tokio::select! {
        idle = timeout(times.timeout, stops.idle()) => {
            if idle.is_err() {
                tracing::info!("stopping: running answers end");
            }
        }
        () = &mut servers_ended => return,
    }
    stops.end();
    if timeout(LAST_WORDS, servers_ended).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    const TIMES: DrainTimes = DrainTimes {
        delay: Duration::from_secs(5),
        timeout: Duration::from_secs(20),
    };

    /// Stops while one answer runs for this long, and tells at which second each step came, and when all was over.
    async fn steps(
        signal: StopSignal,
        answer: Duration,
        servers_ended: impl Future<Output = ()>,
    ) -> [Option<u64>; 4] {
        let start = Instant::now();
        let stops = Stops::default();
        let running = stops.core.running.token();
        let answer = async move {
            sleep(answer).await;
            drop(running);
            pending::<()>().await;
        };
        let reached = |token: &tokio_util::sync::CancellationToken| {
            let token = token.clone();
            async move {
                token.cancelled().await;
                start.elapsed().as_secs()
            }
        };
        let mut draining = Box::pin(reached(&stops.gateway.draining));
        let mut refusing = Box::pin(reached(&stops.core.refusing));
        let mut ending = Box::pin(reached(&stops.gateway.ending));
        let mut seconds = [None; 4];
        let stopped = stop(signal, &stops, TIMES, servers_ended);
        tokio::pin!(stopped, answer);
        loop {
            tokio::select! {
                biased;
                second = &mut draining, if seconds[0].is_none() => seconds[0] = Some(second),
                second = &mut refusing, if seconds[1].is_none() => seconds[1] = Some(second),
                second = &mut ending, if seconds[2].is_none() => seconds[2] = Some(second),
                () = &mut answer => {}
                () = &mut stopped => {
                    seconds[3] = Some(start.elapsed().as_secs());
                    return seconds;
                }
            }
        }
    }

    const FOREVER: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn sigterm_takes_every_step_while_answers_run() {
        assert_eq!(
            steps(StopSignal::Terminate, FOREVER, pending()).await,
            [Some(0), Some(5), Some(25), Some(27)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn sigint_skips_the_delay() {
        assert_eq!(
            steps(StopSignal::Interrupt, FOREVER, pending()).await,
            [Some(0), Some(0), Some(20), Some(22)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn connections_end_as_soon_as_nobody_is_being_answered() {
        assert_eq!(
            steps(StopSignal::Terminate, Duration::from_secs(8), pending()).await,
            [Some(0), Some(5), Some(8), Some(10)]
        );
        assert_eq!(
            steps(StopSignal::Terminate, Duration::ZERO, pending()).await,
            [Some(0), Some(5), Some(5), Some(7)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_is_over_when_the_servers_have_ended() {
        assert_eq!(
            steps(
                StopSignal::Terminate,
                FOREVER,
                sleep(Duration::from_secs(7))
            )
            .await,
            [Some(0), Some(5), None, Some(7)]
        );
    }

    #[test]
    fn a_second_signal_gives_the_exit_code_that_shells_give() {
        assert_eq!(StopSignal::Terminate.exit_code(), 143);
        assert_eq!(StopSignal::Interrupt.exit_code(), 130);
    }
}
