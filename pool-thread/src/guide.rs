//! Coming from elsewhere, what is what here and the same program side by side; and recipes.

#[doc = include_str!("../guide/from_multiprocessing.md")]
pub mod from_multiprocessing {}

#[doc = include_str!("../guide/from_rayon_or_threadpool.md")]
pub mod from_rayon_or_threadpool {}

#[doc = include_str!("../guide/recipes.md")]
pub mod recipes {}
