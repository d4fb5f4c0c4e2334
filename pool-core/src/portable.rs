//! Every pool runs portable work: plain functions, with or without a context.

use crate::backends::Backend;
use crate::call::{RunCall, RunEach, RunImap};
use crate::error::PoolError;
use crate::handle::Submitted;
use crate::imap::{Imap, ImapOptions, Results};
use crate::options::SubmitOptions;
use crate::pool::Pool;
use crate::settled::ItemResult;
use crate::submit_async::SubmitAsync;
use crate::task::{FnCall, FnEach, Portable, PortableFn};

impl<P: Pool, F: PortableFn<A>, A: Portable> RunCall<FnCall<F, A>> for P {
    type Argument = A;
    type Out = F::Out;
    type Raised = F::Raised;

    fn submit_call(
        &self,
        call: FnCall<F, A>,
        options: SubmitOptions<F::Out, F::Raised>,
    ) -> Submitted<F::Out, F::Raised, A> {
        let erase = P::Backend::call_job;
        self.engine()
            .submit_task(call, options, erase, |call| call.arg)
    }

    fn submit_call_async(
        &self,
        call: FnCall<F, A>,
        options: SubmitOptions<F::Out, F::Raised>,
    ) -> SubmitAsync<F::Out, F::Raised> {
        let erase = P::Backend::call_job;
        self.engine().submit_task_async(call, options, erase)
    }
}

impl<P, F, I> RunEach<FnEach<F>, I> for P
where
    P: Pool,
    F: PortableFn<I::Item>,
    I: IntoIterator<Item: Portable>,
{
    type Item = I::Item;
    type Out = F::Out;
    type Raised = F::Raised;

    fn submit_each(
        &self,
        FnEach(func): FnEach<F>,
        items: I,
        options: SubmitOptions<Vec<F::Out>, F::Raised>,
    ) -> Submitted<Vec<F::Out>, F::Raised, Vec<I::Item>> {
        let erase = P::Backend::map_job;
        self.engine().submit_batch(func, items, options, erase)
    }

    fn submit_each_async(
        &self,
        FnEach(func): FnEach<F>,
        items: I,
        options: SubmitOptions<Vec<F::Out>, F::Raised>,
    ) -> SubmitAsync<Vec<F::Out>, F::Raised> {
        let erase = P::Backend::map_job;
        self.engine()
            .submit_batch_async(func, items, options, erase)
    }
}

impl<P, F, I> RunImap<FnEach<F>, I> for P
where
    P: Pool,
    F: PortableFn<I::Item>,
    I: IntoIterator<Item: Portable, IntoIter: Send + 'static>,
    ItemResult<F::Out, F::Raised>: Portable,
{
    type Out = F::Out;
    type Raised = F::Raised;

    fn start_imap(
        &self,
        FnEach(func): FnEach<F>,
        items: I,
        options: ImapOptions,
    ) -> Result<Imap<F::Out, F::Raised>, PoolError> {
        let erase = P::Backend::map_job;
        self.engine().imap(func, items, options, erase)
    }
}

impl<P, F, I, A, E> RunImap<FnEach<F>, Results<I>> for P
where
    P: Pool,
    F: PortableFn<A, Raised = E>,
    A: Portable,
    E: Portable,
    I: IntoIterator<Item = Result<A, E>, IntoIter: Send + 'static>,
    ItemResult<F::Out, E>: Portable,
{
    type Out = F::Out;
    type Raised = E;

    fn start_imap(
        &self,
        FnEach(func): FnEach<F>,
        results: Results<I>,
        options: ImapOptions,
    ) -> Result<Imap<F::Out, E>, PoolError> {
        let erase = P::Backend::map_job;
        self.engine().imap(func, results, options, erase)
    }
}
