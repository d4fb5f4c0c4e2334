//! The pool as the trait that all pools share.

use std::time::Duration;

use pool_core::{
    Call, Flow, FnPtr, Imap, JoinAsync, Misuse, Pool, Portable, Submitted, Tally, Terms,
};

use crate::pool::ThreadPool;

impl Pool for ThreadPool {
    fn size(&self) -> usize {
        self.size()
    }

    fn tally(&self) -> Tally {
        self.0.tally()
    }

    fn close(&self) {
        self.close();
    }

    fn terminate(&self) {
        self.terminate();
    }

    fn join(&self) -> Result<(), Misuse> {
        self.join()
    }

    fn join_timeout(&self, limit: Duration) -> Result<bool, Misuse> {
        self.join_timeout(limit)
    }

    fn join_async(&self) -> JoinAsync {
        self.0.join_async()
    }

    fn detach(self) {
        self.0.detach();
    }

    fn submit_call<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        arg: A,
        terms: Terms<F::Out, F::Raised>,
    ) -> Submitted<F::Out, F::Raised, A>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0
            .submit_task(Call { func, arg }, terms, |call| call.arg)
    }

    fn submit_map<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        items: Vec<A>,
        chunksize: Option<usize>,
        terms: Terms<Vec<F::Out>, F::Raised>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<A>>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0.submit_batch(func, items, chunksize, terms)
    }

    fn submit_imap<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        items: impl IntoIterator<Item = A, IntoIter: Send + 'static>,
        flow: Flow,
    ) -> Result<Imap<F::Out, F::Raised>, Misuse>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0.imap(func, items, flow)
    }

    fn submit_imap_results<F: FnPtr<A>, A: Portable>(
        &self,
        func: F,
        results: impl IntoIterator<Item = Result<A, F::Raised>, IntoIter: Send + 'static>,
        flow: Flow,
    ) -> Result<Imap<F::Out, F::Raised>, Misuse>
    where
        F::Out: Portable,
        F::Raised: Portable,
    {
        self.0.imap_results(func, results, flow)
    }
}
