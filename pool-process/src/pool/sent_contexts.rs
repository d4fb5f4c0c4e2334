//! Which contexts a worker has. The pool sends each context to a worker once, and has it dropped when its job has ended.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Weak};

use pool_core::CodecError;

use crate::wire::{self, Kind};

use super::outgoing::Outgoing;
use super::remote_job::{Encoded, JobContext};

/// How many contexts a worker keeps at most.
const MOST: usize = 8;

/// The contexts that one worker has, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct SentContexts(VecDeque<SentContext>);

#[derive(Debug)]
struct SentContext {
    number: u64,
    /// It lives as long as its job.
    encoded: Weak<Result<Encoded, CodecError>>,
}

impl SentContexts {
    /// Writes the frames that must precede a task with this context, and counts them: the context, if the worker has not got it, and
    /// orders to drop others.
    ///
    /// # Errors
    ///
    /// The context cannot be encoded, or is longer than a message may be; no context is written then.
    pub(crate) fn write_missing(
        &mut self,
        context: Option<JobContext>,
        out: &mut Outgoing,
        max: u64,
        count: &mut u64,
    ) -> Result<(), CodecError> {
        self.forget(out, count, |sent| sent.encoded.strong_count() == 0);
        let Some(JobContext { number, encoded }) = context else {
            return Ok(());
        };
        if let Some(place) = self.0.iter().position(|sent| sent.number == number) {
            self.0.rotate_left(place + 1);
            return Ok(());
        }
        let length = match &*encoded {
            Ok(Encoded::Bytes(bytes)) => bytes.len() as u64,
            Ok(Encoded::Shared(file)) => file.length(),
            Err(error) => return Err(error.clone()),
        };
        wire::fits("the job's context", length as usize, max)?;
        if self.0.len() >= MOST
            && let Some(SentContext { number: oldest, .. }) = self.0.front()
        {
            let oldest = *oldest;
            self.forget(out, count, |sent| sent.number == oldest);
        }
        match &*encoded {
            Ok(Encoded::Shared(file)) => {
                out.files.push((out.bytes.len(), file.clone()));
                frame(out, Kind::SharedContext, number, &[]);
            }
            Ok(Encoded::Bytes(bytes)) => frame(out, Kind::Context, number, bytes),
            Err(_) => {}
        }
        *count += 1;
        let encoded = Arc::downgrade(&encoded);
        self.0.push_back(SentContext { number, encoded });
        Ok(())
    }

    /// Has the worker drop contexts.
    fn forget(
        &mut self,
        out: &mut Outgoing,
        count: &mut u64,
        which: impl Fn(&SentContext) -> bool,
    ) {
        self.0.retain(|sent| {
            let drops = which(sent);
            if drops {
                frame(out, Kind::Forget, sent.number, &[]);
                *count += 1;
            }
            !drops
        });
    }
}

fn frame(out: &mut Outgoing, kind: Kind, number: u64, payload: &[u8]) {
    let fill = |out: &mut Vec<u8>| {
        out.extend_from_slice(payload);
        Ok::<(), Infallible>(())
    };
    match wire::write(&mut out.bytes, kind, number, fill) {
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pool_core::CodecError;

    use super::super::outgoing::Outgoing;
    use super::{MOST, SentContexts};
    use crate::pool::remote_job::{Encoded, JobContext};
    use crate::wire::{Kind, Reader};

    /// The frames that the worker gets before a task with this context.
    fn told(
        contexts: &mut SentContexts,
        number: u64,
        encoded: &Arc<Result<Encoded, CodecError>>,
    ) -> Vec<(Kind, u64)> {
        let mut out = Outgoing::default();
        let context = JobContext {
            number,
            encoded: encoded.clone(),
        };
        let mut count = 0;
        contexts
            .write_missing(Some(context), &mut out, 100, &mut count)
            .expect("it fits");
        let mut reader = Reader::new(100);
        let mut stream = &out.bytes[..];
        while reader.fill(&mut stream).expect("memory") > 0 {}
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().expect("frames") {
            frames.push((frame.kind, frame.request));
        }
        assert_eq!(count, frames.len() as u64);
        frames
    }

    fn bytes() -> Arc<Result<Encoded, CodecError>> {
        Arc::new(Ok(Encoded::Bytes(vec![1, 2, 3])))
    }

    #[test]
    fn a_context_is_sent_once_and_taken_back_when_its_job_is_gone() {
        let mut contexts = SentContexts::default();
        let (first, second) = (bytes(), bytes());
        assert_eq!(told(&mut contexts, 1, &first), [(Kind::Context, 1)]);
        assert_eq!(told(&mut contexts, 1, &first), []);
        drop(first);
        assert_eq!(
            told(&mut contexts, 2, &second),
            [(Kind::Forget, 1), (Kind::Context, 2)]
        );
    }

    #[test]
    fn a_worker_keeps_so_many_and_gives_back_the_one_not_used_for_longest() {
        let mut contexts = SentContexts::default();
        let all: Vec<_> = (0..=MOST).map(|_| bytes()).collect();
        for (number, bytes) in all.iter().take(MOST).enumerate() {
            assert_eq!(
                told(&mut contexts, number as u64, bytes),
                [(Kind::Context, number as u64)]
            );
        }
        assert_eq!(told(&mut contexts, 0, &all[0]), []);
        let most = MOST as u64;
        assert_eq!(
            told(&mut contexts, most, &all[MOST]),
            [(Kind::Forget, 1), (Kind::Context, most)]
        );
    }

    #[test]
    fn a_context_that_is_too_long_is_refused_and_not_remembered() {
        let mut contexts = SentContexts::default();
        let mut out = Outgoing::default();
        let long = Arc::new(Ok(Encoded::Bytes(vec![0; 101])));
        let context = || JobContext {
            number: 1,
            encoded: long.clone(),
        };
        for _ in 0..2 {
            let refused = contexts
                .write_missing(Some(context()), &mut out, 100, &mut 0)
                .expect_err("too long");
            assert_eq!(refused.type_name, "the job's context");
        }
        assert!(out.bytes.is_empty());
    }
}
