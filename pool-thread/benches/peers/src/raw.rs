//! What the machine can do at best, without a pool.

use std::hint;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use crossbeam_channel::bounded;

use crate::contestant::Outcome;
use crate::workload::Unit;

/// One limit.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

const ROUNDS: u64 = 2_000;

/// All of them, once.
pub(crate) fn limits() -> Outcome<Vec<Limit>> {
    let time = |name, value| Limit {
        name,
        unit: Unit::Seconds,
        value,
    };
    let bytes = |name, value| Limit {
        name,
        unit: Unit::BytesPerSecond,
        value,
    };
    Ok(vec![
        time("two threads that spin, round trip", spinning()?),
        time(
            "crossbeam channel between two threads, round trip",
            channel()?,
        ),
        time(
            "futex (park, unpark) between two threads, round trip",
            park()?,
        ),
        time("socket pair between two threads, round trip", socket()?),
        time("uncontended mutex, lock and unlock", mutex()),
        time("allocation of 64 bytes and its end", allocation()),
        time("thread, start and join", start()),
        bytes("copy of 1 MiB", copy(1 << 20)),
        bytes("copy of 64 MiB", copy(64 << 20)),
    ])
}

fn per_round(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() / ROUNDS as f64
}

/// Each side waits for the other's number, and yields now and then in case that both are on one CPU.
fn spinning() -> Outcome<f64> {
    let (there, back) = (AtomicU64::new(0), AtomicU64::new(0));
    let wait = |word: &AtomicU64, number| {
        let mut looks = 0_u32;
        while word.load(Ordering::Acquire) != number {
            looks += 1;
            if looks.is_multiple_of(10_000) {
                thread::yield_now();
            }
            hint::spin_loop();
        }
    };
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            for number in 1..=ROUNDS {
                wait(&there, number);
                back.store(number, Ordering::Release);
            }
        });
        let began = Instant::now();
        for number in 1..=ROUNDS {
            there.store(number, Ordering::Release);
            wait(&back, number);
        }
        let time = per_round(began);
        other.join().map_err(|_| "a thread has panicked")?;
        Ok(time)
    })
}

fn channel() -> Outcome<f64> {
    let (there, here) = (bounded::<u64>(1), bounded::<u64>(1));
    thread::scope(|scope| {
        let (requests, replies) = (there.1, here.0);
        let other = scope.spawn(move || {
            while let Ok(number) = requests.recv() {
                if replies.send(number).is_err() {
                    break;
                }
            }
        });
        let began = Instant::now();
        for number in 0..ROUNDS {
            there.0.send(number)?;
            here.1.recv()?;
        }
        let time = per_round(began);
        drop(there.0);
        other.join().map_err(|_| "a thread has panicked")?;
        Ok(time)
    })
}

fn park() -> Outcome<f64> {
    let (there, back) = (AtomicU64::new(0), AtomicU64::new(0));
    let wait = |word: &AtomicU64, number| {
        while word.load(Ordering::Acquire) != number {
            thread::park();
        }
    };
    let caller = thread::current();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            for number in 1..=ROUNDS {
                wait(&there, number);
                back.store(number, Ordering::Release);
                caller.unpark();
            }
        });
        let began = Instant::now();
        for number in 1..=ROUNDS {
            there.store(number, Ordering::Release);
            other.thread().unpark();
            wait(&back, number);
        }
        let time = per_round(began);
        other.join().map_err(|_| "a thread has panicked")?;
        Ok(time)
    })
}

fn socket() -> Outcome<f64> {
    let (mut near, mut far) = UnixStream::pair()?;
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            let mut message = [0; 64];
            while far.read_exact(&mut message).is_ok() && far.write_all(&message).is_ok() {}
        });
        let mut message = [1; 64];
        let began = Instant::now();
        for _ in 0..ROUNDS {
            near.write_all(&message)?;
            near.read_exact(&mut message)?;
        }
        let time = per_round(began);
        drop(near);
        other.join().map_err(|_| "a thread has panicked")?;
        Ok(time)
    })
}

fn mutex() -> f64 {
    let value = Mutex::new(0_u64);
    let began = Instant::now();
    for _ in 0..ROUNDS {
        if let Ok(mut value) = hint::black_box(&value).lock() {
            *value += 1;
        }
    }
    per_round(began)
}

fn allocation() -> f64 {
    let began = Instant::now();
    for _ in 0..ROUNDS {
        drop(hint::black_box(Box::new([0_u64; 8])));
    }
    per_round(began)
}

fn start() -> f64 {
    let threads = 20;
    let began = Instant::now();
    for _ in 0..threads {
        thread::scope(|scope| drop(scope.spawn(|| hint::black_box(1))));
    }
    began.elapsed().as_secs_f64() / f64::from(threads)
}

fn copy(bytes: usize) -> f64 {
    let from = vec![1_u8; bytes];
    let mut to = vec![2_u8; bytes];
    let rounds = ((64 << 20) / bytes).max(1);
    let began = Instant::now();
    for _ in 0..rounds {
        to.copy_from_slice(hint::black_box(&from));
        hint::black_box(&mut to);
    }
    (bytes * rounds) as f64 / began.elapsed().as_secs_f64()
}
