//! Coming from elsewhere, what is what here and the same program side by side; and recipes.

#[doc = include_str!("../guide/from_multiprocessing.md")]
pub mod from_multiprocessing {}

#[doc = include_str!("../guide/from_procspawn.md")]
pub mod from_procspawn {}

#[doc = include_str!("../guide/recipes.md")]
pub mod recipes {}
