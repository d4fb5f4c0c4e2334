//! Contexts on threads: shared by all calls of a view, and dropped with it and its jobs.

use std::sync::Arc;

use pool_thread::{Pool, ThreadPool};

#[path = "../../pool-core/tests/programs/methods.rs"]
mod methods;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn every_method_of_the_trait_does_what_its_page_says() -> Outcome {
    methods::every_method(|| ThreadPool::new(2))
}

#[test]
fn a_context_is_shared_by_all_calls_and_dropped_with_the_last_of_them() -> Outcome {
    let pool = ThreadPool::new(2)?;
    let context = Arc::new("shared".to_owned());
    let view = pool.with_arc(context.clone());
    let address = |context: &String, ()| std::ptr::from_ref(context).addr();
    let addresses = view.clone().map(address, [(); 10])?;
    assert_eq!(addresses, [std::ptr::from_ref(&*context).addr(); 10]);
    let results = view.imap(address, [(); 10])?;
    drop(view);
    assert_eq!(results.flatten().count(), 10);
    pool.close();
    pool.join()?;
    assert_eq!(Arc::strong_count(&context), 1);
    Ok(())
}
