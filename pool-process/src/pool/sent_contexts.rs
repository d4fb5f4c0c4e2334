//! What a worker was lent, as its pool remembers it: each context goes to it once, and is taken back.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Weak};

use pool_core::CodecError;

use crate::wire::{self, Kind};

use super::remote_job::JobContext;

/// How many contexts a worker keeps at most.
const MOST: usize = 8;

/// The contexts that one worker has, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct SentContexts(VecDeque<SentContext>);

#[derive(Debug)]
struct SentContext {
    number: u64,
    /// Its bytes live as long as its job.
    bytes: Weak<[u8]>,
}

impl SentContexts {
    /// Writes what the worker must be told before a task that is lent this.
    ///
    /// # Errors
    ///
    /// The context cannot be encoded, or is longer than a message may be; nothing is written then.
    pub(crate) fn write_missing(
        &mut self,
        job_context: Option<JobContext>,
        out: &mut Vec<u8>,
        max: u64,
    ) -> Result<(), CodecError> {
        self.forget(out, |sent| sent.bytes.strong_count() == 0);
        let Some(JobContext { number, bytes }) = job_context else {
            return Ok(());
        };
        if let Some(place) = self.0.iter().position(|sent| sent.number == number) {
            self.0.rotate_left(place + 1);
            return Ok(());
        }
        let bytes = bytes?;
        wire::fits("the job's context", bytes.len(), max)?;
        if self.0.len() >= MOST
            && let Some(SentContext { number: oldest, .. }) = self.0.front()
        {
            let oldest = *oldest;
            self.forget(out, |sent| sent.number == oldest);
        }
        frame(out, Kind::Context, number, &bytes);
        let bytes = Arc::downgrade(&bytes);
        self.0.push_back(SentContext { number, bytes });
        Ok(())
    }

    fn forget(&mut self, out: &mut Vec<u8>, which: impl Fn(&SentContext) -> bool) {
        self.0.retain(|sent| {
            let goes = which(sent);
            if goes {
                frame(out, Kind::Forget, sent.number, &[]);
            }
            !goes
        });
    }
}

fn frame(out: &mut Vec<u8>, kind: Kind, number: u64, payload: &[u8]) {
    let fill = |out: &mut Vec<u8>| {
        out.extend_from_slice(payload);
        Ok::<(), Infallible>(())
    };
    match wire::write(out, kind, number, fill) {
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{MOST, SentContexts};
    use crate::pool::remote_job::JobContext;
    use crate::wire::{Kind, Reader};

    /// What the worker is told before a task that is lent this.
    fn told(sent_contexts: &mut SentContexts, number: u64, bytes: &Arc<[u8]>) -> Vec<(Kind, u64)> {
        let mut out = Vec::new();
        let job_context = JobContext {
            number,
            bytes: Ok(bytes.clone()),
        };
        sent_contexts
            .write_missing(Some(job_context), &mut out, 100)
            .expect("it fits");
        let mut reader = Reader::new(100);
        let mut stream = &out[..];
        while reader.fill(&mut stream).expect("memory") > 0 {}
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().expect("frames") {
            frames.push((frame.kind, frame.request));
        }
        frames
    }

    fn bytes() -> Arc<[u8]> {
        Arc::from([1, 2, 3])
    }

    #[test]
    fn a_context_is_sent_once_and_taken_back_when_its_job_is_gone() {
        let mut sent_contexts = SentContexts::default();
        let (first, second) = (bytes(), bytes());
        assert_eq!(told(&mut sent_contexts, 1, &first), [(Kind::Context, 1)]);
        assert_eq!(told(&mut sent_contexts, 1, &first), []);
        drop(first);
        assert_eq!(
            told(&mut sent_contexts, 2, &second),
            [(Kind::Forget, 1), (Kind::Context, 2)]
        );
    }

    #[test]
    fn a_worker_keeps_so_many_and_gives_back_the_one_not_used_for_longest() {
        let mut sent_contexts = SentContexts::default();
        let all: Vec<_> = (0..=MOST).map(|_| bytes()).collect();
        for (number, bytes) in all.iter().take(MOST).enumerate() {
            assert_eq!(
                told(&mut sent_contexts, number as u64, bytes),
                [(Kind::Context, number as u64)]
            );
        }
        assert_eq!(told(&mut sent_contexts, 0, &all[0]), []);
        let most = MOST as u64;
        assert_eq!(
            told(&mut sent_contexts, most, &all[MOST]),
            [(Kind::Forget, 1), (Kind::Context, most)]
        );
    }

    #[test]
    fn a_context_that_is_too_long_is_refused_and_not_remembered() {
        let mut sent_contexts = SentContexts::default();
        let mut out = Vec::new();
        let bytes: Arc<[u8]> = vec![0; 101].into();
        let job_context = || JobContext {
            number: 1,
            bytes: Ok(bytes.clone()),
        };
        for _ in 0..2 {
            let refused = sent_contexts
                .write_missing(Some(job_context()), &mut out, 100)
                .expect_err("too long");
            assert_eq!(refused.type_name, "the job's context");
        }
        assert_eq!(out, []);
    }
}
