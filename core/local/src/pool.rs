//! The threads that compute: a region's tasks are shared out among them, and the region ends when all tasks are done.
//!
//! A forward pass has some hundred regions of a few microseconds each, so a thread that runs out of work looks for the next
//! region for a moment before it sleeps. Who begins a region works in it too and waits for tasks, not for threads: a thread
//! that the system has put aside delays nobody unless it holds a task.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::priority::Priority;

/// For how long a thread looks for work before it sleeps: longer than the longest pause between two regions of a pass.
const LOOKOUT: Duration = Duration::from_micros(100);
/// Looks between two looks at the clock, and before who waits for the last task lets others run.
const LOOKS: u32 = 64;
/// Tasks that [`Pool::split`] makes for each thread, so that one that is slow or late holds up little.
const TASKS_PER_THREAD: usize = 8;

/// Threads that wait for regions.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The region that is run, or was last. It may be followed only by who has taken a [`Ticket`] of it.
    region: AtomicPtr<Region<'static>>,
    ticket: AtomicU64,
    stopping: AtomicBool,
    /// How many threads sleep, or are about to.
    sleeping: AtomicUsize,
    /// Held by who goes to sleep from its last look for work on, and by who wakes.
    bed: Mutex<()>,
    wake: Condvar,
}

/// Tasks that are run together.
struct Region<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    /// Tasks that are not done.
    unfinished: AtomicUsize,
    panicked: AtomicBool,
}

/// Which task is next: the region's number, how many tasks it has, and how many have been taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    region: u32,
    tasks: u16,
    taken: u16,
}

impl Ticket {
    fn from_bits(bits: u64) -> Self {
        Self {
            region: (bits >> 32) as u32,
            tasks: (bits >> 16) as u16,
            taken: bits as u16,
        }
    }

    fn to_bits(self) -> u64 {
        u64::from(self.region) << 32 | u64::from(self.tasks) << 16 | u64::from(self.taken)
    }
}

impl Pool {
    /// Starts threads of a priority; who calls [`Self::run`] is one more.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread.
    pub(crate) fn new(threads: usize, priority: Priority) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            region: AtomicPtr::new(ptr::null_mut()),
            ticket: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            sleeping: AtomicUsize::new(0),
            bed: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Self {
            shared,
            workers: Vec::new(),
        };
        for _ in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = thread::Builder::new()
                .name("local-model".to_owned())
                .spawn(move || {
                    priority.take();
                    shared.serve();
                })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Runs tasks `0..tasks`, and returns when all are done. One region runs at a time, hence `&mut`.
    ///
    /// # Panics
    ///
    /// Where a task does.
    pub(crate) fn run(&mut self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        if tasks <= 1 || self.workers.is_empty() {
            (0..tasks).for_each(work);
            return;
        }
        let region = Region {
            work,
            unfinished: AtomicUsize::new(tasks),
            panicked: AtomicBool::new(false),
        };
        let ticket = Ticket {
            region: Ticket::from_bits(self.shared.ticket.load(Ordering::Relaxed))
                .region
                .wrapping_add(1),
            tasks: u16::try_from(tasks).expect("regions are cut into a few tasks a thread"),
            taken: 0,
        };
        self.shared.region.store(
            ptr::from_ref(&region).cast_mut().cast::<Region<'static>>(),
            Ordering::Relaxed,
        );
        self.shared.ticket.store(ticket.to_bits(), Ordering::SeqCst);
        self.shared.wake_sleepers();
        while self.shared.work_on_a_task() {}
        // The region lies on this stack: nobody may be left in it.
        let mut looks = 0;
        while region.unfinished.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks % LOOKS == 0 {
                thread::yield_now();
            }
            std::hint::spin_loop();
        }
        if region.panicked.load(Ordering::Relaxed) {
            resume_unwind(Box::new("a task of the local model panicked"));
        }
    }

    /// Cuts `0..count` into ranges of at least `grain` and runs them as tasks.
    pub(crate) fn split(
        &mut self,
        count: usize,
        grain: usize,
        work: &(dyn Fn(Range<usize>) + Sync),
    ) {
        let most = (self.workers.len() + 1) * TASKS_PER_THREAD;
        let tasks = count.div_ceil(grain).min(most);
        if tasks > 0 {
            self.run(tasks, &|task| {
                work(task * count / tasks..(task + 1) * count / tasks);
            });
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.wake_sleepers();
        for worker in self.workers.drain(..) {
            // A worker catches its tasks' panics and has none of its own.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// What a worker does all its life.
    fn serve(&self) {
        loop {
            let idle_since = Instant::now();
            let mut looks = 0;
            while !self.work_on_a_task() {
                if self.stopping.load(Ordering::Relaxed) {
                    return;
                }
                looks += 1;
                if looks % LOOKS == 0 && idle_since.elapsed() > LOOKOUT {
                    self.sleep();
                    break;
                }
                std::hint::spin_loop();
            }
        }
    }

    /// Takes one task and does it. `false`: there is none.
    fn work_on_a_task(&self) -> bool {
        let mut bits = self.ticket.load(Ordering::Acquire);
        loop {
            let ticket = Ticket::from_bits(bits);
            if ticket.taken == ticket.tasks {
                return false;
            }
            let region = self.region.load(Ordering::Relaxed);
            // Taking one more touches the lowest 16 bits only, as fewer are taken than there are.
            match self.ticket.compare_exchange_weak(
                bits,
                bits + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    #[expect(unsafe_code, reason = "the region lies on the stack of who began it")]
                    // SAFETY: the pointer was stored before this region's ticket and read after it, so it is this region's
                    // or a later one's. A later one begins only when all tasks of this one are taken, and this one was
                    // not. The region lives until `unfinished` is zero, to which this task contributes when it is done. (A thread
                    // that sleeps through exactly 2³² regions here would be wrong; at 50,000 a second that is a day.)
                    let region = unsafe { &*region };
                    region.run(ticket.taken.into());
                    return true;
                }
                Err(now) => bits = now,
            }
        }
    }

    fn sleep(&self) {
        let guard = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleeping.fetch_add(1, Ordering::SeqCst);
        let _guard = self
            .wake
            .wait_while(guard, |()| {
                let ticket = Ticket::from_bits(self.ticket.load(Ordering::SeqCst));
                ticket.taken == ticket.tasks && !self.stopping.load(Ordering::SeqCst)
            })
            .unwrap_or_else(PoisonError::into_inner);
        self.sleeping.fetch_sub(1, Ordering::SeqCst);
    }

    /// Called after there is something to wake for: who goes to sleep either sees that, or is seen here.
    fn wake_sleepers(&self) {
        if self.sleeping.load(Ordering::SeqCst) > 0 {
            let _guard = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
            self.wake.notify_all();
        }
    }
}

impl Region<'_> {
    fn run(&self, task: usize) {
        if catch_unwind(AssertUnwindSafe(|| (self.work)(task))).is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        // The last use: who began the region may leave it now.
        self.unfinished.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> Pool {
        Pool::new(threads, Priority::Usual).unwrap()
    }

    #[test]
    fn each_task_of_each_region_is_done_once() {
        for threads in [1, 2, 4] {
            let mut pool = pool(threads);
            for tasks in (0..300).chain([1000]) {
                let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &|task| {
                    done[task].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_region_begins_also_when_all_threads_sleep() {
        let mut pool = pool(3);
        while pool.shared.sleeping.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        let sum = AtomicUsize::new(0);
        pool.split(1000, 10, &|range| {
            sum.fetch_add(range.sum(), Ordering::Relaxed);
        });
        assert_eq!(sum.into_inner(), 999 * 1000 / 2);
    }

    #[test]
    fn a_task_that_panics_ends_the_region_and_spares_the_pool() {
        let mut pool = pool(2);
        let result = catch_unwind(AssertUnwindSafe(|| {
            pool.run(10, &|task| assert_ne!(task, 5));
        }));
        assert!(result.is_err());
        let count = AtomicUsize::new(0);
        pool.run(10, &|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 10);
    }
}
